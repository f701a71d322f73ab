"""The wall around model-written code: the command line of bubblewrap."""

import os
import shutil
import sys
from pathlib import Path

from sample.errors import UsageError

_INSIDE = Path(__file__).parent / "inside"
_NOBODY = "65534"
_PACKAGE = "/forage/sample/sandbox/inside"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LD_LIBRARY_PATH": "/python/lib",
    "PYTHONPATH": "/forage",
    "PYTHONHASHSEED": "0",
}
"""All that the sandbox sees of an environment."""


def sandbox_command() -> list[str]:
    """The command that starts the server of a sandbox.

    No network, no /proc, and of the file system the system's libraries, this Python and the files
    in ``inside``, read-only, under one private /tmp. All that runs is an ordinary user: root gives
    up its rights (its processes could not be counted otherwise), others get a user namespace.

    Raises:
        UsageError: bubblewrap is not there.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise UsageError(
            "model-written code runs only in bubblewrap (Linux, 0.7 or newer), and there is no "
            "command 'bwrap'; type: apt-get install bubblewrap (Debian, Ubuntu) or dnf install "
            "bubblewrap (Fedora)"
        )
    python = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    server = [python, "-s", "-S", "-B", "-P", f"{_PACKAGE}/server.py"]
    return [
        found,
        *_NAMESPACES,
        *_files(),
        *(_as_nobody() if os.geteuid() == 0 else _USER),
        *server,
    ]


_NAMESPACES = [
    "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
    "--as-pid-1", "--die-with-parent", "--new-session", "--hostname", "sandbox",
]  # fmt: skip
_USER = ["--unshare-user", "--"]


def _as_nobody() -> list[str]:
    drop = ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups"]
    keep = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*keep, "--", *drop, "--inh-caps=-all"]


def _files() -> list[str]:
    system = [path for path in ("/usr", "/lib", "/lib64", "/bin") if Path(path).exists()]
    binds = [part for path in system for part in ("--ro-bind", path, path)]
    binds += ["--ro-bind", str(Path(sys.base_prefix).resolve()), "/python"]
    for path in ("/forage", "/forage/sample", "/forage/sample/sandbox", "/dev"):
        binds += ["--perms", "0755", "--dir", path]
    binds += ["--ro-bind", str(_INSIDE), _PACKAGE, "--dev-bind", "/dev/null", "/dev/null"]
    private = ["--perms", "1777", "--size", str(32 << 20), "--tmpfs", "/tmp"]
    return [*binds, *private, "--remount-ro", "/", "--chdir", "/tmp"]
