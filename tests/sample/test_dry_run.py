"""Calls and tokens that a run would ask for, with no engine."""

import io

import pytest
from rich.console import Console

from sample.config import ArmConfig, ProblemConfig, SampleConfig
from sample.dry_run import (
    Lengths,
    count_tokens,
    expected,
    expected_lengths,
    text_of,
    walk_arms,
)
from sample.dry_run_shown import Rates, show_dry_run, tokens
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.problems import Problem
from sample.prompts import user
from sample.strategies import STRATEGIES

LENGTHS = Lengths(generated=1000, most=2000)
MATH = Problem("sums", text_of(50), "1", "math", "k", {})
CODE = Problem("programs", text_of(50), "", "code", "k", {"public": {}, "hidden": {}})


def walked(*strategies, attempts=4, problem=MATH, **options):
    arms = {name: ArmConfig(name) for name in strategies[:-1]}
    arms[strategies[-1]] = ArmConfig(strategies[-1], options=options)
    return {found.arm: found for found in walk_arms(arms, attempts, problem, LENGTHS)}


def config_of(problems, arms=("parallel", "sequential"), **changes):
    return SampleConfig(
        models={"base": TransformersModel("a")},
        problems=problems,
        arms={name: ArmConfig(name) for name in arms},
        decoding=Decoding(max_new_tokens=2000),
        **changes,
    )


def test_every_strategy_is_walked_and_pays_for_every_attempt():
    found = walked(*STRATEGIES)
    assert {asked.calls for asked in found.values()} == {4}
    assert found["parallel"].prompt == 4 * 50
    assert found["reject_repeats"].most == (1 + 3 * (1 + 3)) * LENGTHS.most
    traces = 4 * 50 + (1 + 2 + 3) * LENGTHS.thinking
    assert traces < found["budget_forcing"].prompt < traces + 6 * 10
    assert found["reject_repeats"].drawn > 3 * found["reject_repeats"].prompt


def test_a_history_makes_the_prompts_longer_and_its_control_as_long():
    found = walked("parallel", "sequential", "irrelevant_context", "swapped_history")
    answers = LENGTHS.answer * (1 + 2 + 3)
    assert 4 * 50 + answers < found["sequential"].prompt < 4 * 50 + answers + 6 * 10
    assert found["swapped_history"].prompt == found["sequential"].prompt
    assert found["sequential"].prompt <= found["irrelevant_context"].prompt
    assert found["irrelevant_context"].prompt < found["sequential"].prompt + 4 * 10


def test_feedback_of_tests_is_counted_and_refused_where_there_are_none():
    plain = walked("sequential", problem=CODE)["sequential"].prompt
    told = walked("sequential", problem=CODE, feedback="execution")["sequential"].prompt
    assert told > plain + 3 * 100
    with pytest.raises(UsageError, match="needs problems with public tests"):
        walked("sequential", feedback="execution")


def test_what_a_problem_does_not_allow_is_no_call():
    assert walked("correct", problem=CODE)["correct"].calls == 0


def test_a_row_for_each_system_family_and_arm():
    sets = {"sums": ProblemConfig("chain_sum", count=5), "aime": ProblemConfig("aime2025", "hub")}
    config = config_of(sets, attempts=3, replicates=2)
    rows = expected(config, ["base", "diverse-s0"], expected_lengths(config, 500))
    assert [(row.system, row.family, row.arm) for row in rows[:3]] == [
        ("base", "sums", "parallel"), ("base", "sums", "sequential"), ("base", "aime", "parallel"),
    ]  # fmt: skip
    assert len(rows) == 8 and rows[2].problems == 30
    assert (rows[2].calls, rows[2].generated, rows[2].most) == (180, 180 * 500, 180 * 2000)


def test_the_size_of_a_set_is_read_known_or_asked_for(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"question": "1 + 1", "answer": "2"}\n{"question": "2 + 2", "answer": "4"}\n')
    rows = expected(config_of({"own": ProblemConfig(str(path), "file")}), ["base"], LENGTHS)
    assert rows[0].problems == 2
    more = ProblemConfig("livecodebench", "hub", {"files": ["test5.jsonl", "test6.jsonl"]})
    for unknown in (more, ProblemConfig("someone/set", "hub")):
        with pytest.raises(UsageError, match=r"--set sample\.problems\.far\.count=100"):
            expected(config_of({"far": unknown}), ["base"], LENGTHS)
    counted = ProblemConfig("someone/set", "hub", count=7)
    assert expected(config_of({"far": counted}), ["base"], LENGTHS)[0].problems == 7


def test_expected_lengths_lie_within_the_limit():
    config = config_of({"sums": ProblemConfig("chain_sum", count=5)})
    assert expected_lengths(config, None) == Lengths(1000, 2000)
    assert (Lengths(1000, 2000).answer, Lengths(10, 20).answer) == (500, 5)
    for wrong in (0, 2001):
        with pytest.raises(UsageError, match=r"--expect takes 1 to .*\(2000\)"):
            expected_lengths(config, wrong)


def test_prompts_are_at_most_as_long_as_full_attempts_make_them():
    config = config_of(
        {"sums": ProblemConfig("chain_sum", count=5)},
        arms=("parallel", "sequential", "reject_repeats", "budget_forcing"), attempts=4,
    )  # fmt: skip
    row = {found.arm: found for found in expected(config, ["base"], LENGTHS)}
    assert row["parallel"].most_prompt == row["parallel"].prompt
    full = 5 * (1 + 2 + 3) * LENGTHS.most
    assert full < row["sequential"].most_prompt < full + row["sequential"].prompt
    # The first draw of four attempts, and three more of the later ones.
    assert row["reject_repeats"].most_prompt > 3.9 * full
    assert full < row["budget_forcing"].most_prompt < full + row["parallel"].prompt + 5 * 6 * 10
    assert row["sequential"].longest > LENGTHS.most + 3 * LENGTHS.answer


def test_a_context_that_is_too_short_is_told():
    config = config_of({"sums": ProblemConfig("chain_sum", count=5)}, attempts=4)
    rows = expected(config, ["base"], LENGTHS)
    longest = max(row.longest for row in rows)
    for context, said in ((longest - 1, 1), (longest, 0)):
        console = Console(width=200, file=io.StringIO())
        show_dry_run(rows, LENGTHS, Rates(), console, {"base": context})
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert shown.count("sequential on sums needs up to") == said
        assert "parallel on sums needs" not in shown


@pytest.mark.parametrize("size", [0, 1, 20, 21, 1234])
def test_a_text_has_as_many_tokens_as_it_should(size):
    assert count_tokens(user(text_of(size))) == size


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_tells_cost_and_hours(width):
    config = config_of({"sums": ProblemConfig("aime2025", "hub")}, arms=tuple(STRATEGIES))
    console = Console(width=width, file=io.StringIO())
    rows = expected(config, ["base"], LENGTHS)
    show_dry_run(rows, LENGTHS, Rates((1.0, 10.0), 1000.0), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(name in shown for name in STRATEGIES)
    assert max(map(len, shown.splitlines())) <= width
    generated = sum(row.generated for row in rows)
    assert f"hours: {generated / 1000 / 3600:.3g}" in shown and "cost: " in shown


@pytest.mark.parametrize(
    "count,shown",
    [(0, "0"), (999, "999"), (12_340, "12.3k"), (999_999, "1,000k"), (5_000_000_000, "5B")],
)
def test_numbers_of_tokens_are_short(count, shown):
    assert tokens(count) == shown
