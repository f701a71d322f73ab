"""Attempts that another tool made, as the records that the analysis reads; and the way back."""

from pathlib import Path


def is_foreign(path: Path) -> bool:
    """Whether a path is that of a file, and not of a run folder or a config."""
    return path.suffix not in ("", ".yaml", ".yml") and not path.is_dir()
