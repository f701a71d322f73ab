"""Several runs as one study: what is one system, which problems are shared, what was fixed."""

import pytest
from simulated import attempt, simulate

from analysis.config import AnalysisConfig, SystemInfo
from analysis.joint import Part, joint_settings, refuse_collisions, shared_problems
from analysis.summary import summarize
from sample.errors import UsageError

COVERAGE = AnalysisConfig(primary={"toy": "coverage"}, resamples=100)


def arms(system, stay=0.0):
    return {(system, "parallel"): 0.0, (system, "sequential"): stay}


def part(name, records, label="", config=COVERAGE, systems=None, identities=None):
    held = list(records)
    return Part(name, label, lambda: held, config, systems or {}, identities or {})


def moved(records, by):
    """The same attempts on other problems."""
    for a in records:
        yield attempt(by + a.problem, a.arm, a.system, a.replicate, a.step, a.canonical, a.correct)


def test_one_system_on_other_problems_of_a_second_run_is_one_system():
    first = part("a", simulate(arms("base"), problems=12))
    second = part("b", moved(simulate(arms("base"), problems=15), "x"))
    refuse_collisions([first, second])
    (said,) = shared_problems([first, second])
    assert said.startswith("toy: of 27 problems (a 12, b 15) 0 are in every run")
    found = summarize([*first.attempts(), *second.attempts()], COVERAGE)
    assert found["families"]["toy"]["systems"]["base"]["gaps"]["coverage"]["n"] == 27


def test_an_adapter_sampled_on_other_problems_than_its_base_gets_no_verdict():
    first = part("a", simulate(arms("base"), problems=12))
    second = part("b", moved(simulate(arms("diverse-s0"), problems=12), "x"))
    found = summarize([*first.attempts(), *second.attempts()], COVERAGE, second.infos())
    entry = found["families"]["toy"]["adapters"]["diverse-s0"]
    assert entry["verdict"] is None and "no problem has all the attempts" in entry["reason"]


@pytest.mark.parametrize("identities", [({}, {}), ({"base": "1"}, {"base": "1"})])
def test_the_same_system_on_the_same_problems_is_refused_and_labels_tell_it_apart(identities):
    records = list(simulate(arms("base"), problems=12))
    pair = [part(n, records, identities=i) for n, i in zip("ab", identities, strict=True)]
    with pytest.raises(UsageError, match=r"a and b both have base, on the same .* a=a b=b$"):
        refuse_collisions(pair)
    refuse_collisions([part("a", records, "x"), part("b", records, "y")])


def test_one_name_for_other_weights_is_refused_on_any_problems():
    first = part("a", simulate(arms("base"), problems=12), identities={"base": "1"})
    other = moved(simulate(arms("base"), problems=12), "x")
    second = part("b", other, identities={"base": "2"})
    with pytest.raises(UsageError, match="both have base, of other weights"):
        refuse_collisions([first, second])


def test_a_label_goes_with_every_name_of_a_system():
    systems = {"new": SystemInfo("new", "base", "diverse", 3)}
    both = {**arms("base"), **arms("new")}
    found = part("a", simulate(both, problems=3), "x", systems=systems)
    assert found.infos() == {
        "x-base": SystemInfo("x-base"),
        "x-new": SystemInfo("x-new", "x-base", "x-diverse", 3),
    }
    assert {a.system for a in found.attempts()} == {"x-base", "x-new"}


def test_runs_over_the_same_problems_say_so():
    pair = [part(n, simulate(arms(n), problems=9)) for n in "ab"]
    assert shared_problems(pair) == ["toy: the runs share all 9 problems"]


def test_settings_agree_where_each_family_is_judged_alike():
    records = list(simulate(arms("base"), problems=3))
    other = [attempt(family="maths")]
    config = AnalysisConfig(primary={"maths": "last"}, resamples=100)
    joint, agree = joint_settings([part("a", records, "x"), part("b", other, config=config)])
    assert agree and joint.primary == {"toy": "coverage", "maths": "last"}
    assert joint.base == "x-base"
    for changed in (AnalysisConfig(resamples=100), AnalysisConfig(0.05, resamples=100)):
        assert not joint_settings([part("a", records), part("b", records, config=changed)])[1]
