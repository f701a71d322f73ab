"""Conversations: a question, the earlier answers, and the request to answer again.

Protocol of arXiv 2604.05868: the first user turn is the bare question; each later attempt sees
every earlier final answer as an assistant turn (thinking removed), followed by a re-answer prompt.
"""

from collections.abc import Iterable, Sequence

from sample.engines.base import Message

REANSWER = (
    "Please re-answer.",
    "Please review your previous response and find problems with your answer. "
    "Based on the problems you found, improve your answer.",
    "Please solve the question in a different way.",
    "Try a new idea to solve the question.",
)
"""The source paper's re-answer prompts, template 0 to 3 (arXiv 2604.05868, CC BY 4.0)."""


def conversation(
    question: str, answers: Sequence[str], reanswer: str = REANSWER[0]
) -> list[Message]:
    """The messages that ask for attempt len(answers) + 1."""
    return dialogue(question, [(answer, reanswer) for answer in answers])


def dialogue(question: str, turns: Iterable[tuple[str, str]]) -> list[Message]:
    """The question, then each (assistant, user) pair of turns."""
    messages = user(question)
    for answer, reply in turns:
        messages += [{"role": "assistant", "content": answer}, *user(reply)]
    return messages


def user(text: str) -> list[Message]:
    """One user turn."""
    return [{"role": "user", "content": text}]
