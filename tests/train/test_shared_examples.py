import pytest
from accelerate.data_loader import SeedableRandomSampler

from train.shared_examples import DealtExamples, deal, shuffled


@pytest.mark.parametrize(("batch", "processes"), [(256, 1), (2, 1), (256, 2), (2, 3), (1, 8)])
def test_however_many_share_a_step_its_examples_are_the_same(batch, processes):
    """23 examples in 4 steps are 6, 6, 6 and 5; every step has as many rows for each process."""
    dealt = deal(23, 4, batch, processes)
    assert dealt.rows <= batch and dealt.places >= dealt.step == 6
    order = shuffled(23, dealt, seed=5)
    taken = list(order)
    assert len(taken) == len(order) == 4 * dealt.places
    steps = [taken[i : i + dealt.places] for i in range(0, len(taken), dealt.places)]
    learned = [[index for index in step if index != 23] for step in steps]
    assert [len(step) for step in learned] == [6, 6, 6, 5]
    # As accelerate shuffles for the stock trainer.
    stock = list(SeedableRandomSampler(range(23), data_seed=5))
    assert learned == [stock[i : i + 6] for i in range(0, 23, 6)]


def test_steps_that_are_taken_as_they_come_are_filled_up_to_the_largest():
    dealt = deal(5, 1, 2, 2)
    assert (dealt.rows, dealt.passes, dealt.places) == (2, 2, 8)
    order = DealtExamples(range(8), [3, 0, 5], dealt.places)
    taken = list(order)
    assert len(taken) == len(order) == 24
    assert [taken[i : i + 8] for i in (0, 8, 16)] == [
        [0, 1, 2, 8, 8, 8, 8, 8], [8] * 8, [3, 4, 5, 6, 7, 8, 8, 8]
    ]  # fmt: skip
