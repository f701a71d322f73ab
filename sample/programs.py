"""The program in an answer: its code block, completed by the code that the question gives."""

import re

_BLOCK = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def find_code(text: str, entry: str | None) -> str | None:
    """The last code block that defines ``entry``, else the last one, else the text itself.

    A block that a cut answer leaves open counts. None if there is nothing.
    """
    blocks = _BLOCK.findall(text) or [text]
    defining = [block for block in blocks if entry and _defines(block, entry)]
    code = (defining or blocks)[-1].strip("\n").rstrip()
    return code if code.strip() else None


def _defines(block: str, entry: str) -> bool:
    name = re.escape(entry)
    return bool(
        re.search(rf"\b(?:def|class)\s+{name}\b|^{name}\s*(?::|=[^=])", block, re.MULTILINE)
    )


def complete(code: str, given: str) -> str:
    """The program that is run: the given code, then the answer.

    A body (its first line is indented) goes on where the given code ends; whole definitions stand
    below it and replace those of the same name.
    """
    if not given:
        return code
    return f"{given}{code}" if code[0] in " \t" else f"{given.rstrip()}\n\n\n{code}"
