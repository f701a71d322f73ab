"""What algorithm sft learns with ``learn: new``: the draws of a pool, without those that repeat."""

from collections.abc import Iterator, Sequence

from sample.engines.chat import Chat
from sample.prompts import conversation
from train.histories import History
from train.rollouts import Rolled

Place = tuple[int, tuple[str, ...]]
"""Index of an attempt in its pool, and the answers it is learned after."""


def unrepeated(
    texts: Sequence[str], canonicals: Sequence[str | None], most: int
) -> Iterator[Place]:
    """The first ``most`` different well-formed answers of a pool in the order drawn, each after
    those before it.

    Attempts drawn independently of the same prompt, the repeats left out, are draws without
    replacement from its distribution (successive sampling). Learned after each other they make the
    chain what parallel attempts would be if none was drawn twice; nothing is paid for being right.
    Degenerate: a pool of one answer teaches attempt 1 alone.

    texts: of the attempts of the pool. canonicals: their forms, equal where the answers are; None
    where an attempt has none.
    """
    seen: dict[str, str] = {}
    for index, (text, canonical) in enumerate(zip(texts, canonicals, strict=True)):
        if canonical is None or canonical in seen:
            continue
        yield index, tuple(seen.values())
        seen[canonical] = text
        if len(seen) == most:
            return


def new_answers(
    chat: Chat, most: int, made: Rolled, pools: Sequence[History]
) -> list[tuple[list[int], list[int]]]:
    """Ids of the prompt and of the attempt for each place of each pool of a step.

    pools: the questions the attempts were drawn after, without a history.
    """
    size = len(made.sequences) // len(pools)
    examples = []
    for number, (pool, group) in enumerate(zip(pools, made.groups, strict=True)):
        forms = [attempt.canonical for attempt in group.attempts]
        for index, before in unrepeated(group.texts, forms, most):
            prompt = chat.prompt(conversation(pool.problem.question, before)).ids
            examples.append((prompt, made.sequences[number * size + index].tokens))
    return examples
