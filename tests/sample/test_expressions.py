import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.expressions import canonical_form, numbers_in, parse_arithmetic


def same(a: str, b: str) -> bool:
    trees = parse_arithmetic(a), parse_arithmetic(b)
    assert trees[0] is not None and trees[1] is not None
    return canonical_form(trees[0]) == canonical_form(trees[1])


def test_order_spacing_and_brackets_do_not_make_another_answer():
    assert same("(3 + 5) * 2", "2*(5+3)")
    assert same("8 - 3 + 1", "(1 + 8) - 3")
    assert same("12 / 3 * 2", "2 * (12 / 3)")
    assert same("9 - (4 - 2)", "9 + 2 - 4")


def test_different_paths_are_different_answers():
    assert not same("2 * 5 + 2 * 3", "2 * (5 + 3)")
    assert not same("8 - 3", "3 - 8")
    assert not same("12 / 3", "3 / 12")


@pytest.mark.parametrize(
    "text",
    ["9**9**9", "1 // 2", "__import__('os')", "x + 1", "", "1 +", "(1", "-3 + 4", "1.5", "1 " * 80],
)
def test_anything_but_arithmetic_is_refused(text):
    assert parse_arithmetic(text) is None


def test_deep_nesting_is_refused_or_parsed_but_never_crashes():
    parse_arithmetic("(" * 60 + "1" + ")" * 59)
    parse_arithmetic("(" * 59 + "1" + ")" * 59)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    tree = parse_arithmetic(text)
    assert tree is None or numbers_in(tree)
