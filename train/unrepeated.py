"""What algorithm sft learns with ``learn: new``: the draws of a pool, without those that repeat."""

from collections.abc import Iterator, Sequence
from itertools import islice

from sample.engines.chat import Chat
from sample.prompts import conversation
from train.histories import History
from train.rollouts import Rolled

Place = tuple[int, tuple[str, ...]]
"""Index of an attempt in its pool, and the answers it is learned after."""


def unrepeated(
    texts: Sequence[str], canonicals: Sequence[str | None], most: int, draws: int = 1
) -> Iterator[Place]:
    """The first ``most`` different well-formed answers of a pool in the order drawn, each after
    those before it, and in its place the next ``draws`` - 1 attempts that are none of those, too.

    Attempts drawn independently of the same prompt, the repeats left out, are draws without
    replacement from its distribution (successive sampling). Learned after each other they make the
    chain what parallel attempts would be if none was drawn twice; nothing is paid for being right.
    With more draws a place is learned from more of the same distribution, at the first place with
    repeats: that of attempt 1. Degenerate: a pool of one answer teaches attempt 1 alone.

    texts: of the attempts of the pool. canonicals: their forms, equal where the answers are; None
    where an attempt has none.
    """
    seen: dict[str, str] = {}
    well_formed = [(index, form) for index, form in enumerate(canonicals) if form is not None]
    while len(seen) < most:
        new = list(islice((one for one in well_formed if one[1] not in seen), draws))
        if not new:
            return
        yield from ((index, tuple(seen.values())) for index, _ in new)
        first, form = new[0]
        seen[form] = texts[first]


def new_answers(
    chat: Chat, most: int, draws: int, made: Rolled, pools: Sequence[History]
) -> list[tuple[list[int], list[int]]]:
    """Ids of the prompt and of the attempt for each place of each pool of a step.

    most, draws: see ``unrepeated``. pools: the questions that the attempts were drawn after.
    """
    size = len(made.sequences) // len(pools)
    examples = []
    for number, (pool, group) in enumerate(zip(pools, made.groups, strict=True)):
        forms = [attempt.canonical for attempt in group.attempts]
        for index, before in unrepeated(group.texts, forms, most, draws):
            prompt = chat.prompt(conversation(pool.problem.question, before)).ids
            examples.append((prompt, made.sequences[number * size + index].tokens))
    return examples
