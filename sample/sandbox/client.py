"""One sandbox from outside: started, given jobs, replaced when it is spent."""

import subprocess
import tempfile
import threading
import time
import weakref
from dataclasses import asdict, dataclass
from typing import Any

from sample.errors import ForageError, UsageError
from sample.sandbox.bubblewrap import ENVIRONMENT, sandbox_command
from sample.sandbox.inside.messages import BrokenChannel, receive, send

_GRACE = 30.0
_ANY_SIZE = 1 << 40
_own = threading.local()


@dataclass(frozen=True)
class Limits:
    """Of one program.

    cpu: CPU seconds for each test, and for loading it; this is the verdict, so that a grade does
        not depend on how busy the machine is. Child processes: for all tests together.
    wall: seconds for each test, generous: it is for programs that wait. One that passes it is
        wrong if it then idles, using less than a tenth of the CPU time that its supervisor gets
        beside it (child processes aside). One that computes has lacked CPU time, and is not judged.
    memory: MiB of address space, each process. processes: threads included.
    output: bytes that it may print, return or write to a file.
    """

    cpu: float = 5.0
    wall: float = 60.0
    memory: int = 512
    processes: int = 16
    output: int = 1 << 20


class SandboxError(ForageError):
    """The sandbox itself failed: nothing is known of the program."""


class Sandbox:
    """A bubblewrap process whose server waits for jobs; ends with the thread that started it."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            sandbox_command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=ENVIRONMENT,
            bufsize=0,
            start_new_session=True,
        )
        self._spent = False
        self.close = weakref.finalize(self, _end, self._process)

    @property
    def usable(self) -> bool:
        """Whether it is alive and no earlier program left a file in it."""
        return not self._spent and self._process.poll() is None

    def run(self, job: dict[str, Any], tests: dict[str, Any], patience: float) -> dict[str, Any]:
        """The result of one job (see ``inside.supervisor``), waited for ``patience`` seconds.

        Raises:
            SandboxError: there is none.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        stdin, stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        deadline = time.monotonic() + patience
        try:
            send(stdin, job)
            send(stdin, tests)
            result = receive(stdout, _ANY_SIZE, deadline)
            self._spent = not receive(stdout, _ANY_SIZE, deadline)["clean"]
        except BrokenChannel as error:
            self._spent = True
            self.close()
            raise SandboxError(f"the sandbox failed ({error}): {self._last_error()}") from None
        except BaseException:
            self._spent = True
            raise
        return result

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.kill()
    process.wait()


def run_job(job: dict[str, Any], tests: dict[str, Any], count: int) -> dict[str, Any]:
    """The result of one job in this thread's own sandbox. count: how many tests it has.

    Raises:
        UsageError: no sandbox can be had here.
        SandboxError: it failed.
    """
    job = {**job, "tests": count}
    patience = _GRACE + (count + 2) * job["limits"]["wall"]
    return _own_sandbox().run(job, tests, patience)


def _own_sandbox() -> Sandbox:
    sandbox = getattr(_own, "sandbox", None)
    if sandbox is None or not sandbox.usable:
        sandbox = _own.sandbox = _start()
    return sandbox


def _start() -> Sandbox:
    """A sandbox that has run a program.

    Raises:
        UsageError: it could not.
    """
    sandbox = Sandbox()
    program = {"source": "def f(x):\n    return x\n", "entry": "f"}
    probe = {**program, "limits": asdict(Limits()), "tests": 1}
    try:
        result = sandbox.run(probe, {"calls": [[1]]}, _GRACE)
    except SandboxError as error:
        raise UsageError(
            f"no isolation for model-written code on this machine: {error}; user namespaces must "
            "be allowed (sysctl kernel.unprivileged_userns_clone=1 or "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container: --privileged)"
        ) from None
    if result["outcomes"] != [{"value": "1"}]:
        raise SandboxError(f"the sandbox failed its first program: {result}")
    return sandbox
