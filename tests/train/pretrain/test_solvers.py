from random import Random

from sample.config import ProblemConfig
from sample.families import load_problems
from sample.grading import grade
from train.pretrain.config import PretrainConfig
from train.pretrain.solvers import ChainSum, Countdown
from train.pretrain.transcripts import write_document

COUNTDOWN = {
    "min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
    "min_target": 10, "max_target": 99,
}  # fmt: skip
SUMS = {"min_terms": 6, "max_terms": 6, "min_digits": 1, "max_digits": 1}


def problems(task, options, count=40):
    return load_problems(task, ProblemConfig(task, options=options, split="train", count=count))


def test_countdown_attempts_are_correct_and_show_their_work():
    solver, rng = Countdown(), Random(0)
    for problem in problems("countdown", COUNTDOWN):
        solved = solver.fresh(problem, rng)
        assert grade(problem, solved.answer).correct
        assert solved.thinking.splitlines()[-1].endswith(f"= {problem.metadata['entry']['target']}")


def test_countdown_weak_answers_are_well_formed_and_retraceable():
    solver, rng = Countdown(), Random(0)
    wrong = 0
    for problem in problems("countdown", COUNTDOWN):
        weak = solver.weak(problem, rng)
        found = grade(problem, weak)
        assert found.canonical is not None
        wrong += not found.correct
        assert solver.towards(problem, weak, rng).answer == weak
    assert wrong > 30


def test_chain_sum_slips_at_the_planted_rate():
    sums = problems("chain_sum", SUMS, 200)
    rng = Random(0)
    assert all(ChainSum(0.0).fresh(p, rng).answer == p.answer for p in sums)
    share = sum(grade(p, ChainSum(0.12).fresh(p, rng).answer).correct for p in sums) / len(sums)
    assert 0.45 < share < 0.68  # 0.88 ** 5 = 0.53, plus slips that cancel


def reuse_share(reuse):
    config = PretrainConfig(problems={}, reuse=reuse, single=0.0, filler=0.0)
    rng, solver, reused, later = Random(1), ChainSum(0.0), 0, 0
    for problem in problems("chain_sum", SUMS, 100):
        pieces = write_document(problem, solver, config, rng)
        shown = [p.text.split("<|im_end|>")[0] for p in pieces[1:] if p.leaf == 0]
        for piece in pieces:
            if piece.leaf > 1:
                answer = piece.text.split("</think>\n\n")[1].removesuffix("<|im_end|>")
                earlier = shown[: piece.leaf - 1]
                reused += answer in earlier and answer != problem.answer
                later += any(a != problem.answer for a in earlier)
    return reused / later


def test_reuse_is_planted_as_configured():
    assert reuse_share(0.0) == 0.0
    assert 0.4 < reuse_share(0.7) < 0.75
