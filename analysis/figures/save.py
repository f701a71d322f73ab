"""Every figure that a summary has numbers for, as files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.figures.accuracy import accuracy_by_step
from analysis.figures.coverage_and_repeats import coverage, repeat_rate
from analysis.figures.equal_compute import equal_compute, equal_compute_coverage
from analysis.figures.gaps import gaps
from analysis.figures.reading import Json
from analysis.figures.style import STYLE
from analysis.figures.training import Metrics, training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")


def save_figures(
    summary: Json, folder: str | Path, metrics: Metrics | None = None
) -> dict[str, Path]:
    """Write every figure the summary has numbers for to ``folder/figures``.

    metrics: adapter -> training log, entries with step and any of reward, accuracy, novelty,
    repeat. Returns figure name -> its SVG; PDF and PNG lie beside it.
    """
    drawn = _figures(summary, metrics or {}).items()
    saved = {name: save_figure(draw, folder, name) for name, draw in drawn}
    return {name: path for name, path in saved.items() if path is not None}


def save_figure(draw: Callable[[], "Figure | None"], folder: str | Path, name: str) -> Path | None:
    """Write one figure in the common style to ``folder/figures``; its SVG, or None."""
    from matplotlib import rc_context

    target = Path(folder) / "figures"
    target.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        figure = draw()
        return None if figure is None else _save(figure, target, name)


def _figures(summary: Json, metrics: Metrics) -> dict[str, Callable[[], "Figure | None"]]:
    return {
        "gaps": lambda: gaps(summary),
        "coverage": lambda: coverage(summary),
        "accuracy_by_step": lambda: accuracy_by_step(summary),
        "equal_compute": lambda: equal_compute(summary),
        "equal_compute_coverage": lambda: equal_compute_coverage(summary),
        "repeat_rate": lambda: repeat_rate(summary),
        "training": lambda: training(summary, metrics),
    }


def _save(figure: "Figure", folder: Path, name: str) -> Path:
    # a date in the file would make equal results look different
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    for suffix in FORMATS:
        path = folder / f"{name}.{suffix}"
        figure.savefig(path, dpi=300, transparent=suffix != "png", metadata=dates[suffix])
    return folder / f"{name}.svg"
