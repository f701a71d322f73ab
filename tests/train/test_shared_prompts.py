import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from sample.engines.loading import load_model
from train.shared_prompts import SharedPromptTrainer

LONGEST, ANSWER = 30, 6


@pytest.fixture
def make_trainer(model_folder, tokenizer, tmp_path):
    def make(kind, bonus=0.0):
        return kind(
            model=load_model(str(model_folder)),
            args=GRPOConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none",
                            gradient_checkpointing=False, temperature=0.7, entropy_coef=bonus),
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            train_dataset=Dataset.from_dict({"prompt": ["1"]}),
            processing_class=tokenizer,
            peft_config=LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"),
        )  # fmt: skip

    return make


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """20 groups of 1 to 3 rows in mixed order; prompts of 1 to LONGEST tokens, padded left."""
    generator = torch.Generator().manual_seed(0)
    rows, masks = [], []
    for group in range(20):
        length = 1 + (group * 7) % LONGEST
        prompt = torch.randint(4, 14, (length,), generator=generator)
        for count in range(1 + group % 3):
            answer = torch.randint(4, 14, (ANSWER,), generator=generator)
            size = ANSWER - count
            pad, rest = torch.zeros(LONGEST - length).long(), torch.zeros(count).long()
            rows.append(torch.cat([pad, prompt, answer[:size], rest]))
            masks.append(torch.cat([pad, torch.ones(length + size).long(), rest]))
    order = torch.randperm(len(rows), generator=generator)
    return torch.stack(rows)[order], torch.stack(masks)[order]


def numbers(trainer, tokens, mask):
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
        trainer.model, tokens, mask, ANSWER, compute_entropy=True
    )
    kept = mask[:, -ANSWER:].bool()
    loss = (logps * torch.linspace(-1, 1, ANSWER))[kept].sum()
    (loss + trainer.args.entropy_coef * entropies[kept].sum()).backward()
    gradients = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    return logps[kept].detach(), entropies[kept].detach(), gradients


@pytest.mark.parametrize("bonus", [0.0, 2.0])
def test_numbers_and_gradients_are_the_stock_trainers(make_trainer, batch, bonus):
    """With a bonus on the entropy, its gradient too."""
    stock = numbers(make_trainer(GRPOTrainer, bonus), *batch)
    shared = numbers(make_trainer(SharedPromptTrainer, bonus), *batch)
    torch.testing.assert_close(shared[0], stock[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shared[1], stock[1], atol=1e-5, rtol=1e-4)
    assert shared[2].keys() == stock[2].keys()
    for name, gradient in stock[2].items():
        torch.testing.assert_close(shared[2][name], gradient, atol=1e-4, rtol=1e-3)
