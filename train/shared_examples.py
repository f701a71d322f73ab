"""Fine-tuning on the same examples in each step, however many processes and passes share them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler
from trl.trainer.sft_trainer import SFTTrainer


@dataclass(frozen=True)
class Deal:
    """How the examples of a step are dealt out: which ones these are hangs on no number of
    processes or rows.

    step: how many. rows: of a backward pass of a process. passes: of a process in a step.
    """

    step: int
    rows: int
    passes: int
    processes: int

    @property
    def stock(self) -> bool:
        """Whether the stock trainer deals them out so."""
        return self.processes == 1 and self.places == self.step

    @property
    def places(self) -> int:
        """Rows of a step of all processes; those without an example stay empty."""
        return self.rows * self.passes * self.processes


def deal(examples: int, steps: int, batch: int, processes: int) -> Deal:
    """One pass over the examples in as many steps. batch: most rows of a backward pass."""
    step = -(-examples // steps)
    share = -(-step // processes)
    passes = -(-share // batch)
    return Deal(step, -(-share // passes), passes, processes)


class DealtExamples(Sampler[int]):
    """Every step filled up with the index of an empty example, which stands after the others.

    order: of the examples. sizes: of the steps that they are cut into. places: see ``Deal``.
    """

    def __init__(self, order: Sampler[int] | range, sizes: Sequence[int], places: int) -> None:
        self._order, self._sizes, self._places = order, sizes, places

    def __iter__(self) -> Iterator[int]:
        order = list(self._order)
        rest = iter(order)
        for size in self._sizes:
            yield from islice(rest, size)
            yield from repeat(len(order), self._places - size)

    def __len__(self) -> int:
        return len(self._sizes) * self._places

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate at the start of each pass over the data."""
        if isinstance(self._order, SeedableRandomSampler):
            self._order.set_epoch(epoch)


def shuffled(examples: int, dealt: Deal, seed: int) -> DealtExamples:
    """In the order in which the stock trainer shuffles for one process of this seed, as many in
    each step."""
    order = SeedableRandomSampler(range(examples), data_seed=seed)
    starts = range(0, examples, dealt.step)
    sizes = [min(dealt.step, examples - start) for start in starts]
    return DealtExamples(order, sizes, dealt.places)


class SharedExamplesTrainer(SFTTrainer):
    """The last row of its data is the empty example. A process whose rows are all empty adds zero
    to the loss, which is the mean over the tokens of all processes.

    sizes: examples of each step, which are taken in order; None = shuffled, as many in each.
    """

    def __init__(self, dealt: Deal, sizes: Sequence[int] | None = None, **arguments: Any) -> None:
        self._dealt, self._sizes = dealt, sizes
        super().__init__(**arguments)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        if self._sizes is not None:
            return DealtExamples(range(sum(self._sizes)), self._sizes, self._dealt.places)
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        return shuffled(len(rows) - 1, self._dealt, self.args.seed)
