"""Tables beside the page, as CSV and LaTeX: every number of the summary, whole."""

from report_files import rows
from synthetic_summary import gap, interval, synthetic_summary

from analysis.report.compute_tables import cost_ratios_table
from analysis.report.sentences import said
from analysis.report.table import note_on, shown
from analysis.report.tables import build_tables
from analysis.report.writing import escape_latex


def test_csv_levels_equal_the_summary(report):
    found = rows(report, "levels")
    summary = synthetic_summary()
    assert len(found) == sum(2 * len(f["systems"]) for f in summary["families"].values())
    for row in found:
        arm = summary["families"][row["family"]]["systems"][row["system"]]["arms"][row["arm"]]
        for name in ("accuracy", "coverage", "majority"):
            for part, key in (("", "estimate"), ("_low", "low"), ("_high", "high"), ("_n", "n")):
                assert float(row[name + part]) == arm[name][key]
        assert float(row["selection"]) == arm["selection"]
        assert (row["last"] == "") == (arm["last"] is None)


def test_csv_changes_and_steps_equal_the_summary(report):
    adapters = {n: f["adapters"] for n, f in synthetic_summary()["families"].items()}
    for row in rows(report, "changes"):
        entry = adapters[row["family"]][row["adapter"]]
        assert row["verdict"] == entry["verdict"]
        for name in ("gap_base", "gap_adapted", "did"):
            assert float(row[name]) == entry[name]["estimate"]
            for part in ("low", "high", "n", "p_t", "p_flip", "boot_low", "fixed_high"):
                assert float(row[f"{name}_{part}"]) == entry[name][part]
    steps = rows(report, "verdict_steps")
    assert len(steps) == 4 * sum(len(found) for found in adapters.values())
    for row in steps:
        step = adapters[row["family"]][row["adapter"]]["steps"][int(row["step"]) - 1]
        assert float(row["bound"]) == step["bound"]
        expected = {True: "passed", False: "failed", None: "not asked"}[step["passed"]]
        assert row["passed"] == expected


def test_csv_curves_hold_every_point_of_the_figures(report):
    found = rows(report, "curves")
    summary = synthetic_summary()
    for row in found:
        arm = summary["families"][row["family"]]["systems"][row["system"]]["arms"][row["arm"]]
        point = arm["by_step"][row["statistic"]][int(row["k"]) - 1]
        assert row["estimate"] == ("" if point["estimate"] is None else repr(point["estimate"]))
    arms = [s["arms"] for f in summary["families"].values() for s in f["systems"].values()]
    assert len(found) == sum(5 * 8 * len(each) for each in arms)


def test_csv_cost_curves_hold_every_point_and_the_table_their_ends(report):
    summary, found = synthetic_summary(), rows(report, "cost_curve_points")
    assert len(found) == 5 * 3 * 2 * (1 + 2)
    curve = summary["families"]["chain_sum"]["equal_compute"]["base"]["curves"]["majority"]["total"]
    key = ("chain_sum", "base", "majority", "total")
    mine = [r for r in found if (r["family"], r["system"], r["aggregator"], r["cost"]) == key]
    for side in ("parallel", "sequential", "gap"):
        assert [float(r[side]) for r in mine] == curve[side]["estimate"]
        assert [float(r[f"{side}_low"]) for r in mine] == curve[side]["low"]
    (shown,) = (
        row
        for row in rows(report, "cost_curves")
        if (row["family"], row["system"], row["cost"]) == ("chain_sum", "base", "all tokens")
        and row["aggregator"] == "majority@8"
    )
    assert [shown[key] for key in ("from", "to")] == [mine[i]["tokens"] for i in (0, -1)]
    places = [float(shown[place]) for place in ("least", "middle", "most")]
    assert places == [curve["gap"]["estimate"][i] for i in (0, 2, 4)]


def of_base(summary):
    def place(row):
        return row["family"], row["system"]

    rows = build_tables(summary)["search"].rows
    return {row["arm"]: row["against_twice"] for row in rows if place(row) == ("countdown", "base")}


def test_what_an_older_summary_has_not_is_not_said_to_be_impossible():
    summary = synthetic_summary(1)
    arms = summary["families"]["countdown"]["systems"]["base"]["arms"]
    arms["sequential"]["against_twice"] = gap(-0.1)
    found = of_base(summary)
    assert found["sequential"]["estimate"] == -0.1
    assert "forage analyze makes it anew" in note_on(found["parallel"])
    arms["parallel"]["against_twice"] = None
    found = of_base(summary)
    assert "the reference" in note_on(found["parallel"])


def test_twice_as_many_attempts_are_counted_so():
    summary = synthetic_summary(1)
    table = build_tables(summary)["search"]
    twice = 2 * summary["settings"]["N"]
    assert f"that of {twice} parallel attempts" in table.caption
    assert f"less {twice} parallel, points" in {column.label for column in table.columns}


def test_every_csv_has_its_latex_with_one_line_per_row(report):
    for name, table in build_tables(synthetic_summary()).items():
        text = (report.parent / "tables" / f"{name}.tex").read_text(encoding="utf-8")
        body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
        assert body.count(r" \\") == len(table.rows)
        assert body.count(" & ") == len(table.rows) * (len(table.columns) - 1)


def test_latex_escapes_what_latex_reads():
    assert escape_latex(r"a_b & 50% \x {y} #1 ^~$") == (
        r"a\_b \& 50\% \textbackslash{}x \{y\} \#1 \textasciicircum{}\textasciitilde{}\$"
    )
    assert escape_latex("[−1.0, 2]") == "{[}$-$1.0, 2]"


def test_numbers_are_shown_in_per_cent_and_points():
    assert shown(interval(0.2412, 0.02), "share") == ("24.1", "[22.1, 26.1] n=400")
    assert shown(-0.0001, "points") == ("0.0", "")
    assert shown(-0.031, "points") == ("−3.1", "")
    assert shown(12345, "count")[0] == "12\u202f345"
    assert said(None) == "not measured"


def test_a_price_of_nothing_is_told_as_missing_with_its_reason():
    summary = synthetic_summary()
    ratios = next(
        found["ratios"]
        for family in summary["families"].values()
        for found in family["equal_compute"].values()
        if found
    )
    ratios[0] |= {"ratio": None, "reason": "parallel solves nothing"}
    shown = cost_ratios_table(summary).rows[0]["ratio"]
    assert note_on(shown) == "parallel solves nothing"
