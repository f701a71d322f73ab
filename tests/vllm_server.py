"""A vLLM server of the embedded model on loopback, for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLAGS = ["--dtype", "float32", "--gpu-memory-utilization", "0.1", "--enforce-eager",
         "--max-num-seqs", "32",
         "--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192",
         "--enable-lora", "--max-lora-rank", "8", "--enable-prompt-tokens-details"]  # fmt: skip
ENDS_THINKING = ("--reasoning-parser", "qwen3")
"""What a server needs to force the end of thinking."""


@contextmanager
def api_server(model: str, log: Path, *flags: str) -> Iterator[str]:
    """Its address; the model's name there is "anchored"."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model,
               "--served-model-name", "anchored", "--host", "127.0.0.1", "--port", str(port),
               *FLAGS, *flags]  # fmt: skip
    environment = {**os.environ, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
                   "VLLM_NO_USAGE_STATS": "1"}  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out,
                                  start_new_session=True)  # fmt: skip
    try:
        _wait_until_healthy(port, server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_until_healthy(port: int, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 900
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"no server after 15 minutes: {log.read_text()[-3000:]}")
