"""Length: short correct attempts are paid, long ones fined."""

from collections.abc import Sequence

from sample.grading import Grade


def length(attempts: Sequence[Grade], lengths: Sequence[int]) -> list[float]:
    """0.5 - (length - shortest) / (longest - shortest) of the group; a wrong attempt at most 0.

    lengths: tokens, thinking included. Range [-0.5, 0.5]. Degenerate: 0 where all are equally long.
    Source: Kimi k1.5, arXiv 2501.12599.
    """
    least, most = min(lengths), max(lengths)
    if least == most:
        return [0.0] * len(attempts)
    paid = [0.5 - (one - least) / (most - least) for one in lengths]
    return [p if a.correct else min(0.0, p) for p, a in zip(paid, attempts, strict=True)]
