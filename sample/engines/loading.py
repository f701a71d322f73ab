"""Models, tokenizers and adapters from folders or the Hub."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from sample.engines.adapters import require_same_base
from sample.engines.chat import require_chat_template
from sample.engines.transformers import TransformersEngine
from sample.errors import UsageError, one_line
from sample.models import TransformersModel

if TYPE_CHECKING:
    from peft import PeftModel

DTYPES = ("auto", "float32", "bfloat16", "float16")


def load_engine(model: TransformersModel, adapter_path: Path | None = None) -> TransformersEngine:
    """The engine of a configured model, with the PEFT adapter of a folder on it if given.

    Raises:
        UsageError: see ``load_model``, ``load_tokenizer`` and ``load_adapter``.
    """
    tokenizer, loaded = load_tokenizer(model.path), load_system(model, adapter_path)
    return TransformersEngine(loaded, tokenizer, model.batch, model.chat_template)


def load_system(model: TransformersModel, adapter_path: Path | None) -> Any:
    """The weights alone of the same.

    Raises:
        UsageError: see ``load_model`` and ``load_adapter``.
    """
    loaded = load_model(model.path, model.dtype, model.device)
    return loaded if adapter_path is None else load_adapter(loaded, adapter_path)


def load_model(
    path: str, dtype: str = "auto", device: str = "auto", four_bits: bool = False
) -> PreTrainedModel:
    """A causal language model in eval mode, from a folder or by its Hub id.

    dtype "auto": as saved. device "auto": the GPU where there is one. four_bits: its linear layers
    in 4 bits (NF4 of arXiv 2305.14314, by bitsandbytes), which takes a GPU.

    Raises:
        UsageError: no such model, not a causal language model, unknown dtype, or no such device.
    """
    if dtype not in DTYPES:
        raise UsageError(f"model {path!r}: dtype must be one of {', '.join(DTYPES)} ({dtype!r})")
    target = _device(device)
    _require_model_folder(path)
    try:
        options = _four_bits(target) if four_bits else {}
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **options)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    if not four_bits:
        model.to(target)  # type: ignore[arg-type]
    return model.eval()


def _four_bits(device: torch.device) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": quantization, "device_map": {"": device}}


def load_tokenizer(path: str) -> Tokenizer:
    """The tokenizer of a model.

    Raises:
        UsageError: none there, or it has no chat template.
    """
    _require_model_folder(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    require_chat_template(tokenizer)
    return tokenizer


def load_adapter(model: PreTrainedModel, path: Path) -> "PreTrainedModel | PeftModel":
    """The model with the PEFT adapter of a folder: merged into float32 weights, else kept apart.

    Merging rounds to the weights' precision, and an adapter's change is often smaller than a
    bfloat16 weight's last bit.

    Raises:
        UsageError: no adapter there, not one of added weights, or made for another model.
    """
    from peft import PeftModel

    check_adapter(path, model.name_or_path)
    try:
        adapted = PeftModel.from_pretrained(model, str(path))
    except (RuntimeError, ValueError, KeyError) as error:
        raise _other_base(path, model, error) from error
    _require_every_weight(adapted, path, model)
    adapted.eval()
    return adapted.merge_and_unload() if model.dtype == torch.float32 else adapted  # type: ignore[operator]


def check_adapter(path: Path, base: str | None) -> None:
    """
    Raises:
        UsageError: no adapter there, not one of added weights, or made for another model.
    """
    from peft import PeftConfig

    if not (path / "adapter_config.json").is_file():
        raise UsageError(
            f"adapter {path}: no adapter_config.json there; give a folder that "
            "'forage train' or PEFT's save_pretrained wrote"
        )
    config = PeftConfig.from_pretrained(str(path))
    if config.is_prompt_learning:
        raise UsageError(f"adapter {path}: {config.peft_type} adds prompt tokens; use LoRA")
    require_same_base(path, config.base_model_name_or_path, base)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {name!r}: {reason}; try device: auto or cpu") from None
    return device


def _require_model_folder(path: str) -> None:
    """Refuse what can only be a folder and is not one with a model; let Hub ids pass."""
    folder = Path(path)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UsageError(
                f"model {path!r}: the folder has no config.json; give the folder that "
                "save_pretrained or 'forage pretrain' wrote"
            )
        return
    hub_id = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) and not path.startswith(".")
    if not hub_id or ("/" in path and folder.parent.is_dir()):
        raise UsageError(
            f"model {path!r}: no such folder; check model.path, write a Hub id such as "
            "Qwen/Qwen3-0.6B, or make a model with 'forage pretrain'"
        )


def _unreadable(path: str, error: Exception) -> UsageError:
    reason = str(error).strip().splitlines()[0]
    return UsageError(
        f"model {path!r}: {reason} (give a folder with a causal language model, or a Hub id "
        "that this machine can reach)"
    )


def _require_every_weight(adapted: "PeftModel", path: Path, model: PreTrainedModel) -> None:
    """PEFT only warns where names do not match: layers would silently stay untouched."""
    from peft import get_peft_model_state_dict
    from peft.utils import load_peft_weights

    saved = set(load_peft_weights(str(path), device="cpu"))
    expected = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    wrong = sorted(name for name in saved ^ expected if "embed" not in name)
    if wrong:
        raise _other_base(path, model, ValueError(f"{len(wrong)} weights, e.g. {wrong[0]}"))


def _other_base(path: Path, model: PreTrainedModel, error: Exception) -> UsageError:
    reason = one_line(error, 200)
    return UsageError(
        f"adapter {path}: does not fit {model.name_or_path!r}; give the model that it was "
        f"trained on ({reason})"
    )
