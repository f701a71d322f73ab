import asyncio
import math
import time
from dataclasses import replace

import pytest
from scipy.stats import binomtest

from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding, Request
from sample.engines.scripted import abilities, chance, load_scripted
from sample.engines.wrong_answers import wrong_answers
from sample.errors import ForageError, UsageError
from sample.families import load_problems
from sample.grading import grade
from sample.models import ScriptedModel
from sample.problems import Problem
from sample.prompts import conversation
from sample.scheduler import Plan, run_system

COUNTDOWN = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
             "min_target": 10, "max_target": 99}  # fmt: skip
SUMS = {p.id: p for p in load_problems("sums", ProblemConfig("chain_sum", count=40))}
FIRST = next(iter(SUMS.values()))
LONG = Decoding(max_new_tokens=10_000)


def made(model, requests, adapter=None, problems=SUMS):
    engine = load_scripted(model, adapter, problems)

    async def all_of_them():
        return [await engine.generate(request) for request in requests]

    return asyncio.run(all_of_them())


def requests_for(problem, count, answers=(), decoding=LONG, prefix=""):
    messages = conversation(prefix + problem.question, answers)
    return [Request(messages, 7919 * i, decoding, problem=problem.id) for i in range(count)]


def correct(generations, problem=FIRST):
    return sum(grade(problem, generation.text).correct for generation in generations)


def agrees(successes, count, probability):
    return binomtest(successes, count, probability).pvalue > 1e-4


def test_the_same_request_gives_the_same_attempt():
    requests = requests_for(FIRST, 50)
    model = ScriptedModel()
    assert made(model, requests) == made(model, requests)
    assert made(model, requests[::-1])[::-1] == made(model, requests)


def test_fresh_attempts_succeed_with_the_planted_probability():
    assert agrees(correct(made(ScriptedModel(accuracy=0.3), requests_for(FIRST, 4000))), 4000, 0.3)


def test_reuse_repeats_shown_answers_and_wrong_ones_stay_wrong():
    shown = ["999", "888"]
    texts = [g.text for g in made(ScriptedModel(reuse=0.6), requests_for(FIRST, 4000, shown))]
    assert agrees(texts.count("999"), 4000, 0.3) and agrees(texts.count("888"), 4000, 0.3)
    always = made(ScriptedModel(reuse=1), requests_for(FIRST, 50, ["999", ""]))
    assert {g.text for g in always} == {"999"}
    nothing_shown = made(ScriptedModel(reuse=1), requests_for(FIRST, 50, ["", ""]))
    assert "999" not in {g.text for g in nothing_shown}


@pytest.mark.parametrize(
    ("model", "answers", "prefix"),
    [
        (ScriptedModel(context_effect=-2.0), (), "word " * 500),
        (ScriptedModel(exposure_effect=-1.0), ("999",), ""),
        (ScriptedModel(context_effect=3.0, exposure_effect=-1.0), ("999",), "word " * 900),
    ],
)
def test_context_and_exposure_shift_the_log_odds(model, answers, prefix):
    generations = made(model, requests_for(FIRST, 4000, answers, prefix=prefix))
    tokens = generations[0].ledger.prompt
    shift = model.context_effect * tokens / 1000 + model.exposure_effect * bool(answers)
    expected = 1 / (1 + math.exp(-(math.log(0.3 / 0.7) + shift)))
    assert chance(model, 0.3, tokens, bool(answers)) == pytest.approx(expected)
    assert abs(expected - 0.3) > 0.05
    assert agrees(correct(generations), 4000, expected)


def test_spread_is_the_correlation_of_attempts_on_a_problem_and_keeps_the_mean():
    many = [str(i) for i in range(20_000)]
    drawn = list(abilities(ScriptedModel(accuracy=0.3, spread=0.25), dict.fromkeys(many)).values())
    mean = sum(drawn) / len(drawn)
    variance = sum((p - mean) ** 2 for p in drawn) / len(drawn)
    assert mean == pytest.approx(0.3, abs=0.01)
    assert variance / (0.3 * 0.7) == pytest.approx(0.25, abs=0.01)
    assert all(0 < p < 1 for p in drawn)
    better = abilities(ScriptedModel(accuracy=0.5, spread=0.25), dict.fromkeys(many))
    assert all(better[problem] >= p for problem, p in zip(many, drawn, strict=True))


