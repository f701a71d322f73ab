"""Earlier answers put side by side in one user turn, for a model that combines them."""

from collections.abc import Sequence

from sample.engines.base import Message
from sample.prompts import user
from sample.records import Attempt

COMBINE = (
    "Some or all of these candidate answers may be wrong. Compare them, keep what is right, "
    "correct what is not, and answer the question."
)


def candidates(
    question: str, drafts: Sequence[Attempt], instruction: str = COMBINE
) -> list[Message]:
    """The question, the final answers of the drafts, numbered, and what to do with them."""
    made = [draft for draft in drafts if draft.finish != "unmade"]
    listed = [
        f"Candidate {number}:\n{draft.text or '(unfinished)'}"
        for number, draft in enumerate(made, 1)
    ]
    return user("\n\n".join([question, *listed, instruction]))
