import csv
import math
import re
from html.parser import HTMLParser

import pytest
from scipy import stats
from synthetic_summary import gap, interval, synthetic_summary, training_log

from analysis.power import drift
from analysis.report.compute_tables import cost_ratios_table
from analysis.report.limits import (
    half_width,
    limit_sentences,
    needed,
    standard_error,
)
from analysis.report.page import write_report
from analysis.report.sentences import answers, readings, said
from analysis.report.table import Missing, note_on, shown
from analysis.report.tables import build_tables
from analysis.report.writing import escape_latex, latex
from sample.errors import UsageError

SETTINGS = synthetic_summary()["settings"]


class Page(HTMLParser):
    """Tags, attributes and visible text of a page; void and SVG shapes need no end tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self._hidden = False
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._hidden = tag == "style"

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if not self._hidden:
            self.words.append(data)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    metrics = {"diverse-s0": training_log(10)}
    return write_report(synthetic_summary(), tmp_path_factory.mktemp("run"), metrics)


@pytest.fixture(scope="module")
def page(report):
    return Page(report.read_text(encoding="utf-8"))


def rows(report, name):
    with (report.parent / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def render(summary, folder):
    text = write_report(summary, folder).read_text(encoding="utf-8")
    return text, Page(text).text


def test_page_names_every_family_system_and_verdict(page):
    for name, family in synthetic_summary()["families"].items():
        assert name in page.text
        for adapter, entry in family["adapters"].items():
            assert adapter in page.text
            assert entry["reason"] in page.text
            assert entry["verdict"] in page.text
        for system in family["systems"]:
            assert system in page.text
    assert "NO GAP" in page.text


def test_sections_come_in_order_with_the_answer_first(report):
    text = report.read_text(encoding="utf-8")
    found = re.findall(r'<section id="(\w+)">', text)
    assert found == [
        *("answer", "records", "levels", "compute", "figures", "verdict", "controls"),
        *("exploration", "tokens", "negative", "seeds", "limits", "settings"),
    ]


def test_the_page_says_what_the_records_allow_and_what_not(page):
    family = synthetic_summary()["families"]["countdown"]
    for sentence in (s for part in family["diagnosis"].values() for s in part):
        assert page.text.count(sentence) == 2


def test_causes_checks_and_equal_compute_are_on_the_page(page):
    assert "Not the longer context." in page.text and "Are its prompts as long?" in page.text
    assert "not by 1.10x" in page.text and "1.40x [1.90, 1.70]" in page.text


def test_page_is_self_contained(report, page):
    text = report.read_text(encoding="utf-8")
    assert "http:" not in text and "https:" not in text
    assert not re.search(r"@import|url\((?!#)", text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    for key, value in page.attributes:
        assert key not in ("src", "srcset", "data") and not key.startswith("on")
        if key.endswith("href"):
            assert value.startswith("#")
    assert page.tags.count("svg") == 7


def test_ids_are_unique_and_every_reference_has_its_target(page):
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    wanted = [v[1:] for k, v in page.attributes if k.endswith("href")]
    wanted += [m for _, v in page.attributes for m in re.findall(r"url\(#([^)]+)\)", v or "")]
    assert wanted and set(wanted) <= set(ids)


def test_figure_colours_follow_the_page(report):
    text = report.read_text(encoding="utf-8")
    svg = text[text.index("<svg") : text.rindex("</svg>")]
    used = set(re.findall(r"var\((--c\w+)\)", svg))
    assert used and all(f"{name}:" in text for name in used)
    assert not re.search(r"(?:fill|stroke): #(?!ffffff)", svg)


def test_answer_gives_verdict_gap_before_after_and_did(page):
    found = answers(synthetic_summary())
    first = found[0]
    assert (first["family"], first["name"], first["verdict"]) == (
        "countdown",
        "diverse-s0",
        "CLOSED",
    )
    assert first["numbers"] == (
        "Gap in coverage@8: 37.0 points [34.5, 39.5] before training, 0.5 points [−2.0, 3.0] "
        "after; DiD 36.5 points [33.5, 39.5], 400 problems."
    )
    assert all(answer["numbers"] in page.text for answer in found)


def test_a_closure_that_is_withheld_is_not_called_a_remainder():
    summary = synthetic_summary(1)
    entry = summary["families"]["countdown"]["adapters"]["diverse-s0"]
    entry |= {"verdict": "NARROWED", "withheld": "All four tests passed, but it is interim."}
    assert answers(summary)[0]["meaning"] == "all four tests passed, but it is interim"


def test_embedded_model_is_named_only_where_it_ran(page, tmp_path):
    assert "no evidence about large models" in page.text
    summary = synthetic_summary(1)
    summary["run"]["embedded_model"] = False
    assert "no evidence about large models" not in render(summary, tmp_path)[1]


def test_nulls_show_as_a_dash_with_the_reason(page, tmp_path):
    assert "parallel attempts have no last one" in page.text
    assert "the engine does not count these" in page.text
    summary = synthetic_summary(1)
    family = summary["families"]["countdown"]
    family["systems"]["base"]["arms"]["parallel"]["accuracy"] = interval(None)
    family["adapters"]["diverse-s0"] |= {
        "verdict": None,
        "reason": "Not measured: an arm is missing.",
        "steps": [],
        "fraction_closed": None,
        **dict.fromkeys(("gap_base", "gap_adapted", "did", "parallel_change")),
    }
    text, words = render(summary, tmp_path)
    assert "no problem has every attempt this needs" in words
    assert "the gap before is too near 0 for a ratio" in words
    assert "NOT MEASURED" in words
    assert not re.search(r">\s*(None|nan|NaN)\b", text)
    levels = latex(build_tables(summary)["levels"])
    assert "countdown & base & parallel & -- &" in levels


def test_an_estimate_without_interval_says_so(tmp_path):
    _, words = render(synthetic_summary(1), tmp_path)
    assert "no interval n=1" in words
    assert "One training seed (diverse, history)" in words


@pytest.mark.parametrize("missing", ["adapters", "models", "methods", "controls", "systems"])
def test_a_part_that_is_missing_or_null_leaves_the_rest(missing, tmp_path):
    summary = synthetic_summary(1)
    summary["families"]["countdown"][missing] = None
    del summary["families"]["chain_sum"][missing]
    summary["warnings"] = None
    _, words = render(summary, tmp_path)
    assert "countdown" in words and "chain_sum" in words


def test_nothing_but_a_schema_version_is_still_a_page(tmp_path):
    _, words = render({"schema_version": 5}, tmp_path)
    assert "the summary has no family of problems" in words


def test_without_adapters_the_answer_is_the_gap_of_the_base():
    summary = synthetic_summary(1)
    summary["families"]["countdown"]["adapters"] = {}
    found = [answer for answer in answers(summary) if answer["family"] == "countdown"]
    assert [a["verdict"] for a in found] == ["NO ADAPTER"]
    assert found[0]["numbers"].startswith("Gap in coverage@8: 37.0 points [34.5, 39.5]")
    limits = [row for row in build_tables(summary)["limits"].rows if row["family"] == "countdown"]
    assert limits[0]["system"] == "base" and limits[0]["least_gap"] > 0
    assert isinstance(limits[0]["reach"], Missing)


def test_hostile_text_is_escaped_everywhere(tmp_path):
    name = "<script>alert('x')</script>\"><img src=x onerror=y>&"
    summary = synthetic_summary(1)
    family = summary["families"]["countdown"]
    family["adapters"] = {name: family["adapters"]["diverse-s0"]}
    family["adapters"][name]["reason"] = name
    family["systems"][name] = family["systems"]["diverse-s0"]
    family["controls"][name] = family["controls"]["swapped_history"]
    summary["families"] = {name: family}
    summary["warnings"] = [name]
    summary["run"]["name"] = name
    summary["settings"]["decoding"] = {name: name}
    path = write_report(summary, tmp_path, {name: training_log(3)})
    page = Page(path.read_text(encoding="utf-8"))
    assert not {"script", "img"} & set(page.tags)
    assert name in page.text
    assert {row["family"] for row in rows(path, "levels")} == {name}


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


def test_degenerate_interval_names_its_method(tmp_path):
    summary = synthetic_summary(1)
    level = summary["families"]["countdown"]["systems"]["base"]["arms"]["parallel"]["valid"]
    level |= {"method": "wilson", "degenerate": True}
    note = "too little variation for a t interval: wilson instead"
    assert build_tables(summary)["exploration"].notes[-1] == note
    assert note in render(summary, tmp_path)[1]


def test_standard_error_is_read_back_from_the_interval():
    error, n = 0.012, 400
    half = stats.t.isf(0.025, n - 1) * error
    assert standard_error(interval(0.1, half, n), SETTINGS) == pytest.approx(error)
    fixed = {**SETTINGS, "estimand": "fixed"}
    found = gap(0.1, stats.norm.isf(0.025) * error / 0.6)
    assert standard_error(found, fixed) == pytest.approx(error)
    assert math.isnan(standard_error({}, SETTINGS))
    assert math.isnan(
        standard_error({"estimate": 0.1, "low": None, "high": None, "n": 9}, SETTINGS)
    )


def test_standard_errors_and_size_agree_with_the_published_example():
    assert drift(0.05, 0.8) == pytest.approx(2.80, abs=0.005)
    # Miller 2024: variance 1/9 between problems, effect 0.03 -> 969 problems
    assert needed(drift(0.05, 0.8) * math.sqrt(1 / 9 / 100), 0.03, 100) == 969
    assert needed(math.nan, 0.03, 100) is None


def test_limits_follow_from_the_intervals():
    summary = synthetic_summary(1)
    family = summary["families"]["countdown"]
    wide, narrow = gap(0.005, 0.08), gap(0.005, 0.01)
    family["adapters"]["history-s0"]["gap_adapted"] = wide
    family["adapters"]["diverse-s0"]["gap_adapted"] = narrow
    found = {r["system"]: r for r in build_tables(summary)["limits"].rows[:2]}
    assert found["history-s0"]["reach"] == "no" and found["diverse-s0"]["reach"] == "yes"
    assert found["history-s0"]["half_width"] == pytest.approx(half_width(wide, SETTINGS))
    ratio = found["history-s0"]["size_margin"] / found["diverse-s0"]["size_margin"]
    assert ratio == pytest.approx(64, rel=0.03)
    text = " ".join(limit_sentences(summary))
    assert "for history-s0 not even a remaining gap of exactly 0" in text


def test_a_fixed_benchmark_asks_for_replicates_not_problems():
    summary = synthetic_summary(1)
    summary["settings"]["estimand"] = "fixed"
    table = build_tables(summary)["limits"]
    assert any(column.label.startswith("replicates") for column in table.columns)
    assert table.rows[0]["size_gap"] < 10


def test_readings_follow_the_sign_of_the_control():
    def h2(difference):
        summary = synthetic_summary(1)
        control = summary["families"]["countdown"]["controls"]["irrelevant_context"]
        control["difference"] = difference
        texts = {
            r["hypothesis"]: r["text"] for r in readings(summary) if r["family"] == "countdown"
        }
        assert texts["H1, aggregator"].startswith("Coverage uses no aggregator")
        return texts["H2, longer context"]

    assert "costs 18.5 points [16.0, 21.0], 50 % of the gap" in h2(gap(0.185))
    assert "is not shown" in h2(gap(0.004, 0.01)) and "below the margin" in h2(gap(0.004, 0.01))
    assert "below the margin" not in h2(gap(0.02))
    assert "does better than alone" in h2(gap(-0.1))
    assert "not measured" in h2(None)


def test_share_of_a_gap_that_is_not_shown_is_not_given():
    summary = synthetic_summary(1)
    summary["families"]["countdown"]["systems"]["base"]["gaps"]["coverage"] = gap(0.01)
    row = build_tables(summary)["controls"].rows[0]
    assert isinstance(row["share"], Missing)


@pytest.mark.parametrize("given", [{}, {"schema_version": 1}, None, []])
def test_other_schema_is_refused_with_what_to_type(given, tmp_path):
    with pytest.raises(UsageError, match=r"schema_version must be 5 .*forage analyze"):
        write_report(given, tmp_path)
    assert not list(tmp_path.iterdir())


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
