"""Counts of the dry run against published sizes, against torch, and against plain sums."""

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

import forage
from experiment import checked
from sample.dry_run import expected_lengths, representative
from sample.errors import UsageError
from train.architectures import KNOWN, Architecture, architecture
from train.dry_run import prompt_tokens, questions_of, training_cost
from train.footprint import memory_of
from train.gpu import GIB, H100
from train.memory import (
    NF4,
    VllmRoom,
    activation_bytes,
    cache_bytes,
    layer_bytes,
    weight_bytes,
)
from train.remedies import ALL, remedies

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "train").glob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def drawn_once():
    """The problems of a set take a second to draw, and most tests ask for the same."""
    known = {}

    def once(family, problems):
        key = repr((family, problems))
        return known.get(key) or known.setdefault(key, representative(family, problems))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.dry_run.representative", once)
        yield


@pytest.mark.parametrize(
    ("name", "billions", "without_embeddings"),
    [
        ("Qwen/Qwen3-0.6B", 0.6, 0.44),
        ("Qwen/Qwen3-1.7B", 1.7, 1.4),
        ("Qwen/Qwen3-4B", 4.0, 3.6),
        ("Qwen/Qwen3-8B", 8.2, 6.95),
    ],
)
def test_parameters_are_those_of_the_model_cards(name, billions, without_embeddings):
    sizes = KNOWN[name]
    rest = sizes.parameters - sizes.vocabulary * sizes.width * (1 if sizes.tied else 2)
    assert sizes.parameters / 1e9 == pytest.approx(billions, abs=0.05)
    assert rest / 1e9 == pytest.approx(without_embeddings, abs=0.05)


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_are_those_that_transformers_and_peft_make(name):
    sizes = KNOWN[name]
    kind, config = (
        (Qwen3ForCausalLM, Qwen3Config(head_dim=sizes.head))
        if sizes.head_norms
        else (Qwen2ForCausalLM, Qwen2Config())
    )
    for key, value in {
        "vocab_size": sizes.vocabulary, "hidden_size": sizes.width,
        "intermediate_size": sizes.inner, "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.key_heads, "num_hidden_layers": 2,
        "layer_types": ["full_attention"] * 2, "tie_word_embeddings": sizes.tied,
    }.items():  # fmt: skip
        setattr(config, key, value)
    with torch.device("meta"):
        model = kind(config)
        two = Architecture(**{**sizes.__dict__, "layers": 2})
        assert model.num_parameters() == two.parameters
        adapted = get_peft_model(model, LoraConfig(r=32, target_modules="all-linear"))
    assert adapted.get_nb_trainable_parameters()[0] == two.lora_parameters(32)


def test_a_folder_tells_its_sizes_and_an_unknown_model_is_asked_for():
    assert architecture(str(ROOT / "models" / "anchored")).parameters == 1_078_656
    with pytest.raises(UsageError, match=r"hf download nobody/none config\.json"):
        architecture("nobody/none")


def test_a_layer_keeps_what_autograd_keeps():
    """Measured in 32 bits as the difference that one more layer makes."""

    def kept(layers: int) -> float:
        config = Qwen3Config(
            vocab_size=32, hidden_size=64, intermediate_size=192, num_hidden_layers=layers,
            num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        )  # fmt: skip
        model = get_peft_model(
            Qwen3ForCausalLM(config), LoraConfig(r=1, target_modules="all-linear")
        )
        model.enable_input_require_grads()
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        saved: dict[int, torch.UntypedStorage] = {}

        def pack(tensor):
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(torch.zeros(2, 64, dtype=torch.long))
        return sum(s.nbytes() for key, s in saved.items() if key not in weights) / 128

    sizes = Architecture(32, 64, 1, 4, 2, 32, 192, False, 512)
    assert kept(3) - kept(2) == pytest.approx(layer_bytes(sizes, 32), rel=0.03)


def test_memory_by_hand():
    sizes = KNOWN["Qwen/Qwen3-8B"]
    assert weight_bytes(sizes, 16) == 2 * 8_190_735_360
    # All but embedding and output layer in 4.127 bits: 6.95e9 of 8.19e9 weights.
    assert weight_bytes(sizes, 16, NF4) == pytest.approx(6.08e9, rel=0.01)
    # 2 x 36 layers x 8 heads x 128 numbers x 2 bytes
    assert cache_bytes(sizes, 1, 16) == 147_456
    full, saved = (activation_bytes(sizes, 1000, 16, on) for on in (False, True))
    assert full == 36 * 1000 * layer_bytes(sizes, 16)
    assert saved == 36 * 1000 * 4096 * 2 + full // 36


