"""When two answers are the same answer, for graders that have no theory of their own."""

import json
import unicodedata
from decimal import Context, Decimal

_EXACT = Context(prec=5000)


def canonical_number(answer: str) -> str | None:
    """Equal for equal numbers ("-04", "-4.0"), None if the text is no finite number."""
    try:
        value = Decimal(answer.replace(",", "").strip())
        return str(_EXACT.add(value.normalize(_EXACT), 0)) if value.is_finite() else None
    except ArithmeticError:
        return None


def canonical_text(answer: str) -> str:
    """Equal for texts that differ in spacing only, and for equal JSON lists or objects."""
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", answer).splitlines())
    text = "\n".join(line for line in lines if line)
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
