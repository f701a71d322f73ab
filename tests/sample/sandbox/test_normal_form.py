import pytest

from sample.sandbox.inside.normal_form import as_function, normal_form

PLAIN = "def f(x):\n    y = x + 1\n    return y * 2\n"
SAME = [
    "def f( x ):\n\n    y = x+1  # one more\n    return y*2",
    "def f(n):\n    m = (n + 1)\n    return m * 2\n",
    "def f(n: int) -> int:\n    '''Twice the next.'''\n    m = n + 1\n    return m * 2\n",
    "def f(x):\n    '''The question's stub.'''\n\n\ndef f(a):\n    b = a + 1\n    return b * 2\n",
]
OTHER = [
    "def f(x):\n    return (x + 1) * 2\n",
    "def f(x):\n    y = x + 1\n    return x * 2\n",
    "def f(x):\n    y = x + 1\n    return y * 3\n",
    "def f(x, y):\n    y = x + 1\n    return y * 2\n",
    "def f(x):\n    y = x + 1\n    return y * 2\nf = len\n",
]


@pytest.mark.parametrize("program", SAME)
def test_layout_comments_annotations_and_local_names_do_not_count(program):
    assert normal_form(program, "f") == normal_form(PLAIN, "f")


@pytest.mark.parametrize("program", OTHER)
def test_anything_else_counts(program):
    assert normal_form(program, "f") != normal_form(PLAIN, "f")


def test_a_lambda_is_the_function_it_stands_for():
    def form(text):
        return normal_form(as_function(text, "f"), "f")

    assert form("lambda x: x + 1") == form("def f(y): return y + 1")
    assert form("lambda x=2, *r, **k: x") == form("def f(x=2, *r, **k):\n    return x\n")
    assert form("x + 1") is None


@pytest.mark.parametrize(
    "one,other",
    [
        ("def f(x): return locals()", "def f(y): return locals()"),
        ("f = lambda x: g(x=1)\ndef g(x): return x", "f = lambda y: g(x=1)\ndef g(y): return y"),
        ("def f(len): return len", "def f(x): return len"),
        ("class f:\n    x = 1", "class f:\n    y = 1\n    x = f.x"),
    ],
)  # fmt: skip
def test_names_that_can_be_seen_from_elsewhere_count(one, other):
    assert normal_form(one, "f") != normal_form(other, "f")


def test_a_program_without_its_entry_point_has_none():
    assert normal_form("def g(x): return x", "f") is None
    assert normal_form("print(1)", None) is not None
    assert normal_form("from math import sqrt as f", "f") is not None
    assert normal_form("f = len", "f") is not None


def test_the_rest_of_a_mapping_pattern_keeps_its_name():
    matched = "def f(x):\n    {0} = 0\n    match x:\n        case {{**r}}:\n            return {0}"
    assert normal_form(matched.format("r"), "f") != normal_form(matched.format("q"), "f")
    assert normal_form(matched.format("p"), "f") == normal_form(matched.format("q"), "f")
