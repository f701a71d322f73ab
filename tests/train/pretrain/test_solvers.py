from random import Random

from sample.config import ProblemConfig
from sample.families import load_problems
from sample.grading import grade
from train.pretrain.config import PretrainConfig
from train.pretrain.solvers import ChainSum, Countdown, PythonFunctions
from train.pretrain.transcripts import RECALL, write_document

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


def test_countdown_guesses_are_well_formed_and_nearly_always_wrong():
    solver, rng = Countdown(), Random(0)
    wrong = 0
    for problem in problems("countdown", COUNTDOWN):
        found = grade(problem, solver.guess(problem, rng))
        assert found.canonical is not None
        wrong += not found.correct
    assert wrong > 30


def test_chain_sum_slips_at_the_planted_rate():
    sums = problems("chain_sum", SUMS, 200)
    rng = Random(0)
    assert all(ChainSum(0.0).fresh(p, rng).answer == p.answer for p in sums)
    share = sum(grade(p, ChainSum(0.12).fresh(p, rng).answer).correct for p in sums) / len(sums)
    assert 0.45 < share < 0.68  # 0.88 ** 5 = 0.53, plus slips that cancel


def test_chain_sum_guesses_are_right_by_chance_alone():
    sums = problems("chain_sum", SUMS, 200)
    rng = Random(0)
    right = sum(ChainSum(0.0).guess(p, rng) == p.answer for p in sums for _ in range(10))
    assert 40 < right < 130  # 2000 / 25 = 80


def functions(count):
    config = ProblemConfig("compositions", source="python_functions", split="train", count=count)
    return load_problems("functions", config)


def solves(problem, answer):
    names: dict = {}
    exec(answer, names)
    return all(names["f"](x) == y for (x,), y in problem.metadata["hidden"]["calls"])


def test_function_attempts_are_correct_various_and_show_their_work():
    solver, rng = PythonFunctions(), Random(0)
    for problem in functions(30):
        attempts = {solver.fresh(problem, rng) for _ in range(20)}
        assert len(attempts) > 1 and all(solves(problem, a.answer) for a in attempts)
        outputs = " ".join(str(y) for _, y in problem.metadata["public"]["calls"])
        assert all(a.thinking.splitlines()[-1].endswith(f": {outputs}") for a in attempts)


def test_function_guesses_are_well_formed_and_nearly_always_wrong():
    solver, rng = PythonFunctions(), Random(0)
    guesses = [(p, solver.guess(p, rng)) for p in functions(30) for _ in range(20)]
    assert sum(solves(problem, guess) for problem, guess in guesses) < 30


def reuse_share(reuse):
    """Share of later attempts that copy an answer of the trunk before them."""
    config = PretrainConfig(problems={}, reuse=reuse, single=0.0, filler=0.0)
    rng, solver, copied, later = Random(1), ChainSum(0.0), 0, 0
    for problem in problems("chain_sum", SUMS, 100):
        shown: list[str] = []
        for piece in write_document(problem, solver, config, rng)[1:]:
            text = piece.text.split("<|im_end|>")[0]
            if piece.leaf == 0:
                shown.append(text)
            elif shown:
                recalled = text.startswith(f"<think>\n{RECALL}")
                assert not recalled or text.split("</think>\n\n")[1] in shown
                copied, later = copied + recalled, later + 1
    return copied / later


def test_reuse_is_planted_as_configured():
    assert reuse_share(0.0) == 0.0
    assert 0.65 < reuse_share(0.7) < 0.75


class RightFirst(ChainSum):
    """Guesses right once, then wrong for ever."""

    def __init__(self) -> None:
        super().__init__(slip=0.0)
        self.guesses: list[str] = []

    def guess(self, problem, rng):
        self.guesses.append("none" if self.guesses else problem.answer)
        return self.guesses[-1]


def test_a_fresh_answer_is_shown_as_a_guess_even_where_the_history_holds_it():
    config = PretrainConfig(problems={}, reuse=0.0, single=0.0, filler=0.0)
    (problem,) = problems("chain_sum", SUMS, 1)
    solver = RightFirst()
    pieces = write_document(problem, solver, config, Random(1))
    shown = [piece.text.split("<|im_end|>")[0] for piece in pieces[1:] if piece.leaf == 0]
    assert len(shown) > 1 and shown == solver.guesses[: len(shown)]
