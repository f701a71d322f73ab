from xml.etree import ElementTree

import numpy as np
import pytest
from report_files import svg_alone
from synthetic_summary import STEPS, synthetic_summary, training_log

from analysis.figures import save_figures
from analysis.figures.coverage_and_repeats import coverage
from analysis.figures.equal_compute import equal_compute
from analysis.figures.gaps import gaps
from analysis.figures.reading import curve, groups
from analysis.figures.save import FORMATS, save_figure
from analysis.figures.training import smooth, training

COSTS = {"equal_compute", "equal_compute_coverage"}
NAMES = {"gaps", "coverage", "accuracy_by_step", *COSTS, "repeat_rate", "training"}


@pytest.fixture(scope="module", autouse=True)
def quickly():
    with svg_alone():
        yield


@pytest.fixture(scope="module")
def saved(report):
    return {path.stem: path for path in (report.parent / "figures").iterdir()}


def texts(path):
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_figure_is_written(saved):
    assert set(saved) == NAMES
    for name, path in saved.items():
        assert path.parts[-2:] == ("figures", f"{name}.svg") and path.stat().st_size > 1000


@pytest.mark.smoke
def test_every_figure_is_written_in_every_format_and_is_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.figures.save.FORMATS", FORMATS)
    metrics = {"diverse-s0": training_log(12)}
    one, other = (save_figures(synthetic_summary(), tmp_path / name, metrics) for name in "ab")
    assert set(one) == set(other) == NAMES and set(FORMATS) == {"svg", "pdf", "png"}
    for name in NAMES:
        for suffix in FORMATS:
            written = one[name].with_suffix(f".{suffix}").read_bytes()
            assert len(written) > 1000
            assert other[name].with_suffix(f".{suffix}").read_bytes() == written


def test_gap_figure_names_families_adapters_verdicts_and_the_margin(saved):
    said = texts(saved["gaps"])
    summary = synthetic_summary()
    for name, family in summary["families"].items():
        assert name in said
        assert said.count("NARROWED") == 4
        assert set(family["adapters"]) <= set(said)
    assert "margin, ±3 points" in said


def test_cost_figures_have_a_panel_for_each_cost_that_is_known(saved):
    labels = ["generated tokens", "all tokens", "critical path, tokens"]
    said = texts(saved["equal_compute"])
    assert [text for text in said if text.endswith("tokens")] == labels
    assert [text for text in said if text.endswith(": base")] == [
        "countdown: base",
        "chain_sum: base",
    ]
    assert said.count("majority, %") == said.count("coverage, %") == 1
    other = texts(saved["equal_compute_coverage"])
    assert "chain_sum: base" in other and "countdown: base" not in other
    assert "coverage, %" in other and "majority, %" not in other


def test_a_cost_that_hardly_varies_still_has_marks(tmp_path):
    summary = synthetic_summary(1)
    for system in summary["families"]["countdown"]["equal_compute"].values():
        costs = system["curves"]["coverage"]
        costs["generated"]["tokens"] = [9001.0, 9002.0, 9003.0, 9004.0, 9005.0]
        costs["total"]["tokens"] = [9000.0 * 4**i for i in range(5)]
    said = texts(save_figure(lambda: equal_compute(summary), tmp_path, "a"))
    assert {"9001", "9003", "9005"} <= set(said)
    assert {"16k", "66k", "262k", "1049k"} <= set(said)
    for system in summary["families"]["countdown"]["equal_compute"].values():
        tokens = [12_000.0, 12_200.0, 12_400.0, 12_600.0, 12_800.0]
        system["curves"]["coverage"]["total"]["tokens"] = tokens
    said = texts(save_figure(lambda: equal_compute(summary), tmp_path, "b"))
    assert {"12.00k", "12.39k", "12.80k"} <= set(said)


def test_figures_without_numbers_are_left_out(tmp_path):
    assert save_figures({"families": {}}, tmp_path) == {}
    summary = synthetic_summary(1)
    for family in summary["families"].values():
        family["adapters"] = None
        for system in family["systems"].values():
            for arm in system["arms"].values():
                del arm["by_step"]["repeat_rate"]
    assert set(save_figures(summary, tmp_path)) == {"coverage", "accuracy_by_step", *COSTS}


def test_null_points_and_unmeasured_gaps_are_drawn_around(tmp_path):
    summary = synthetic_summary(1)
    family = summary["families"]["countdown"]
    family["systems"]["base"]["arms"]["parallel"]["by_step"]["coverage"][3] = None
    family["adapters"]["diverse-s0"] |= {"gap_base": None, "gap_adapted": None, "verdict": None}
    assert save_figure(lambda: coverage(summary), tmp_path, "coverage")
    assert training(summary, {"diverse-s0": [{"step": 1, "reward": None}]}) is None
    # its row is gone from countdown and stays in chain_sum
    assert texts(save_figure(lambda: gaps(summary), tmp_path, "gaps")).count("diverse-s0") == 1


def test_training_log_without_steps_or_with_other_keys(tmp_path):
    metrics = {"other": [{"reward": 0.1}, {"reward": 0.2, "loss": 3}, {}], "empty": []}
    said = texts(save_figure(lambda: training(synthetic_summary(1), metrics), tmp_path, "x"))
    assert "reward" in said and "accuracy" not in said
    assert "other" in said


def test_hostile_names_stay_text(tmp_path):
    name = "<script>$x_{&"
    summary = synthetic_summary(1)
    summary["families"] = {name: summary["families"]["countdown"]}
    assert name in texts(save_figure(lambda: gaps(summary), tmp_path, "x"))


def test_curve_is_the_summary_with_nan_for_null():
    family = synthetic_summary(1)["families"]["countdown"]
    points = family["systems"]["base"]["arms"]["sequential"]["by_step"]["repeat_rate"]
    found = curve(family, "base", "sequential", "repeat_rate")
    assert found.k.tolist() == list(range(1, STEPS + 1))
    assert np.isnan(found.estimate[0])
    assert found.estimate[1:].tolist() == [point["estimate"] for point in points[1:]]
    assert found.high[1:].tolist() == [point["high"] for point in points[1:]]
    assert not curve(family, "nobody", "sequential", "coverage").known


def test_groups_are_the_base_and_one_per_method():
    found = groups(synthetic_summary(3))
    assert [group.label for group in found] == ["base", "diverse (3 seeds)", "history (3 seeds)"]
    assert found[1].systems == ("diverse-s0", "diverse-s1", "diverse-s2")
    assert len({group.colour for group in found}) == 3


def test_smooth_is_the_mean_of_the_neighbours():
    values = np.array([1.0, 2.0, 6.0, 3.0, 8.0, 4.0])
    assert smooth(values)[2] == pytest.approx(values[:5].mean())
    assert smooth(values)[0] == pytest.approx(values[:3].mean())
    assert smooth(np.array([7.0, 9.0])).tolist() == pytest.approx([8.0, 8.0])
    assert len(smooth(np.array([]))) == 0
