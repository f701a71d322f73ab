"""The servers of one model behind OpenAI-compatible addresses."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from sample.engines.adapters import same_name
from sample.engines.api_errors import end_run
from sample.engines.base import Message
from sample.engines.replies import Unanswered
from sample.engines.server import Server
from sample.errors import ForageError, UsageError
from sample.models import OpenAIModel

_ASKED = ("/chat/completions", "messages")
_CONTINUED = ("/completions", "prompt")


class _Served(msgspec.Struct):
    """root: the folder or Hub id that a vLLM server took its weights from."""

    id: str
    max_model_len: Any = None
    root: Any = None


class _List(msgspec.Struct):
    data: list[_Served]


class _Counted(msgspec.Struct):
    count: int


class Endpoints:
    """
    Raises:
        UsageError: the environment variable with the key is not set.
    """

    def __init__(self, model: OpenAIModel) -> None:
        self._model, self._key = model, _key(model)
        self._servers = [Server(url, model, self._key) for url in model.urls]
        self._homes: dict[str, Server] = {}
        self._answered = False

    async def close(self) -> None:
        for server in self._servers:
            await server.close()

    async def ask(
        self, name: str, problem: str, prompt: list[Message] | list[int], body: dict[str, Any]
    ) -> bytes:
        """The body of the reply, from the problem's own server or else one that can be reached.

        prompt: a conversation, or the ids of one with a turn begun.

        Raises:
            Unanswered: this call failed for good.
            ForageError: all others will fail too.
        """
        path, key = _CONTINUED if isinstance(prompt[0], int) else _ASKED
        whole = {"model": name, key: prompt, **body}
        servers = self._in_order(problem)
        for server in servers:
            try:
                reply = await server.call(path, whole)
            except Unanswered as error:
                # Where not even a connection came about, nothing was generated.
                if error.failure.type == "unreachable" and server is not servers[-1]:
                    continue
                end_run(error.failure, server.url, self._answered)
                raise
            self._answered = True
            return reply
        raise AssertionError("a model has at least one server")

    def _in_order(self, problem: str) -> list[Server]:
        """The server of a problem first, the others after it, the idlest first."""
        idlest = sorted(self._servers, key=lambda server: server.live)
        home = self._homes.setdefault(problem, idlest[0])
        return [home, *(server for server in idlest if server is not home)]

    def masked(self, message: str) -> str:
        return self._servers[0].masked(message)

    async def require(self, *, every: bool = False) -> None:
        """Ask the servers for their models, which costs no tokens.

        every: one that cannot be reached is an error even where another can.

        Raises:
            UsageError: one has no model of that name, other weights than ``path`` says, or refuses
                the key.
            ForageError: one does not answer.
        """
        lost: list[tuple[Server, Unanswered]] = []
        for server in self._servers:
            try:
                self._check_served(server.url, await _models(server))
            except Unanswered as error:
                if error.failure.type != "unreachable":
                    end_run(error.failure, server.url, False)
                    raise ForageError(f"{server.url}/models does not answer: {error}") from None
                lost.append((server, error))
        if lost and (every or len(lost) == len(self._servers)):
            end_run(lost[0][1].failure, lost[0][0].url, False)

    def _check_served(self, url: str, served: dict[str, _Served]) -> None:
        """
        Raises:
            UsageError: as ``require``.
        """
        name, path = self._model.model, self._model.path
        prefixed = (one for known, one in served.items() if known.endswith(f"/{name}"))
        found = served.get(name) or next(prefixed, None)
        if found is None:
            known = ", ".join(sorted(served)[:8]) or "none"
            raise UsageError(f"{url} has no model {name!r}; it has: {known}")
        # By the last part, as a server may be another machine; the hash of a Hub snapshot passes.
        if path is not None and not (isinstance(found.root, str) and same_name(found.root, path)):
            raise UsageError(
                f"{url} serves {found.root!r} as {name!r}, not {path!r}; correct path, or leave it "
                "out in another -o DIR, where nothing is said of the weights"
            )

    async def load_adapter(self, name: str, path: str) -> None:
        """Have every server, of vLLM, load a LoRA folder under a name.

        Raises:
            UsageError: one cannot.
        """
        for server in self._servers:
            try:
                await server.call("/load_lora_adapter", {"lora_name": name, "lora_path": path})
            except Unanswered as error:
                # Under the same name stands the same content: the name is a hash.
                if "already been loaded" not in str(error):
                    raise UsageError(
                        f"adapter {path}: {server.url} does not load it ({error}); start "
                        "vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True where "
                        "it can read this folder, or serve it by --lora-modules NAME=PATH and "
                        "give NAME as path"
                    ) from error

    async def drop_adapter(self, name: str) -> None:
        """Have every server, of vLLM, forget an adapter that ``load_adapter`` gave it."""
        for server in self._servers:
            with suppress(Unanswered):  # it may have been restarted since
                await server.call("/unload_lora_adapter", {"lora_name": name})

    async def context(self, name: str) -> int:
        """Tokens of prompt and generation together that the vLLM servers take for a model.

        Raises:
            UsageError: a server that cannot be reached, or does not serve the model.
        """
        lengths = []
        for server in self._servers:
            try:
                served = await _models(server)
            except Unanswered as error:
                raise UsageError(
                    f"{server.url}: no vLLM server answers ({error}); start it, "
                    "or correct the address"
                ) from error
            length = served[name].max_model_len if name in served else None
            if not isinstance(length, int):
                known = ", ".join(served)
                raise UsageError(f"{server.url}: a vLLM server of {name!r} is expected ({known})")
            lengths.append(length)
        return min(lengths)

    def count_tokens(self, name: str, messages: list[Message], options: dict[str, Any]) -> int:
        """Tokens of a prompt, as a vLLM server renders it with these options of its template.

        Raises:
            ForageError: it does not say.
        """
        root = self._servers[0].url.removesuffix("/v1")
        body = {"model": name, "messages": messages, "chat_template_kwargs": options}

        async def counted() -> bytes:
            server = Server(root, replace(self._model, timeout=60, retries=2), self._key)
            try:
                return await server.call("/tokenize", body)
            finally:
                await server.close()

        try:
            # In a thread, as the event loop of this one may be running and waits for the count.
            with ThreadPoolExecutor(1) as thread:
                answer = thread.submit(asyncio.run, counted()).result()
            return msgspec.json.decode(answer, type=_Counted).count
        except (Unanswered, msgspec.DecodeError) as error:
            raise ForageError(
                f"{root}/tokenize does not count prompts ({error}); "
                "give tokenizer: a folder or Hub id with the same template"
            ) from None


async def _models(server: Server) -> dict[str, _Served]:
    """By their names.

    Raises:
        Unanswered: none are listed.
    """
    answer = await server.call("/models")
    try:
        return {one.id: one for one in msgspec.json.decode(answer, type=_List).data}
    except msgspec.DecodeError as error:
        raise Unanswered("bad_reply", f"no list of models: {error}") from None


def _key(model: OpenAIModel) -> str | None:
    if model.key is None:
        return None
    key = os.environ.get(model.key, "").strip()
    if not key or not key.isprintable():
        raise UsageError(
            f"model {model.model!r}: the environment variable {model.key} is not set, or has a "
            f"line break; export {model.key}=... with the API key"
        )
    return key
