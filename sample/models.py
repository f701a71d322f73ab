"""What a config says of a model: one dataclass for each engine, told apart by ``engine``.

IDLE: the keys that say how a model is run, not what it is: no result depends on them beyond
rounding, so they may change on resume, also from transformers to vllm and back. SHARED: whether
several processes share the work, each with its own engine. DETERMINISM: what the manifest says of
it. weights: folder or Hub id of the weights, None if not known. at_once: most requests at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from sample.errors import UsageError, need

if TYPE_CHECKING:
    from sample.engines.base import Decoding


LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that vLLM serves; adapters are trained with one of them, so that any engine runs it."""


@dataclass(frozen=True)
class TransformersModel:
    """Weights that this package itself samples from.

    path: a folder or a Hub id. batch: most sequences at once. chat_template: options passed to it,
    e.g. enable_thinking.
    """

    path: str
    engine: Literal["transformers"] = "transformers"
    dtype: str = "auto"
    device: str = "auto"
    batch: int = 256
    chat_template: Mapping[str, Any] = field(default_factory=dict)

    IDLE: ClassVar = frozenset({"engine", "batch", "device"})
    SHARED: ClassVar = True
    DETERMINISM: ClassVar = "a seed for every request; no order or batch enters it"

    @property
    def weights(self) -> str | None:
        return self.path

    @property
    def at_once(self) -> int:
        return self.batch

    def check(self, where: str, decoding: "Decoding") -> None:
        need(self.batch >= 1, f"{where}.batch", "1 or more", self.batch)
        _refuse_thinking_budget(where, decoding, self.engine)

    def check_prefill(self, where: str) -> None:
        """Begun thinking is gone on from."""


@dataclass(frozen=True)
class VllmModel:
    """Weights in vLLM, in one process of this package with as many GPUs as it is given.

    path, dtype, chat_template: as for transformers. batch: most sequences at once, max_num_seqs.
    arguments: further engine arguments of vLLM, e.g. tensor_parallel_size.
    """

    path: str
    engine: Literal["vllm"] = "vllm"
    dtype: str = "auto"
    batch: int = 256
    chat_template: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    IDLE: ClassVar = frozenset({"engine", "batch"}) | {
        f"arguments.{name}"
        for name in (
            "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size",
            "data_parallel_backend", "distributed_executor_backend", "gpu_memory_utilization",
            "max_num_batched_tokens", "max_loras", "max_cpu_loras", "max_lora_rank",
            "enforce_eager", "enable_prefix_caching", "enable_chunked_prefill",
            "disable_log_stats", "download_dir",
        )
    }  # fmt: skip
    SHARED: ClassVar = False
    DETERMINISM: ClassVar = (
        "a seed for every request; what else is in the batch may change the last bit of a logit, "
        "unless VLLM_BATCH_INVARIANT=1"
    )
    RESERVED: ClassVar = {
        "model": "give path",
        "tokenizer": "give path",
        "dtype": "give dtype beside arguments",
        "max_num_seqs": "give batch",
        "enable_lora": "give sample.adapters",
        "seed": "every request has its own",
        "reasoning_config": "give sample.decoding.thinking_budget",
        "trust_remote_code": "code that comes with a model is never run",
    }

    @property
    def weights(self) -> str | None:
        return self.path

    @property
    def at_once(self) -> int:
        return self.batch

    def check(self, where: str, decoding: "Decoding") -> None:
        need(self.batch >= 1, f"{where}.batch", "1 or more", self.batch)
        for name in self.arguments:
            hint = self.RESERVED.get(name)
            need(hint is None, f"{where}.arguments.{name}", f"not to be set ({hint})", name)

    def check_prefill(self, where: str) -> None:
        """Begun thinking is gone on from."""


