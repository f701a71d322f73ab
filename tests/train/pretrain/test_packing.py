"""The tree of one row gives each attempt the same loss as its own rendered conversation."""

from random import Random

import numpy as np
import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from sample.config import ProblemConfig
from sample.families import load_problems
from sample.prompts import conversation
from train.pretrain.config import PretrainConfig
from train.pretrain.corpus import Corpus, collate
from train.pretrain.packing import encode, pack, targets, visible
from train.pretrain.solvers import ChainSum
from train.pretrain.tokenizer import build_tokenizer
from train.pretrain.transcripts import write_document

OPTIONS = {"min_terms": 3, "max_terms": 3, "min_digits": 1, "max_digits": 1}
CONFIG = PretrainConfig(
    problems={"s": ProblemConfig("chain_sum", options=OPTIONS, split="train", count=20)},
    single=0.0, max_turns=4, filler=0.5, steps=4, documents=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def world():
    problems = load_problems("s", CONFIG.problems["s"])
    rng = Random(0)
    texts = [
        "".join(x.text for x in write_document(p, ChainSum(0.1), CONFIG, rng)) for p in problems
    ]
    tokenizer = build_tokenizer(texts, least=1)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, intermediate_size=64,
    )  # fmt: skip
    return problems, tokenizer, Qwen3ForCausalLM(config).eval()


def test_tree_logits_equal_those_of_each_rendered_conversation(world):
    problems, tokenizer, model = world
    pieces = write_document(problems[0], ChainSum(0.1), CONFIG, Random(3))
    [row] = pack([encode(pieces, tokenizer)])
    with torch.no_grad():
        tree = model(
            input_ids=torch.from_numpy(row.tokens)[None],
            position_ids=torch.from_numpy(row.positions)[None],
            attention_mask=visible([row]),
        ).logits[0]
    trunk = ""
    for piece in pieces:
        if piece.leaf == 0:
            trunk += piece.text
            continue
        ids = tokenizer.encode(trunk + piece.text)
        size = len(tokenizer.encode(piece.text))
        with torch.no_grad():
            alone = model(input_ids=torch.tensor([ids])).logits[0, -size:]
        where = torch.from_numpy(row.leaves == piece.leaf)
        torch.testing.assert_close(tree[where], alone, atol=1e-5, rtol=1e-4)


def test_targets_are_the_tokens_of_the_attempts(world):
    problems, tokenizer, _ = world
    corpus = Corpus(CONFIG, [problems], tokenizer)
    rows = pack([corpus[i] for i in range(3)])
    index, labels = targets(rows)
    tokens, leaves = (np.concatenate([getattr(r, k) for r in rows]) for k in ("tokens", "leaves"))
    assert len(labels) == (leaves != 0).sum() > 0
    assert (tokens[index.numpy() + 1] == labels.numpy()).all()
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ends = (labels == end).sum()
    starts = (labels == tokenizer.convert_tokens_to_ids("<think>")).sum()
    assert ends == starts > 0


def test_documents_depend_on_seed_and_index_alone(world):
    problems, tokenizer, _ = world
    first, again = Corpus(CONFIG, [problems], tokenizer), Corpus(CONFIG, [problems], tokenizer)
    again[0]
    assert (first[1].tokens == again[1].tokens).all()
    assert (
        len(first[0].tokens) != len(first[1].tokens) or (first[0].tokens != first[1].tokens).any()
    )
    assert len(first) == 12


def test_rows_hold_every_document_and_are_as_long_as_the_longest(world):
    problems, tokenizer, _ = world
    corpus = Corpus(CONFIG, [problems], tokenizer)
    documents = [corpus[i] for i in range(12)]
    rows = pack(documents)
    longest = max(len(document.tokens) for document in documents)
    assert {len(row.tokens) for row in rows} == {longest}
    packed = [
        row.tokens[row.documents == d].tolist()
        for row in rows
        for d in range(1, row.documents.max() + 1)
    ]
    assert sorted(packed) == sorted(document.tokens.tolist() for document in documents)
    batch = collate(documents)
    assert batch["attention_mask"].shape == (len(rows), 1, longest, longest)


def test_trunk_is_what_the_chat_template_renders(world):
    problems, tokenizer, _ = world
    pieces = write_document(problems[1], ChainSum(0.0), CONFIG, Random(5))
    trunk = [p.text for p in pieces if p.leaf == 0]
    answers = [text.split("<|im_end|>")[0] for text in trunk[1:]]
    question = trunk[0].split("user\n", 1)[1].split("<|im_end|>")[0]
    reanswer = trunk[1].split("user\n", 1)[1].split("<|im_end|>")[0]
    rendered = tokenizer.apply_chat_template(
        conversation(question, answers, reanswer), tokenize=False, add_generation_prompt=True
    )
    assert rendered == "".join(trunk)
