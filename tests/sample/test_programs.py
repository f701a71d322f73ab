import pytest

from sample.programs import complete, find_code

DEFINED = "def f(x):\n    return x"


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{DEFINED}\n```",
        f"Here it is:\n\n```\n{DEFINED}\n```\nIt returns x.",
        f"```python\n{DEFINED}\n```\nUse it so:\n```python\nprint(f(2))\n```",
        f"```python\ndef f(x):\n    return 1\n```\nNo, better:\n```py\n{DEFINED}\n```",
        f"```python\n{DEFINED}",
        f"  ```python\n{DEFINED}\n  ```",
        DEFINED,
        f"\n{DEFINED}  \n",
    ],
)
def test_the_last_block_that_defines_the_function_is_the_answer(text):
    assert find_code(text, "f") == DEFINED


def test_the_last_block_is_taken_where_none_defines_it_and_nothing_is_nothing():
    assert find_code("```\na = 1\n```\n```\nprint(2)\n```", None) == "print(2)"
    assert find_code("```\nlambda x: x\n```", "f") == "lambda x: x"
    for text in ("", " \n", "```python\n\n```"):
        assert find_code(text, "f") is None


def test_a_body_goes_on_and_a_definition_replaces():
    given = "import math\n\ndef f(x):\n    '''Twice.'''\n"
    for code in ("    return 2 * x", "def f(x):\n    return 2 * x"):
        names: dict = {}
        exec(complete(code, given), names)
        assert names["f"](4) == 8 and "math" in names
    assert complete("x", "") == "x"