def test_wrong_answers_are_skewed_and_as_many_as_asked_for():
    model = ScriptedModel(accuracy=0.01, wrong_answers=3, wrong_skew=2)
    texts = [g.text for g in made(model, requests_for(FIRST, 3000))]
    counts = sorted((texts.count(t) for t in set(texts) - {FIRST.answer}), reverse=True)
    assert len(counts) == 3
    assert agrees(counts[0], sum(counts), 1 / (1 + 1 / 4 + 1 / 9))


def test_tokens_have_the_planted_mean_and_long_attempts_are_cut_off():
    generations = made(ScriptedModel(thinking_tokens=20), requests_for(FIRST, 4000))
    mean = sum(g.ledger.thinking for g in generations) / 4000
    assert mean == pytest.approx(20, abs=1.5)
    cut = made(ScriptedModel(), requests_for(FIRST, 300, decoding=Decoding(max_new_tokens=15)))
    assert {(g.finish, g.text) for g in cut if g.finish != "stop"} == {("length", "")}
    assert all(g.ledger.generated == 15 for g in cut if g.finish == "length")
    assert all(g.ledger.generated <= 15 for g in cut)


def test_planted_failures_have_a_type_and_no_text():
    generations = made(ScriptedModel(failures=0.2), requests_for(FIRST, 2000))
    failed = [g for g in generations if g.finish == "error"]
    assert agrees(len(failed), 2000, 0.2)
    assert {(g.text, g.failure.type, g.ledger.generated) for g in failed} == {("", "scripted", 0)}


def test_an_adapter_is_a_file_of_changed_options(tmp_path):
    path = tmp_path / "diverse.yaml"
    path.write_text("{reuse: 0.0, accuracy: 0.9}")
    model = ScriptedModel(reuse=1.0, accuracy=0.1)
    requests = requests_for(FIRST, 500, ["999"])
    assert {g.text for g in made(model, requests)} == {"999"}
    assert correct(made(model, requests, str(path))) > 400
    path.write_text("{reuse: 2.0}")
    with pytest.raises(UsageError, match=r"diverse\.yaml\.reuse: expected a probability"):
        load_scripted(model, str(path), SUMS)
    path.write_text("{reyuse: 0.0}")
    with pytest.raises(UsageError, match="did you mean 'reuse'"):
        load_scripted(model, str(path), SUMS)


def test_begun_thinking_is_refused():
    with pytest.raises(UsageError, match="no thinking to go on from"):
        made(ScriptedModel(), [replace(requests_for(FIRST, 1)[0], prefill="so")])


def test_a_problem_it_was_not_made_with_stops_the_run():
    with pytest.raises(ForageError, match="no problem 'elsewhere'"):
        made(ScriptedModel(), [replace(requests_for(FIRST, 1)[0], problem="elsewhere")])


@pytest.mark.parametrize(
    "problems", [ProblemConfig("chain_sum", count=10),
                 ProblemConfig("countdown", count=10, options=COUNTDOWN)]
)  # fmt: skip
def test_right_and_wrong_answers_are_graded_as_such(problems):
    for problem in load_problems("x", problems):
        assert grade(problem, problem.answer).correct
        grades = [grade(problem, answer) for answer in wrong_answers(problem, 6)]
        assert len({g.canonical for g in grades}) == 6 and None not in {g.canonical for g in grades}
        assert not any(g.correct for g in grades)


def test_an_answer_of_unknown_form_is_refused():
    entry = {"task": "chain_sum", "entry": {}}
    with pytest.raises(UsageError, match="no wrong answer of the right form"):
        wrong_answers(Problem("x", "colour?", "blue", "reasoning_gym", "k", entry), 3)


def test_a_whole_study_takes_seconds():
    engine = load_scripted(ScriptedModel(reuse=0.5, spread=0.2), None, SUMS)
    arms = {name: ArmConfig(name) for name in ("parallel", "sequential")}
    groups = tuple((problem, r) for problem in SUMS.values() for r in range(25))
    attempts = []
    begin = time.process_time()
    plan = Plan("base", arms, groups, 8, LONG, 1, "abc")
    asyncio.run(run_system(engine, plan, (), attempts.append, 256))
    assert len(attempts) == 16_000
    assert time.process_time() - begin < 8
    later = [a for a in attempts if a.arm == "sequential" and a.step > 1]
    earlier = {(a.problem, a.replicate, a.step): a.canonical for a in attempts
               if a.arm == "sequential"}  # fmt: skip
    repeated = sum(
        a.canonical in {earlier[a.problem, a.replicate, s] for s in range(1, a.step)} for a in later
    )
    assert repeated / len(later) > 0.5
