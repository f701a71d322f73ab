"""What the page says a study can and cannot show, read back from its intervals."""

import math

import pytest
from scipy import stats
from synthetic_summary import gap, interval, synthetic_summary

from analysis.power import drift
from analysis.report.limits import half_width, limit_sentences, needed, standard_error
from analysis.report.sentences import readings
from analysis.report.table import Missing
from analysis.report.tables import build_tables

SETTINGS = synthetic_summary()["settings"]


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
