import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model

from sample.config import ProblemConfig
from sample.engines.base import Decoding, Request
from sample.engines.chat import Chat, Prompt
from sample.engines.loading import load_model
from sample.engines.transformers import TransformersEngine
from sample.errors import ForageError, UsageError
from sample.families import load_problems
from train.dataset import Plan, dataset
from train.grader import Grader
from train.histories import HistoryBank, Share, make_histories
from train.method_config import HistoryConfig
from train.rollouts import Rollouts, final_answer
from train.samplers import LiveSampler

SIZE = 3
DECODING = Decoding(max_new_tokens=5)
WHOLE = Share()


@pytest.fixture(scope="module")
def plan() -> Plan:
    options = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    made = load_problems("sum", ProblemConfig("chain_sum", options=options, split="train", count=9))
    return Plan({"sum": made}, 4, 4, (1, "train", "diverse", 0))


@pytest.fixture
def model(model_folder):
    torch.manual_seed(0)
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    return get_peft_model(load_model(str(model_folder)), lora)


def bank_at(step, plan, model, tokenizer, model_config, share=WHOLE):
    bank = HistoryBank(plan, DECODING, LiveSampler(model_config), refresh=2, steps=5, share=share)
    state = SimpleNamespace(global_step=step)
    bank.on_step_begin(None, state, None, model=model, processing_class=tokenizer)
    return bank


def roll(step, plan, model, tokenizer, model_config):
    bank = bank_at(step, plan, model, tokenizer, model_config)
    rollouts = Rollouts(plan, bank, DECODING, model_config, SIZE, LiveSampler(model_config))
    start = step * plan.groups
    prompts = dataset(plan, 5)["prompt"][start : start + plan.groups]
    rows = [prompt for prompt in prompts for _ in range(SIZE)]
    trainer = SimpleNamespace(
        state=SimpleNamespace(global_step=step),
        eos_token_ids=[tokenizer.eos_token_id],
        processing_class=tokenizer,
        model=model.train(),
    )
    return bank, rollouts, rows, trainer


