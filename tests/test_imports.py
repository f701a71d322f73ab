"""What may import what, and that help comes at once."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENTRY = ("experiment", "command", "forage")
FORBIDDEN = {
    "sample": ("train", "analysis", *ENTRY),
    "train": ("analysis", *ENTRY),
    "analysis": ("train", "torch", "transformers", "sample.engines", *ENTRY),
    "command": ("torch", "transformers", "sample.engines", "forage"),
}
HELP_NEEDS_NO = (
    *("torch", "numpy", "pydantic", "rich", "asyncio"),
    *("train", "analysis", "experiment", "sample.config", "sample.run"),
)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_package_imports_what_it_must_not_know(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            for banned in FORBIDDEN[package]:
                assert not f"{name}.".startswith(f"{banned}."), f"{path} imports {name}"


@pytest.mark.parametrize(
    "code,absent",
    [
        ("import forage", HELP_NEEDS_NO),
        ("import experiment, sample.stage, train.stage", ("torch", "numpy", "matplotlib")),
        (
            "import analysis.stage",
            ("torch", "transformers", "trl", "matplotlib", "scipy.stats", "scipy.optimize"),
        ),
    ],
)
def test_heavy_packages_wait_until_they_are_needed(code, absent):
    check = f"import sys; {code}; print([m for m in {absent} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