TAKEN: Mapping[str, frozenset[str]] = {
    "vllm": frozenset({"temperature", "top_p", "top_k", "min_p", "seed"}),
    "openai": frozenset({"temperature", "top_p", "seed"}),
    "plain": frozenset({"temperature", "top_p"}),
}
"""Kind of server -> what it takes beside messages and a token limit. Gemini's refuses a seed."""


@dataclass(frozen=True)
class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    urls: base URLs of one or more servers of it; all attempts on a problem go to one of them, where
    its prefix cache serves them.
    path, dtype: the folder or Hub id that vLLM servers serve, if known, and the number format they
    were started with. It is then the same model as under engines transformers and vllm: a run goes
    on from one to the other.
    model: its name there. Default: path.
    server: "vllm", "openai" (takes no top_k and no min_p) or "plain" (no seed either, as Gemini).
    key: name of the environment variable that holds the API key; the key itself is never stored.
    tokenizer: folder or Hub id; counts thinking, answers and prompts where the server does not.
    Default: path. With it, a vLLM server also goes on from begun thinking (budget_forcing).
    chat_template: options of the server's template (vLLM only). extra_body: sent with each request.
    concurrency: most requests at once. timeout: seconds for one try. retries: tries after the first
    for what may pass: rate limits, server errors, lost connections, and time-outs (at most 2, as a
    server may bill each).
    """

    model: str = ""
    urls: tuple[str, ...] = ()
    engine: Literal["openai"] = "openai"
    path: str | None = None
    dtype: str = "auto"
    server: Literal["vllm", "openai", "plain"] = "vllm"
    key: str | None = None
    tokenizer: str | None = None
    chat_template: Mapping[str, Any] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = 64
    timeout: float = 1800
    retries: int = 8

    IDLE: ClassVar = frozenset({"urls", "key", "concurrency", "timeout", "retries"})
    NAMES: ClassVar = frozenset({"engine", "model", "server"})
    """The keys that are idle where ``path`` says what the model is."""
    SHARED: ClassVar = False
    DETERMINISM: ClassVar = (
        "a seed for every request where the server takes one (server: plain does not); the same "
        "seed need not give the same text again"
    )
    RESERVED: ClassVar = frozenset({
        "model", "messages", "n", "stream", "seed", "temperature", "top_p", "top_k", "min_p",
        "max_tokens", "max_completion_tokens", "chat_template_kwargs", "return_token_ids",
        "logprobs", "prompt", "thinking_token_budget", "continue_final_message",
        "add_generation_prompt",
    })  # fmt: skip

    def __post_init__(self) -> None:
        # Written into the config, so that a run shows what it asked for.
        object.__setattr__(self, "model", self.model or self.path or "")
        object.__setattr__(self, "tokenizer", self.tokenizer or self.path)

    @property
    def weights(self) -> str | None:
        return self.path

    @property
    def at_once(self) -> int:
        return self.concurrency

    def check(self, where: str, decoding: "Decoding") -> None:
        need(bool(self.model), f"{where}.model", "its name at the server, or path", self.model)
        known = self.server == "vllm" or self.path is None
        need(known, f"{where}.path", "none without server: vllm, which says what it has", self.path)
        said = self.path is not None or self.dtype == "auto"
        need(said, f"{where}.dtype", "auto without path, as the server knows it", self.dtype)
        need(bool(self.urls), f"{where}.urls", "at least one, e.g. http://127.0.0.1:8000/v1", [])
        for url in self.urls:
            _check_url(url, f"{where}.urls")
        if self.key is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key):
            raise UsageError(
                f"config: {where}.key: expected the name of an environment variable such as "
                "GEMINI_API_KEY, never the key itself (what was given is not repeated here)"
            )
        for name in self.extra_body:
            expected = "keys that this engine does not set itself"
            need(name not in self.RESERVED, f"{where}.extra_body", expected, name)
        vllm = self.server == "vllm" or not self.chat_template
        need(vllm, f"{where}.chat_template", "server: vllm, or no options", self.server)
        for name in ("top_k", "min_p"):
            value, expected = getattr(decoding, name), f"0, because {where}.server takes none"
            taken = name in TAKEN[self.server] or value == 0
            need(taken, f"sample.decoding.{name}", expected, value)
        need(self.concurrency >= 1, f"{where}.concurrency", "1 or more", self.concurrency)
        need(self.timeout > 0, f"{where}.timeout", "seconds above 0", self.timeout)
        need(self.retries >= 0, f"{where}.retries", "0 or more", self.retries)
        if self.server != "vllm":
            _refuse_thinking_budget(where, decoding, f"{self.engine}, server: {self.server}")

    def check_prefill(self, where: str) -> None:
        """
        Raises:
            UsageError: a server that takes no prompt as ids, or no tokenizer to make them.
        """
        why = "which alone goes on from begun thinking (budget_forcing)"
        need(self.server == "vllm", f"{where}.server", f"vllm, {why}", self.server)
        expected = (
            "the model's folder or Hub id: it writes the prompt that begun thinking stands in"
        )
        need(self.tokenizer is not None, f"{where}.tokenizer", expected, self.tokenizer)

    def check_counts(self, where: str, arm: str) -> None:
        """
        Raises:
            UsageError: neither the server nor a tokenizer tells the length of a prompt.
        """
        counted = self.server == "vllm" or self.tokenizer is not None
        expected = (
            f"a folder or Hub id with the same template, as arm {arm!r} needs the length of "
            f"prompts and server: {self.server} does not count them"
        )
        need(counted, f"{where}.tokenizer", expected, self.tokenizer)


def _check_url(url: str, where: str) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise UsageError(
            f"config: {where}: no name or password in an address; put the key in an environment "
            "variable and its name in key"
        )
    legal = parts.scheme in ("http", "https") and bool(parts.netloc)
    need(legal, where, "addresses such as http://127.0.0.1:8000/v1", url)


@dataclass(frozen=True)
class ScriptedModel:
    """No model: attempts drawn from a law with planted causes, to test an analysis against.

    An attempt on problem i repeats, with probability ``reuse``, one of the answers that stand in
    its prompt as assistant turns, drawn uniformly. Else it is fresh, and correct with probability
    expit(logit p_i + context_effect * (prompt tokens / 1000) + exposure_effect * [an answer
    stands in the prompt]); otherwise it gives one of ``wrong_answers`` wrong answers, the r-th
    with probability proportional to r ** -wrong_skew.

    accuracy: mean of p_i over problems. spread: correlation of two attempts on one problem; p_i is
    Beta-distributed with that mean and correlation; 0 = p_i is ``accuracy`` everywhere. A
    problem's quantile is a hash of it, so two scripted models find the same problems hard.
    thinking_tokens: mean of a geometric distribution, ``wrong_length`` times as much where the
    answer is wrong; an attempt that exceeds max_new_tokens is cut off and has no answer.
    failures: share of calls that fail.
    A token is a word. An adapter is a YAML file with the options that differ.
    """

    engine: Literal["scripted"] = "scripted"
    accuracy: float = 0.3
    spread: float = 0.0
    reuse: float = 0.0
    context_effect: float = 0.0
    exposure_effect: float = 0.0
    wrong_answers: int = 8
    wrong_skew: float = 1.0
    thinking_tokens: float = 20.0
    wrong_length: float = 1.0
    failures: float = 0.0

    IDLE: ClassVar = frozenset()
    SHARED: ClassVar = True
    DETERMINISM: ClassVar = "a seed for every request; no order or batch enters it"

    @property
    def weights(self) -> str | None:
        return None

    @property
    def at_once(self) -> int:
        return 64

    def check(self, where: str, decoding: "Decoding") -> None:
        need(0 < self.accuracy < 1, f"{where}.accuracy", "between 0 and 1", self.accuracy)
        need(0 <= self.spread < 1, f"{where}.spread", "0 or more, below 1", self.spread)
        for name in ("reuse", "failures"):
            value = getattr(self, name)
            need(0 <= value <= 1, f"{where}.{name}", "a probability", value)
        need(self.wrong_answers >= 1, f"{where}.wrong_answers", "1 or more", self.wrong_answers)
        need(self.wrong_skew >= 0, f"{where}.wrong_skew", "0 or more", self.wrong_skew)
        tokens, factor = self.thinking_tokens, self.wrong_length
        need(tokens >= 1, f"{where}.thinking_tokens", "1 or more", tokens)
        expected = "a factor that leaves thinking_tokens 1 or more"
        need(tokens * factor >= 1, f"{where}.wrong_length", expected, factor)
        _refuse_thinking_budget(where, decoding, self.engine)

    def check_prefill(self, where: str) -> None:
        """
        Raises:
            UsageError: always.
        """
        need(False, f"{where}.engine", "one with thinking to go on from (vllm)", self.engine)


def _refuse_thinking_budget(where: str, decoding: "Decoding", engine: str) -> None:
    given = decoding.thinking_budget
    expected = f"none, because {where} (engine: {engine}) cannot force an end of thinking; vllm can"
    need(given is None, "sample.decoding.thinking_budget", expected, given)


MODELS: Mapping[str, type] = {
    "transformers": TransformersModel,
    "vllm": VllmModel,
    "openai": OpenAIModel,
    "scripted": ScriptedModel,
}


def model_class(data: Any, where: str) -> type:
    """The dataclass of the engine that a model's YAML data names.

    Raises:
        UsageError: no such engine.
    """
    engine = engine_of(data)
    known = isinstance(engine, str) and engine in MODELS
    need(known, f"{where}.engine", f"one of {', '.join(MODELS)}", engine)
    return MODELS[engine]


def engine_of(data: Any) -> Any:
    """The engine that a model or its YAML data names."""
    if isinstance(data, Mapping):
        return data.get("engine", "transformers")
    return getattr(data, "engine", None)


class _ByEngine:
    """Lets pydantic choose the dataclass; imports it only when a config is parsed."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        choices = {name: handler.generate_schema(kind) for name, kind in MODELS.items()}
        return core_schema.tagged_union_schema(choices, discriminator=engine_of)