def cost_of(name, *changes, gpu=H100, throughput=None):
    experiment, _ = checked(ROOT / "configs" / name, None, changes, "sample", "train")
    sample, train = experiment.section("sample"), experiment.section("train")
    lengths = expected_lengths(sample, None)
    questions, *_ = questions_of(sample, train).values()
    prompts = prompt_tokens(questions, sample.attempts, lengths)
    return training_cost(train, sample, lengths, gpu, throughput), prompts, lengths


def test_tokens_of_a_step_are_those_of_its_attempts_and_of_their_histories():
    cost, prompts, lengths = cost_of("demo.yaml", "train.groups=2", "sample.attempts=3")
    single, history = cost.methods[:2]
    assert single.prompt == 2 * 8 * prompts[0]
    assert single.generated == 2 * 8 * lengths.generated
    # Depths 0, 1 and 2, equally likely: one earlier attempt on average.
    assert history.generated == 2 * (8 + 1) * lengths.generated
    earlier = (0 + prompts[0] + prompts[0] + prompts[1]) / 3
    assert history.prompt == pytest.approx(2 * (8 * sum(prompts) / 3 + earlier), abs=1)


def test_learning_what_a_run_holds_takes_no_tokens():
    replayed = "{histories: {replay: runs/paid}, algorithm: %s}"
    methods = ", ".join(f"{name}: {replayed % name}" for name in ("grpo", "sft"))
    grpo, sft = cost_of("demo.yaml", f"train.methods={{{methods}}}")[0].methods
    assert grpo.generated > 0 and sft.generated == sft.prompt == 0


def test_a_pool_is_drawn_after_the_bare_question_and_teaches_one_chain():
    kind = "train.methods={%s: {algorithm: sft, %s}}"
    few = "train.group_size=4"
    new, prompts, lengths = cost_of("demo.yaml", kind % ("new", "learn: new"), few)
    bare = cost_of("demo.yaml", kind % ("bare", "histories: false"), few)[0]
    (pool,), (single,) = new.methods, bare.methods
    assert (pool.prompt, pool.generated) == (single.prompt, single.generated)
    written = lengths.generated
    more = (sum(prompts[:4]) + 4 * written) / (4 * (prompts[0] + written))
    assert pool.hours.learning == pytest.approx(more * single.hours.learning)
    assert pool.hours.histories == 0
    # Two draws at each place but the last, where one attempt is left.
    more = (2 * sum(prompts[:3]) + prompts[3] + 7 * written) / (4 * (prompts[0] + written))
    twice = cost_of("demo.yaml", kind % ("new", "learn: new, draws: 2"), few)[0].methods[0]
    assert twice.hours.learning == pytest.approx(more * single.hours.learning)


def test_an_encoder_of_its_own_is_counted_and_the_model_itself_is_not_counted_twice():
    measured = "train.methods.diverse.rewards.countdown.measure=embedding"
    itself, _, _ = cost_of("demo.yaml", measured)
    path = ROOT / "models" / "anchored"
    other, _, _ = cost_of("demo.yaml", measured, f"train.encoder={path}")
    size = (path / "model.safetensors").stat().st_size
    assert itself.memory.encoder == 0 and other.memory.encoder == size
    assert other.memory.total - itself.memory.total == size
    with pytest.raises(UsageError, match=r"train\.encoder: .*hf download nobody/none"):
        cost_of("demo.yaml", measured, "train.encoder=nobody/none")


def test_processes_share_rows_and_fsdp_the_weights():
    alone, _, _ = cost_of("train/qwen3-8b.yaml")
    eight, _, _ = cost_of("train/qwen3-8b.yaml", "train.hardware.processes=8")
    spread, _, _ = cost_of(
        "train/qwen3-8b.yaml", "train.hardware.processes=8",
        f"train.hardware.launch={ROOT}/configs/accelerate/fsdp.yaml",
    )  # fmt: skip
    assert alone.memory.vllm == eight.memory.vllm == spread.memory.vllm
    assert alone.memory.weights == eight.memory.weights == 8 * spread.memory.weights
    small, _, _ = cost_of("train/qwen3-8b.yaml", "train.quantize=4bit")
    assert small.memory.weights < 0.4 * alone.memory.weights


