import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from sample.engines.loading import load_model
from train.shared_examples import deal
from train.shared_prefixes import IGNORED, ROW, SharedPrefixTrainer, trees

PAIRS = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(0, 6)), min_size=1
)
"""(tokens, how many of the first are not learned)."""


def labels_of(tokens, skipped):
    return [IGNORED] * len(tokens[:skipped]) + list(tokens[skipped:])


def branch(tree, here):
    """The tokens from the first one to this one."""
    before = branch(tree, tree.parents[here]) if tree.parents[here] >= 0 else ()
    return (*before, tree.tokens[here])


@given(PAIRS)
def test_a_token_is_there_once_for_what_stands_before_it_and_learned_as_often_as_before(pairs):
    (tree,) = trees([(tokens, labels_of(tokens, skipped)) for tokens, skipped in pairs])
    beginnings = {tuple(t[: i + 1]) for t, _ in pairs for i in range(len(t))}
    branches = [branch(tree, here) for here in range(len(tree.tokens))]
    assert set(branches) == beginnings and len(branches) == len(beginnings)
    learned = [
        (tuple(tokens[:i]), tokens[i])
        for tokens, skipped in pairs
        for i in range(max(1, skipped), len(tokens))
    ]
    found = [(branches[last], token) for last, token in tree.learned.elements()]
    assert sorted(found) == sorted(learned)


@given(PAIRS)
def test_a_token_sees_its_branch_alone(pairs):
    (tree,) = trees([(tokens, labels_of(tokens, skipped)) for tokens, skipped in pairs])
    seen = tree.visible(len(tree.tokens) + 1)
    for here in range(len(tree.tokens)):
        shown = tuple(tree.tokens[i] for i in seen[here].nonzero()[0])
        assert shown == branch(tree, here)
    assert seen[-1].sum() == 1


def test_a_tree_takes_its_neighbours_while_there_is_room():
    def example(first):
        tokens = [first] + [1] * (ROW // 2 - 1)
        return tokens, labels_of(tokens, 3)

    found = list(trees([example(0), example(2), example(0)]))
    assert [len(tree.tokens) for tree in found] == [ROW, ROW // 2]


@pytest.fixture
def make_trainer(model_folder, tokenizer, tmp_path):
    def make(kind, examples):
        model = load_model(str(model_folder))
        rows = [(prompt + ids, labels_of(prompt + ids, len(prompt))) for prompt, ids in examples]
        torch.manual_seed(0)
        columns = dict(
            zip(("input_ids", "labels"), map(list, zip(*rows, strict=True)), strict=True)
        )
        trainer = kind(
            model=get_peft_model(
                model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
            ),
            args=SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none",
                           gradient_checkpointing=False, max_length=None),
            train_dataset=Dataset.from_dict(columns),
            processing_class=tokenizer,
        )  # fmt: skip
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                generator = torch.Generator().manual_seed(1)
                torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        return trainer

    return make


def shared(*sizes):
    def make(**arguments):
        return SharedPrefixTrainer(deal(max(sizes), 1, 256, 1), sizes, **arguments)

    return make


CHAINS = [
    ([4, 5, 6], [7, 8]), ([4, 5, 6], [7, 8]), ([4, 5, 6], [9]),
    ([4, 5, 6, 7, 5], [8, 10]), ([4, 5, 6, 7, 5], [11, 4]), ([12, 5], [6, 7]),
]  # fmt: skip
"""Attempts after a history, equal ones among them, after a longer one, and of another problem."""


def of_a_batch(trainer, count):
    rows = [trainer.train_dataset[i] for i in range(count)]
    batch = trainer.data_collator(rows)
    items = (batch["labels"] != IGNORED).sum()
    loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=items)
    loss.backward()
    [entropy] = trainer._metrics["train"]["entropy"]
    gradients = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    return loss.item(), entropy, gradients


def test_the_loss_and_its_gradient_are_the_stock_trainers(make_trainer):
    stock = of_a_batch(make_trainer(SFTTrainer, CHAINS), len(CHAINS))
    found = of_a_batch(make_trainer(shared(len(CHAINS)), CHAINS), len(CHAINS))
    assert found[:2] == pytest.approx(stock[:2], rel=1e-4)
    assert found[2].keys() == stock[2].keys()
    for name, gradient in stock[2].items():
        torch.testing.assert_close(found[2][name], gradient, atol=1e-5, rtol=1e-3)


def test_a_step_without_an_example_has_no_loss(make_trainer):
    trainer = make_trainer(shared(1, 0), [CHAINS[0], ([0], [])])
    batch = trainer.data_collator([trainer.train_dataset[1]])
    loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(0))
    loss.backward()
    assert loss.item() == 0
