"""Fine-tuning on the same examples in each step, however many processes and passes share them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """The order in which the stock trainer shuffles examples for one process of this seed, every
    step filled up with the index of an empty example, which stands after them."""

    def __init__(self, examples: Sequence[Any], dealt: Deal, seed: int) -> None:
        self._order = SeedableRandomSampler(examples, data_seed=seed)
        self._empty, self._dealt = len(examples), dealt

    def __iter__(self) -> Iterator[int]:
        order, step = list(self._order), self._dealt.step
        for first in range(0, len(order), step):
            some = order[first : first + step]
            yield from some + [self._empty] * (self._dealt.places - len(some))

    def __len__(self) -> int:
        return -(-self._empty // self._dealt.step) * self._dealt.places

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate at the start of each pass over the data."""
        self._order.set_epoch(epoch)


class DealtSteps(Sampler[int]):
    """Each step as it comes, filled up in the same way. sizes: examples of each."""

    def __init__(self, sizes: Sequence[int], dealt: Deal) -> None:
        self._sizes, self._places = sizes, dealt.places

    def __iter__(self) -> Iterator[int]:
        empty, first = sum(self._sizes), 0
        for size in self._sizes:
            yield from range(first, first + size)
            yield from [empty] * (self._places - size)
            first += size

    def __len__(self) -> int:
        return len(self._sizes) * self._places


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
            return DealtSteps(self._sizes, self._dealt)
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        return DealtExamples(range(len(rows) - 1), self._dealt, self.args.seed)
