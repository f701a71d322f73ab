"""What an attempt sees of the earlier ones: one pure function per form of history.

``answers`` is the protocol of arXiv 2604.05868. The forms that summarise (tally, sketches, tried)
are one user turn: question, summary, re-answer prompt; no earlier answer stands in the model's own
voice. Sources: a window of one answer, arXiv 2503.19855; thinking, 2511.02309; sketches,
2510.15502; tally, 2403.15371; tried, 2601.21684.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sample.engines.base import Message
from sample.prompts import dialogue, user
from sample.records import Attempt

SKETCH = re.compile(r"([1-9]\d*) (line|sentence|character)s?")


@dataclass(frozen=True)
class Turn:
    """A finished attempt, and what the user says after it: feedback and re-answer prompt."""

    made: Attempt
    reply: str


Render = Callable[[str, Sequence[Turn]], list[Message]]


def answers(question: str, turns: Sequence[Turn]) -> list[Message]:
    """Every final answer, an assistant turn each; an unfinished one is empty."""
    return dialogue(question, [(turn.made.text, turn.reply) for turn in turns])


def thinking(question: str, turns: Sequence[Turn]) -> list[Message]:
    """Thinking, then answer, inside each assistant turn.

    It stands there without tags: the chat templates of reasoning models cut everything up to
    ``</think>`` out of earlier turns.
    """
    return dialogue(question, [(_whole(turn.made), turn.reply) for turn in turns])


def tally(question: str, turns: Sequence[Turn]) -> list[Message]:
    """The distinct answers and how often each was given, in the order they came up."""
    counts = Counter(_class(turn.made) for turn in turns)
    shown = _distinct(turns)
    lines = [f"- {shown[key]} ({_times(count)})" for key, count in counts.items() if key in shown]
    if missing := sum(count for key, count in counts.items() if key not in shown):
        lines.append(f"- no answer ({_times(missing)})")
    return summary(question, "Answers so far:", lines, turns)


def tried(question: str, turns: Sequence[Turn]) -> list[Message]:
    """The distinct answers, as a list of what not to repeat."""
    lines = [f"- {answer}" for answer in _distinct(turns).values()]
    return summary(question, "Already tried, do not repeat:", lines, turns)


def sketches(size: str) -> Render:
    """The beginning of each earlier thinking; size: e.g. "1 line", "2 sentences"."""

    def render(question: str, turns: Sequence[Turn]) -> list[Message]:
        texts = [sketch(turn.made.thinking, size) or "(no thinking)" for turn in turns]
        lines = [f"{number}. {text}" for number, text in enumerate(texts, 1)]
        return summary(question, "How earlier attempts began:", lines, turns)

    return render


def nothing(question: str, turns: Sequence[Turn]) -> list[Message]:
    """The bare question."""
    return user(question)


FORMS: Mapping[str, Render] = {
    "answers": answers,
    "thinking": thinking,
    "tally": tally,
    "tried": tried,
    "none": nothing,
}
"""All forms but ``sketches``, which takes a size."""


def summary(
    question: str, heading: str, lines: Sequence[str], turns: Sequence[Turn]
) -> list[Message]:
    """One user turn; a summary without lines is left out, and so is all of it before any turn."""
    listed = ["\n".join([heading, *lines])] if lines else []
    replies = [turn.reply for turn in turns[-1:]]
    return user("\n\n".join([question, *listed, *replies]))


def sketch(trace: str, size: str) -> str:
    """The first lines, sentences or characters of a thinking trace."""
    found = SKETCH.fullmatch(size)
    assert found is not None, size
    count, unit = int(found[1]), found[2]
    trace = without_tags(trace).strip()
    if unit == "character":
        return trace[:count]
    if unit == "line":
        return "\n".join([line for line in trace.splitlines() if line.strip()][:count])
    return " ".join(re.split(r"(?<=[.!?])\s+", trace)[:count])


def without_tags(trace: str) -> str:
    """A thinking trace without thinking tags, so that no template and no parser cuts it there."""
    return re.sub(r"</?think>", "", trace)


def _whole(made: Attempt) -> str:
    parts = (without_tags(made.thinking).strip(), made.text)
    return "\n\n".join(part for part in parts if part)


def _class(made: Attempt) -> str | None:
    """Equal for equivalent answers; a malformed answer stands for itself."""
    return made.answer if made.canonical is None else made.canonical


def _distinct(turns: Sequence[Turn]) -> dict[str, str]:
    """Class -> the answer that first gave it."""
    found: dict[str, str] = {}
    for turn in turns:
        key = _class(turn.made)
        if key is not None and turn.made.answer is not None:
            found.setdefault(key, turn.made.answer)
    return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
