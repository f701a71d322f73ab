"""What the command shows of strategies, and which arms it refuses."""

from dataclasses import replace

import pytest

from sample.config import ArmConfig
from sample.errors import UsageError
from sample.strategies import STRATEGIES, check_arms, check_sizes, find_strategy
from sample.strategies.catalogue import catalogue


def test_every_strategy_states_its_rule_and_the_meaning_of_its_options():
    rows = {row.name: row for row in catalogue()}
    assert list(rows) == list(STRATEGIES)
    for name, strategy in STRATEGIES.items():
        assert find_strategy(name) is strategy
        assert strategy.rule.endswith(".") and "\n" not in strategy.rule
        assert rows[name].rule == strategy.rule
        assert all(option.meaning.endswith(".") for option in rows[name].options), name
    options = {option.name: option for option in rows["reject_repeats"].options}
    assert list(options) == [
        "reanswer",
        "history",
        "window",
        "feedback",
        "unfinished",
        "sketch",
        "redraws",
    ]
    assert options["redraws"].default == 3
    assert options["redraws"].meaning == "most draws of an attempt beside its first."
    assert options["feedback"].meaning.startswith("what precedes the re-answer prompt")
    assert rows["parallel"].options == ()


ARMS = {
    "parallel": ArmConfig("parallel"),
    "sequential": ArmConfig("sequential"),
    "filler": ArmConfig("irrelevant_context", systems=("base",)),
    "swapped": ArmConfig("swapped_history", options={"pool": "filler"}, systems=("base",)),
}


def test_arms_that_can_run_pass():
    check_arms(ARMS)


@pytest.mark.parametrize(
    ("arms", "what"),
    [
        ({"x": ArmConfig("paralel")}, "did you mean 'parallel'"),
        ({"x": ArmConfig("best_guess")}, "strategies: parallel, seq.*FILE.py:FUNCTION"),
        ({"x": ArmConfig("parallel", options={"reanswer": 1})}, "unknown key.*x.options.reanswer"),
        ({"x": ArmConfig("sequential", options={"renaswer": 1})}, "did you mean 'reanswer'"),
        ({"x": ArmConfig("sequential", options={"reanswer": 4})}, "reanswer takes 0 to 3"),
        (
            {"x": ArmConfig("sequential", options={"reanswer": True})},
            "expected a number .given: True",
        ),
        (
            {"x": ArmConfig("sequential", options={"reanswer": " "})},
            "reanswer takes 0 to 3 or a text",
        ),
        ({"x": ArmConfig("sequential", options={"reanswer": []})}, "x.options.reanswer"),
        ({"x": ArmConfig("sequential", options={"history": "all"})}, "x.options.history"),
        ({"x": ArmConfig("sequential", options={"sketch": "1 line"})}, "history: sketches"),
        (
            {"x": ArmConfig("sequential", options={"history": "sketches", "sketch": "0 lines"})},
            "a count of lines",
        ),
        (
            {"x": ArmConfig("sequential", options={"history": "none", "feedback": "unary"})},
            "no reanswer, no window, no feedback",
        ),
        ({"x": ArmConfig("sequential", options={"window": 0})}, "window: expected 1 or more"),
        ({"x": ArmConfig("rsa", options={"subset": 5})}, "subset: expected 1 to population"),
        ({"x": ArmConfig("other_problems", options={"pool": "no"})}, "not in sample.arms"),
        ({"x": ArmConfig("other_problems", options={"pool": "x"})}, "each other"),
        ({"swapped": ArmConfig("swapped_history", options={"pool": "no"})}, "not in sample.arms"),
        ({"sequential": ArmConfig("sequential", systems=("other",))}, "must lie within"),
        ({"filler": replace(ARMS["filler"], options={"match": "swapped"})}, "each other"),
        ({"filler": ArmConfig("irrelevant_context", options={"match": "filler"})}, "each other"),
        ({"swapped": ArmConfig("swapped_history", options={"pool": "filler"})}, "must lie within"),
    ],
)
def test_arms_that_cannot_run_are_refused(arms, what):
    with pytest.raises(UsageError, match=what):
        check_arms({**ARMS, **arms})


@pytest.mark.parametrize(
    ("strategy", "options", "what"),
    [
        ("chains", {"width": 3}, r"width: expected a divisor of sample.attempts \(8\).*arms\.x\."),
        ("chains", {"width": 0}, "width"),
        ("rsa", {"population": 3}, "population: expected a divisor"),
        ("draft_distil_refine", {"rounds": 7}, "rounds of 2 or more"),
        ("draft_distil_refine", {"rounds": 2}, "divisor"),
        ("other_problems", {}, "sums.count must be 2 or more"),
    ],
)
def test_arms_that_the_size_of_the_run_does_not_suit_are_refused(strategy, options, what):
    arms = {"x": ArmConfig(strategy, options=options)}
    with pytest.raises(UsageError, match=what):
        check_sizes(arms, 8, {"sums": 1})


def test_arms_that_fit_pass():
    names = ("chains", "rsa", "draft_distil_refine", "aggregate", "other_problems", "parallel")
    check_sizes({name: ArmConfig(name) for name in names}, 8, {"sums": 2})
