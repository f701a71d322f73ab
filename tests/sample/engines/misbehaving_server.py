"""A chat-completions server on loopback that does as the question says, right or wrong."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def completion(content: str | None = "42", finish: str = "stop", **more: Any) -> dict[str, Any]:
    """The reply to a well-behaved request. more: message=..., usage=..., choice=... to add."""
    message = {"role": "assistant", "content": content, **more.get("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": finish, **more.get("choice", {})}
    return {"id": "1", "choices": [choice], "usage": more.get("usage", USAGE)}


def completed(prompt: list[int]) -> dict[str, Any]:
    """The last prompt token again, as a vLLM server goes on from a prompt given as ids."""
    choice = {"index": 0, "text": "?", "finish_reason": "length", "token_ids": prompt[-1:]}
    usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "total_tokens": len(prompt) + 1}
    return {"id": "1", "choices": [choice], "usage": usage}


class Server(ThreadingHTTPServer):
    """seen: every body of a chat completion. live, most: requests at a time. naming: what stands
    in every good reply beside."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.naming: dict[str, str] = {}
        self.times: Counter[str] = Counter()
        self.live, self.most, self.lock = 0, 0, threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            words = sum(len(message["content"].split()) for message in body["messages"])
            return self.answer(200, {"count": words + 3, "asked": body})
        if self.path == "/v1/load_lora_adapter":
            return self.wrongkey(body)
        if self.path == "/v1/completions":
            self.server.seen.append(body)
            return self.answer(200, completed(body["prompt"]))
        if self.path != "/v1/chat/completions":
            return self.answer(404, {"detail": "Not Found"})
        server, question = self.server, body["messages"][0]["content"]
        with server.lock:
            server.seen.append(body)
            server.keys.add(self.headers.get("Authorization"))
            server.times[question] += 1
            server.live += 1
            server.most = max(server.most, server.live)
        try:
            getattr(self, question.split()[0], self.fine)(body)
        finally:
            with server.lock:
                server.live -= 1

    def answer(self, status: int, data: Any, **headers: str) -> None:
        content = (data if isinstance(data, str) else json.dumps(data)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def error(self, status: int, message: str, code: str | None = None) -> None:
        self.answer(status, {"error": {"message": message, "code": code}}, retry_after_ms="5")

    def fine(self, body: dict[str, Any]) -> None:
        time.sleep(0.01)
        self.answer(200, completion() | self.server.naming)

    def echo(self, body: dict[str, Any]) -> None:
        """The reply that the question holds as JSON."""
        self.answer(200, json.loads(body["messages"][0]["content"].partition(" ")[2]))

    def busy(self, body: dict[str, Any]) -> None:
        """Twice a rate limit and a server error, then an answer."""
        times = self.server.times[body["messages"][0]["content"]]
        if times > 2:
            return self.fine(body)
        self.error(429 if times == 1 else 503, "come again")

    def limited(self, body: dict[str, Any]) -> None:
        self.error(429, "slow down")

    def exhausted(self, body: dict[str, Any]) -> None:
        self.error(429, "pay first", "insufficient_quota")

    def broken(self, body: dict[str, Any]) -> None:
        self.error(500, "oops")

    def stall(self, body: dict[str, Any]) -> None:
        time.sleep(3)

    def trickle(self, body: dict[str, Any]) -> None:
        """A body that never ends, though something comes all the time."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with suppress(OSError):
            for _ in range(20):
                self.wfile.write(b" ")
                time.sleep(0.1)

    def leave(self, body: dict[str, Any]) -> None:
        """Answer, and close without having said so."""
        self.fine(body)
        self.close_connection = True

    def later(self, body: dict[str, Any]) -> None:
        """Ask for a wait of an hour, once."""
        if self.server.times[body["messages"][0]["content"]] > 1:
            return self.fine(body)
        self.answer(503, "asleep", retry_after="3600")

    def drop(self, body: dict[str, Any]) -> None:
        """Close in the middle of the body."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def hangup(self, body: dict[str, Any]) -> None:
        """Close without a word."""
        self.close_connection = True

    def garbage(self, body: dict[str, Any]) -> None:
        self.answer(200, "<html>gateway</html>")

    def parrot(self, body: dict[str, Any]) -> None:
        self.answer(200, f"{'?' * 300} {self.headers.get('Authorization')}")

    def wrongkey(self, body: dict[str, Any]) -> None:
        self.error(401, f"no such key: {self.headers.get('Authorization')}")

    def wrongmodel(self, body: dict[str, Any]) -> None:
        self.error(404, f"The model `{body['model']}` does not exist.")

    def refused(self, body: dict[str, Any]) -> None:
        self.error(400, 'Unknown name "seed": Cannot find field.')

    def toolong(self, body: dict[str, Any]) -> None:
        self.error(400, "This model's maximum context length is 100 tokens.")


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
