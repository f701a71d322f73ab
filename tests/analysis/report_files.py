"""Writing reports quickly, and reading back what lies beside them."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from analysis.report.page import write_report


@contextmanager
def svg_alone() -> Iterator[None]:
    """Figures are written as SVG, which holds all that they say, and in no other format."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.figures.save.FORMATS", ("svg",))
        yield


def words_alone(summary, folder):
    """A report without figures, which take nearly all of the time; returns its text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.report.page.save_figures", lambda *_: {})
        return write_report(summary, folder).read_text(encoding="utf-8")


def rows(report, name):
    with (report.parent / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