ModelConfig = Annotated[
    TransformersModel | VllmModel | OpenAIModel | ScriptedModel, _ByEngine()
]  # fmt: skip


def without_idle_keys(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model's YAML data without those that only say how it is run."""
    idle = getattr(MODELS.get(engine_of(model)), "IDLE", frozenset())
    if engine_of(model) == "openai" and model.get("path"):
        idle |= OpenAIModel.NAMES
        idle |= frozenset() if model.get("extra_body") else {"extra_body"}
        idle |= {"tokenizer"} if model.get("tokenizer") == model["path"] else frozenset()
    elif engine_of(model) == "openai":
        idle |= {"path", "dtype"}
    kept = {key: value for key, value in model.items() if key not in idle}
    if isinstance(arguments := kept.pop("arguments", None), Mapping):
        mattering = {k: v for k, v in arguments.items() if f"arguments.{k}" not in idle}
        kept |= {"arguments": mattering} if mattering else {}
    return kept


def trainable(model: ModelConfig, where: str) -> TransformersModel:
    """The same weights as training loads them.

    Raises:
        UsageError: the model has no weights here.
    """
    if isinstance(model, TransformersModel):
        return model
    if model.weights is None:
        raise UsageError(
            f"config: {where}: expected a model with engine: transformers or vllm, or with path "
            f"beside engine: openai, whose weights can be loaded (given: {model.engine!r})"
        )
    dtype, template = getattr(model, "dtype", "auto"), getattr(model, "chat_template", {})
    return TransformersModel(model.weights, dtype=dtype, chat_template=template)
