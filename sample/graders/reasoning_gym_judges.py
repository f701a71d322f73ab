"""Tasks whose scorer in reasoning-gym 0.1.25 gives full marks to wrong answers, or runs them.

Each judge here takes (answer, gold answer, the task's metadata) and says whether the answer is
right, None if it is malformed. What the scorer would do stands beside each.
"""

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from sample.expressions import exact_value, parse_arithmetic
from sample.graders.values import canonical_number, canonical_text

Judge = Callable[[str, str, Mapping[str, Any]], bool | None]

_PROBABILITY = re.compile(r"\d{0,40}\.?\d{1,40}(/\d{1,40})?")
_COMPLEX = re.compile(r"[-+]?[\d.]*[ij]?([-+][\d.]*[ij]?)?")


def _same_letters(answer: str, gold: str, _: Mapping[str, Any]) -> bool:
    return "".join(answer.casefold().split()) == "".join(gold.casefold().split())


def _same_text(answer: str, gold: str, _: Mapping[str, Any]) -> bool:
    return canonical_text(answer) == canonical_text(gold)


def _same_number(answer: str, gold: str, _: Mapping[str, Any]) -> bool:
    return canonical_number(answer) == canonical_number(gold)


def _board(answer: str, _: str, entry: Mapping[str, Any]) -> bool:
    return canonical_text(answer) in map(canonical_text, entry["valid_answers"])


def _probability(answer: str, gold: str, _: Mapping[str, Any]) -> bool | None:
    if not _PROBABILITY.fullmatch(answer):
        return None
    try:
        return abs(Fraction(answer) - Fraction(gold)) <= Fraction(1, 10_000)
    except (ValueError, ZeroDivisionError):
        return None


def _complex(answer: str, _: str, entry: Mapping[str, Any]) -> bool | None:
    text = re.sub(r"[\s()]", "", answer.lower())
    if not _COMPLEX.fullmatch(text):
        return None
    try:
        value = complex(text.replace("i", "j"))
    except ValueError:
        return None
    return abs(value - complex(*entry["result"])) < 1e-9


def _sorted_numbers(answer: str, gold: str, _: Mapping[str, Any]) -> bool | None:
    try:
        given = [float(n) for n in json.loads(answer.replace("'", '"'))]
    except (ValueError, TypeError, RecursionError):
        return None
    return given == [float(n) for n in json.loads(gold.replace("'", '"'))]


def _makes(target: int, answer: str) -> bool:
    tree = parse_arithmetic(answer)
    return tree is not None and exact_value(tree) == target


def _makes_24(answer: str, _: str, entry: Mapping[str, Any]) -> bool:
    return _makes(24, answer)


def _makes_target(answer: str, _: str, entry: Mapping[str, Any]) -> bool:
    return _makes(entry["target"], answer)


JUDGES: Mapping[str, Judge] = {
    "binary_matrix": _same_text,  # evaluates the answer as code, for partial credit
    "coin_flip": _probability,  # "0" gets full marks for 0.24609375; 1e999999999 hangs
    "complex_arithmetic": _complex,  # "nan" gets full marks
    "countdown": _makes_target,  # 1000.01 gets full marks for 1000
    "figlet_font": _same_letters,  # ten right letters get full marks, whatever follows
    "game_of_life_halting": _same_letters,  # any text gets full marks
    "gsm_symbolic": _same_number,  # takes -5 for 5
    "letter_jumble": _same_letters,  # words too many are forgiven
    "n_queens": _board,  # evaluates the answer as code, for partial credit
    "number_sorting": _sorted_numbers,  # numbers may be off by one
    "puzzle24": _makes_24,  # other numbers than those given are taken, and 24.9
    "spell_backward": _same_letters,  # sums 1/n for a right start: rounding may reach 1
    "spiral_matrix": _same_text,  # evaluates the answer as code, for partial credit
    "string_insertion": _same_text,  # evaluates the answer as code, for partial credit
    "word_sorting": _same_letters,  # words too many are forgiven
}
