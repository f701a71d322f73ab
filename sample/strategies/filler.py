"""Neutral text for the control of context length.

The sentences are the filler of the long-context tests of Mohtashami and Jaggi, arXiv 2305.16300.
"""

import itertools

SENTENCES = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)


def filler(sentences: int) -> str:
    """The first ``sentences`` sentences of the endlessly repeated list."""
    return " ".join(itertools.islice(itertools.cycle(SENTENCES), sentences))