def test_vllm_takes_its_share_of_the_gpu_and_no_more():
    cost, _, _ = cost_of("train/qwen3-8b.yaml")
    room = cost.memory.vllm
    assert room.share == H100.memory / 2
    # 39.5 GiB less 16.4e9 bytes of weights and 3 GiB of its own, 147,456 bytes a token.
    assert room.at_once == (room.share - 2 * 8_190_735_360 - 3 * GIB) // (
        147_456 * cost.setting.longest
    )
    without, _, _ = cost_of("train/qwen3-8b.yaml", "train.vllm=null")
    assert without.memory.vllm is None
    assert without.memory.sampling == 256 * 147_456 * cost.setting.longest
    assert not VllmRoom(10 * GIB, 6 * GIB, GIB // 2, 2 * GIB).starts


def dry_run(*arguments):
    """What a user sees at 80 columns, spaces in a row as one."""
    done = CliRunner().invoke(
        forage.cli, ["train", *map(str, arguments), "--dry-run"], env={"COLUMNS": "80"}
    )
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def header_settings(config, named):
    """The --set arguments of the line in a config's header that holds these words."""
    [line] = [line for line in config.read_text().splitlines() if named in line]
    return shlex.split(line.lstrip("#").split("# ")[0].split("...")[1])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_training_config_is_said_to_fit_the_gpus_that_its_header_names(config):
    assert "it fits" in dry_run(config)
    size = 44.5 if config.stem == "qwen3-8b" else 23.5
    assert f"QLoRA on a GPU of {48 if size > 40 else 24} GB" in config.read_text()
    small = dry_run(config, *header_settings(config, "QLoRA"), "--gpu", f"{size},165,0.86")
    assert "it fits" in small and "vLLM does not start" not in small


def test_the_method_that_takes_most_has_to_fit():
    alone, *_ = cost_of("train/qwen3-8b.yaml")
    method = next(iter(alone.setting.config.methods))
    wide, *_ = cost_of("train/qwen3-8b.yaml", f"train.methods.{method}.set={{lora_rank: 256}}")
    every, *_ = cost_of("train/qwen3-8b.yaml", "train.lora_rank=256")
    assert alone.memory.total < wide.memory.total == every.memory.total


@pytest.mark.parametrize("length", ["null", "32k", "-1"])
def test_a_length_that_vllm_reads_by_itself_counts_as_the_whole_context(length):
    alone, *_ = cost_of("train/qwen3-8b.yaml")
    change = f"train.vllm.arguments.max_model_len={length}"
    changed, *_ = cost_of("train/qwen3-8b.yaml", change)
    assert changed.memory == alone.memory


def test_what_does_not_fit_is_said_with_what_to_change():
    config = ROOT / "configs" / "train" / "qwen3-8b.yaml"
    small = dry_run(config, "--set", "train.quantize=4bit", "--gpu", "23.5,165,1")
    assert "DOES NOT FIT" in small and "it fits" not in small
    assert "vLLM does not start" in small
    assert "--set train.batch=1" in small and "mode: server" in small
    setting = cost_of("train/qwen3-8b.yaml", gpu=replace(H100, memory=60 * GIB))[0].setting
    given = remedies(setting)
    assert given[ALL].config.batch == 1 and given[ALL].config.quantize == "4bit"
    assert all(memory_of(now).total < memory_of(setting).total for now in given.values())


def test_hours_by_hand():
    """One step of 256 attempts of 4,096 tokens on one GPU: 2 x 4 x 8.19e9 FLOPs a token learned."""
    cost, prompts, _ = cost_of("train/qwen3-8b.yaml", "train.steps=1")
    single, history = cost.methods[:2]
    learned = 256 * (prompts[0] + 4096) * 8 * 8_190_735_360 / (0.3 * 989e12)
    assert single.hours.learning * 3600 == pytest.approx(learned)
    assert single.hours.histories == 0
    # A token takes longer than reading all weights once.
    assert history.hours.histories * 3600 * 5 > 7 * 4096 * 2 * 8_190_735_360 / 3.35e12
    fast = cost_of("train/qwen3-8b.yaml", "train.steps=1", throughput=1e9)[0].methods[1].hours
    assert fast.attempts < 0.001 and fast.histories > 0.5 * history.hours.histories / 7


def test_eight_gpus_shorten_chains_less_than_the_rest():
    alone, _, _ = cost_of("train/qwen3-8b.yaml")
    eight, _, _ = cost_of("train/qwen3-8b.yaml", "train.hardware.processes=8")
    one, shared = alone.methods[1].hours, eight.methods[1].hours
    assert one.learning == pytest.approx(8 * shared.learning)
    assert one.histories / shared.histories < one.attempts / shared.attempts < 8


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("train/qwen3-8b", "sample.decoding.temperature=0", "sample.decoding.temperature"),
        ("train/qwen3-8b", "sample.decoding.top_p=0.9", "sample.decoding.top_p"),
        ("demo", "train.methods.diverse.histories={replay: no/such/run}", "no/such/run"),
    ],
)
def test_a_dry_run_refuses_what_training_refuses(name, change, named):
    config = ROOT / "configs" / f"{name}.yaml"
    refused = CliRunner().invoke(forage.cli, ["train", str(config), "--dry-run", "--set", change])
    assert refused.exit_code and named in str(refused.exception)


@pytest.mark.smoke
def test_a_dry_run_imports_no_torch_and_needs_no_network(tmp_path):
    code = (
        "import sys, forage\n"
        f"try: forage.main(['train', {str(CONFIGS[0])!r}, '--dry-run'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "hours:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