def test_attempts_are_those_of_the_sampling_engine_and_are_graded_alike(
    plan, model, tokenizer, model_config
):
    bank, rollouts, rows, trainer = roll(0, plan, model, tokenizer, model_config)
    out = rollouts(rows, trainer)
    assert model.training
    engine = TransformersEngine(model, tokenizer, 8)
    grader = Grader({problem.id: problem for problem in plan.families["sum"]})
    for n, group in enumerate(out["groups"]):
        history = bank.at(0)[n // SIZE]
        assert len(history.answers) == history.slot.depth
        seed = plan.seed("attempt", 0, n // SIZE, n % SIZE)
        made = asyncio.run(engine.generate(Request(history.messages, seed, DECODING)))
        assert made.ledger.generated == len(out["completion_ids"][n])
        assert made.ledger.prompt == len(out["prompt_ids"][n])
        text = made.text if made.finish == "stop" else ""
        assert group.attempts[n % SIZE] == grader(history.problem, text)
        assert group.texts[n % SIZE] == text and group.past_texts == history.answers
        assert group.history == tuple(grader(history.problem, a) for a in history.answers)


def test_scores_are_the_log_probabilities_of_the_attempts(plan, model, tokenizer, model_config):
    bank = bank_at(0, plan, model, tokenizer, model_config)
    sampler = LiveSampler(model_config)
    rollouts = Rollouts(plan, bank, DECODING, model_config, SIZE, sampler, scored=True)
    made = rollouts.roll(0, model, tokenizer, {tokenizer.eos_token_id})
    for n, sequence in enumerate(made.sequences):
        ids = torch.tensor([sequence.prompt + sequence.tokens])
        with torch.no_grad():
            scores = model.eval()(ids).logits[0].log_softmax(-1)
        drawn = scores[len(sequence.prompt) - 1 : -1].gather(
            1, ids[0, len(sequence.prompt) :, None]
        )
        assert sequence.logp == pytest.approx(float(drawn.sum()), abs=1e-4)
        group = made.groups[n // SIZE]
        assert group.logps[n % SIZE] == sequence.logp
        assert group.lengths[n % SIZE] == len(sequence.tokens)


def test_tokens_count_attempts_and_histories_once(plan, model, tokenizer, model_config):
    _, rollouts, rows, trainer = roll(0, plan, model, tokenizer, model_config)
    first, again = rollouts(rows, trainer), rollouts(rows, trainer)
    attempts = sum(map(len, again["completion_ids"]))
    assert again["tokens"].generated == attempts < first["tokens"].generated


def test_rows_in_another_order_are_refused(plan, model, tokenizer, model_config):
    _, rollouts, rows, trainer = roll(0, plan, model, tokenizer, model_config)
    with pytest.raises(ForageError, match="trl"):
        rollouts(rows[::-1], trainer)


def test_a_cut_off_attempt_has_no_answer(tokenizer):
    end, seven = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("7")
    chat, prompt = Chat(tokenizer), Prompt([], [], False)
    assert final_answer(chat, prompt, [seven, end], {end}) == "7"
    assert final_answer(chat, prompt, [seven, seven], {end}) == ""


def test_histories_follow_the_adapter_and_are_made_at_refresh_steps_only(
    plan, model, tokenizer, model_config
):
    made = [bank_at(2, plan, model, tokenizer, model_config).at(3) for _ in range(2)]
    assert made[0] == made[1]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(0))
    changed = bank_at(2, plan, model, tokenizer, model_config).at(3)
    assert [h.slot for h in changed] == [h.slot for h in made[0]]
    assert changed != made[0]
    with pytest.raises(KeyError):
        bank_at(3, plan, model, tokenizer, model_config).at(3)


def test_the_share_of_the_untouched_model_does_not_follow_the_adapter(
    plan, model, tokenizer, model_config
):
    mixed = replace(plan, history=HistoryConfig(base=0.5))
    before = bank_at(0, mixed, model, tokenizer, model_config).at(0)
    assert before == bank_at(0, mixed, model, tokenizer, model_config).at(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(0))
    steps = [(s, bank_at(0, mixed, model, tokenizer, model_config).at(s)) for s in (0, 1)]
    plain = replace(mixed, history=HistoryConfig())
    with model.disable_adapter():
        base = {s: bank_at(0, plain, model, tokenizer, model_config).at(s) for s in (0, 1)}
    adapted = {s: bank_at(0, plain, model, tokenizer, model_config).at(s) for s in (0, 1)}
    kinds = set()
    for step, made in steps:
        for n, history in enumerate(made):
            source = base if history.slot.base else adapted
            assert history.answers == source[step][n].answers
            kinds.add(history.slot.base)
    assert kinds == {True, False}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_histories_are_solved_or_not_as_asked(plan, model, tokenizer, share):
    """The model is right now and then: chains walked anew are solved more often, and of an unsolved
    one every answer is wrong."""
    engine = TransformersEngine(model, tokenizer, 8)
    grader = Grader({problem.id: problem for problem in plan.families["sum"]})

    def solved(history_config):
        wanted = replace(plan, history=history_config, groups=40)
        slots = [slot for slot in wanted.slots(0) if slot.depth]
        made, _ = asyncio.run(make_histories(wanted, slots, DECODING, engine))
        right = [any(grader(h.problem, a).correct for a in h.answers) for h in made]
        return sum(right) / len(right)

    plain, asked = solved(HistoryConfig()), solved(HistoryConfig(solved=share))
    assert asked > plain if share else plain > asked == 0


def test_processes_share_a_step_without_gap_or_overlap(plan, model, tokenizer, model_config):
    whole = bank_at(0, plan, model, tokenizer, model_config).at(1)
    shares = [Share(index, 2) for index in range(2)]
    halves = [bank_at(0, plan, model, tokenizer, model_config, s).at(1) for s in shares]
    assert [h for half in halves for h in half] == whole


def test_a_history_is_no_deeper_than_the_context_allows(plan, model, tokenizer):
    engine = TransformersEngine(model, tokenizer, 8)
    slots = [slot for step in range(3) for slot in plan.slots(step) if slot.depth == 3]
    whole, _ = asyncio.run(make_histories(plan, slots, DECODING, engine))
    room = min(engine.count_prompt_tokens(history.messages) for history in whole)
    context = room + DECODING.max_new_tokens - 1
    short, _ = asyncio.run(make_histories(plan, slots, DECODING, engine, context))
    for cut, full in zip(short, whole, strict=True):
        assert cut.answers == full.answers[: len(cut.answers)] and len(cut.answers) < 3
    with pytest.raises(UsageError, match="max_new_tokens"):
        asyncio.run(make_histories(plan, slots, DECODING, engine, 5))
