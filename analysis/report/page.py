"""The report of a run: one self-contained HTML page, its figures, its tables as CSV and LaTeX.

The summary is the only input; every number shown is one of its numbers or computed from them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from analysis.figures import save_figures
from analysis.figures.reading import number
from analysis.figures.style import PALETTE
from analysis.figures.training import Metrics
from analysis.numbers import SCHEMA_VERSION
from analysis.report.compute_tables import cost_curve_rows
from analysis.report.limits import limit_sentences
from analysis.report.reading import RESULTS, entries_of, settings_of
from analysis.report.sentences import (
    answers,
    cause_readings,
    diagnoses,
    interims,
    points,
    readings,
    stoppings,
    unsettled,
)
from analysis.report.table import Json, Table, note_on, shown
from analysis.report.tables import build_tables
from analysis.report.writing import curve_rows, save_tables, write_rows
from sample.errors import UsageError


def write_report(
    summary: Json,
    folder: str | Path,
    metrics: Metrics | None = None,
    probes: Json | None = None,
) -> Path:
    """Write report.html, figures/ and tables/ to ``folder``; returns the path of the page.

    summary: as read from summary.json; metrics: adapter -> its training log, if there is one;
    probes: as read from probes.json, if there is one.

    Raises:
        UsageError: the summary is of another schema version, or no summary at all.
    """
    _require_summary(summary)
    target = Path(folder)
    figures = save_figures(summary, target, metrics)
    tables = build_tables(summary, probes)
    save_tables(tables.values(), target / "tables")
    write_rows(target / "tables" / "curves.csv", curve_rows(summary))
    write_rows(target / "tables" / "cost_curve_points.csv", cost_curve_rows(summary))
    page = _page(summary, tables, figures)
    path = target / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _require_summary(summary: Json) -> None:
    version = summary.get("schema_version") if isinstance(summary, Mapping) else None
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"summary.json: schema_version must be {SCHEMA_VERSION} (given: {version!r}); "
            "make it anew with: forage analyze <run folder>"
        )


CAPTIONS = {
    "gaps": (
        "Gap before and after training",
        "Two-sided intervals over problems; shaded: the margin. The verdict holds the one-sided "
        "bound against the margin, so an interval may reach a little beyond it.",
    ),
    "coverage": (
        "Coverage after k attempts",
        "Share of problems solved by any of the first k attempts. The distance between the lines "
        "at the last k is the coverage gap.",
    ),
    "equal_compute": (
        "Solved at equal cost",
        "Share of problems solved, by the aggregator of the verdict, over the budgets that both "
        "arms can spend on a problem; tokens per problem, geometric means. The distance between "
        "the lines, averaged along the axis, is the gap of the table. Critical path is another "
        "matter: what is there when so many tokens have followed each other; an arm that has made "
        "all its attempts keeps what they solve, and the table has the gap where parallel ends.",
    ),
    "equal_compute_coverage": (
        "Coverage at equal cost",
        "The same by coverage, of the families that are judged by another aggregator.",
    ),
    "accuracy_by_step": (
        "Accuracy by attempt",
        "Share of attempts k that are correct: parallel left, sequential right.",
    ),
    "repeat_rate": (
        "Repeated answers by attempt",
        "Share of attempts whose answer was given earlier in the chain. Independent draws repeat "
        "themselves too: the parallel groups are the baseline.",
    ),
    "training": (
        "Training",
        "Each step thin, the mean of the five steps around it thick; repeats are of the history.",
    ),
}
FIGURES = ("accuracy_by_step", "coverage", "gaps", "repeat_rate", "training")
COST_FIGURES = ("equal_compute", "equal_compute_coverage")


def _page(summary: Json, tables: Mapping[str, Table], figures: Mapping[str, Path]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["by"] = _by
    environment.globals.update(shown=shown, note=note_on, points=points)
    template = environment.get_template("report.html.j2")
    return template.render(
        run=summary.get("run") or {},
        settings=settings_of(summary),
        facts=facts(summary),
        warnings=summary.get("warnings") or [],
        answers=answers(summary),
        diagnoses=diagnoses(summary),
        stoppings=stoppings(summary),
        interims=interims(summary),
        unsettled=unsettled(summary),
        verdicts=list(entries_of(summary, "adapters")),
        results=RESULTS,
        readings=readings(summary),
        causes=cause_readings(summary),
        limits=limit_sentences(summary),
        tables=tables,
        figures=_inlined_figures(figures, FIGURES),
        cost_figures=_inlined_figures(figures, COST_FIGURES),
        confidence=f"{100 * (1 - number(settings_of(summary).get('alpha'))):g} %",
    )


def _inlined_figures(
    figures: Mapping[str, Path], names: Sequence[str]
) -> list[tuple[str, str, str, Any]]:
    """(name, title, caption, element) of those of the figures that there are."""
    return [
        (name, *CAPTIONS[name], inline_svg(figures[name], name))
        for name in names
        if name in figures
    ]


def _by(rows: Sequence[Any], key: Any) -> dict[Any, list[Any]]:
    """Rows by one of their entries, in the order of the summary."""
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def facts(summary: Json) -> list[tuple[str, str]]:
    """The run and its settings as (name, value), nested ones written out."""
    found: list[tuple[str, str]] = []
    for part in ("run", "settings"):
        for key, value in (summary.get(part) or {}).items():
            found.append((key.replace("_", " "), _fact(value)))
    return found


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(item)}" for key, item in value.items()) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == "" else str(value)


def inline_svg(path: Path, name: str) -> Any:
    """An SVG file as an element of the page: its own ids, colours that follow the page's scheme."""
    from markupsafe import Markup

    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    for parent in list(root.iter()):
        for child in [c for c in parent if _bare(c.tag) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _bare(element.tag)
        element.attrib = {_bare(k): _inlined(_bare(k), v, name) for k, v in element.items()}
    view = root.get("viewBox") or ""
    root.attrib = {"viewBox": view, "role": "img", "aria-label": CAPTIONS[name][0]}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _bare(name: str) -> str:
    return name.rpartition("}")[2]


def _inlined(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    for colour in PALETTE:
        value = value.replace(f": {colour}", f": var(--c{colour[1:]})")
    return value.replace("url(#", f"url(#{name}-")
