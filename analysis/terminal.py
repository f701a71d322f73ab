"""A summary as tables for the terminal, readable at 80 columns.

Shares are in percent, gaps in percentage points, with their interval in brackets and the number
of problems (n) beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analysis.config import AUC
from analysis.cost_ratio import FEWEST_PROBLEMS
from analysis.words import counted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

Json = Mapping[str, Any]

UNKNOWN = "-"
_STYLES = {"CLOSED": "green", "NARROWED": "yellow", "CLOSED_BY_DAMAGE": "red"}


def print_summary(summary: Json, console: Console | None = None) -> None:
    """Print every table of the summary, then its warnings."""
    from rich.console import Console

    console = console or Console()
    for part in render(summary):
        console.print(part, highlight=False, soft_wrap=False)


def render(summary: Json) -> Iterator[RenderableType]:
    """The parts of the printout, in order."""
    from rich.markup import escape

    parts = list(_of_families(summary))
    yield from parts
    yield from explained(parts)
    for warning in summary["warnings"]:
        yield f"[yellow]warning:[/] {escape(warning)}"


def explained(parts: Iterable[RenderableType]) -> Iterator[str]:
    """One line on the star of ``with_interval``, if any of these tables shows one."""
    from rich.table import Table

    columns = [column for part in parts if isinstance(part, Table) for column in part.columns]
    if any(str(cell).endswith("]*") for column in columns for cell in column.cells):
        yield "* too few problems that vary for a t interval; one that allows for it stands in"


def _of_families(summary: Json) -> Iterator[RenderableType]:
    settings = summary["settings"]
    for name, family in summary["families"].items():
        yield _heading(name, family, settings)
        yield from _stopping(family)
        if interim := family.get("interim"):
            yield f"[yellow]{interim['label']}.[/] {interim['sentence']}"
        yield from _diagnosis(family)
        yield ""
        yield _levels(family, settings)
        yield ""
        if settings.get("budget"):
            yield _spending(family, settings)
            yield ""
        if any(found and any(found["gaps"].values()) for found in family["equal_compute"].values()):
            yield _equal_compute(family, settings)
            yield ""
        if any(True for _ in _chosen(family)):
            yield _choices(family, settings)
            yield ""
        if family["adapters"]:
            yield _verdicts(family)
            yield ""
        yield from _reasons(family)
        if family["methods"]:
            yield ""
            yield _methods(family)
        if any(True for _ in _with_repeats(family)):
            yield ""
            yield _exploration(family)
        if any(True for _ in _with_search(family)):
            yield ""
            yield _search(family, settings)
            yield ""
            yield _first_right(family)
        if any(True for _ in _with_traces(family)):
            yield ""
            yield _traces(family, settings)
        if family["controls"]:
            yield ""
            yield _controls(family)
        yield ""
        yield from _causes(family)


def with_interval(found: Json | None, scale: float = 100.0, digits: int = 1) -> str:
    """``12.3 [10.1, 14.5]``; a star marks a degenerate sample, where no t interval is given."""
    if found is None or found["estimate"] is None:
        return UNKNOWN
    estimate = _number(found["estimate"], scale, digits)
    if found["low"] is None:
        return estimate
    low, high = (_number(found[end], scale, digits) for end in ("low", "high"))
    return f"{estimate} [{low}, {high}]" + "*" * bool(found.get("degenerate"))


def with_censoring(ratio: Json) -> str:
    """``1.30x [1.10, 1.70]``; ``not by 1.80x`` where no attempt of sequential gets there."""
    if ratio["reason"]:
        return UNKNOWN
    if ratio["ratio"] is None:
        return f"not by {ratio['least']:.2f}x"
    if ratio["n"] < FEWEST_PROBLEMS:
        return f"{ratio['ratio']:.2f}x"
    ends = ["never" if ratio[end] is None else f"{ratio[end]:.2f}" for end in ("low", "high")]
    return f"{ratio['ratio']:.2f}x [{ends[0]}, {ends[1]}]"


def _number(value: float, scale: float, digits: int) -> str:
    return f"{round(scale * value, digits) + 0.0:.{digits}f}"


def _heading(name: str, family: Json, settings: Json) -> RenderableType:
    from rich.markup import escape

    within = f"{settings['budget']} tokens, at most " if settings.get("budget") else ""
    return (
        f"[bold]{escape(name)}[/]: {counted(family['n_problems'], 'problem')}, "
        f"{within}N = {counted(settings['N'], 'attempt')}, "
        f"{counted(settings['replicates'], 'replicate')}, judged by {family['primary']}; "
        f"margin {_number(settings['margin'], 100, 1)} points, "
        f"{_number(1 - settings['alpha'], 100, 0)} % intervals"
    )


def _stopping(family: Json) -> Iterator[str]:
    found = family.get("stopping")
    if found:
        yield f"[bold]Stopping rule:[/] {found['sentence']}"
        if found["caution"]:
            yield f"[yellow]note:[/] {found['caution']}"


DIAGNOSIS = {"found": "Records", "can": "Can be concluded", "cannot": "Cannot be concluded"}


def _diagnosis(family: Json) -> Iterator[str]:
    from rich.markup import escape

    for part, title in DIAGNOSIS.items():
        if family["diagnosis"][part]:
            yield f"[bold]{title}[/]"
        for sentence in family["diagnosis"][part]:
            yield f"  {escape(sentence)}"


def start_table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    table.pad_edge = table.show_edge = False
    table.title_style = "bold"
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def add_row(table: Table, name: str, *cells: str, style: str = "") -> None:
    from rich.markup import escape

    table.add_row(escape(name), *(escape(cell) for cell in cells), style=style)


def _count(found: Json | None) -> str:
    return UNKNOWN if found is None else str(found["n"])


def _levels(family: Json, settings: Json) -> Table:
    primary = family["primary"]
    size = f"{settings['budget']} tokens" if settings.get("budget") else settings["N"]
    level = AUC.get(primary, primary)
    gap_of = "the gap" if level == primary else "its gap over log2 tokens"
    title = f"Solved by {level} of {size} (percent), and {gap_of} (points)"
    table = start_table(title, "system", "parallel", "sequential", "gap", "n")
    for name, system in family["systems"].items():
        parallel = system["arms"].get("parallel")
        sequential = system["arms"].get("sequential")
        left = parallel and parallel["majority" if level == "last" else level]
        right = sequential and sequential[level]
        gap = system["gaps"][primary]
        cells = (with_interval(left), with_interval(right), with_interval(gap))
        add_row(table, name, *cells, _count(gap or left or right))
    return table


def _chosen(family: Json) -> Iterator[tuple[str, str, Json]]:
    for name, system in family["systems"].items():
        for arm, levels in system["arms"].items():
            if levels["best_of_n"] or levels["weighted_vote"]:
                yield name, arm, levels


def _choices(family: Json, settings: Json) -> Table:
    title = f"Solved by {settings['N']} attempts when scores or weights choose (percent)"
    table = start_table(title, "arm", "best score", "weighted vote", "majority", "n")
    for name, arm, levels in _chosen(family):
        shares = [levels[key] for key in ("best_of_n", "weighted_vote", "majority")]
        found = next(share for share in shares if share)
        add_row(table, f"{name}/{arm}", *map(with_interval, shares), _count(found))
    return table


def _spending(family: Json, settings: Json) -> Table:
    title = f"Within the budget of {settings['budget']} tokens, per chain"
    table = start_table(title, "arm", "attempts", "cut at its end", "tokens generated")
    for name, system in family["systems"].items():
        add_row(table, name, "", "", "", style="bold")
        for arm, levels in system["arms"].items():
            made, generated = (levels["per_chain"][key] for key in ("attempts", "generated"))
            spent = UNKNOWN if generated is None else f"{generated:.1f}"
            cut = made * levels["finish"]["budget"]
            add_row(table, arm, f"{made:.2f}", f"{cut:.2f}", spent)
    return table


def _equal_compute(family: Json, settings: Json) -> Table:
    primary = family["primary"]
    title = (
        f"The gap at equal tokens, {AUC.get(primary, primary)} (points); tokens that "
        f"sequential needs for what {settings['N']} parallel attempts reach"
    )
    table = start_table(title, "system", "generated", "all tokens", "needs", "n")
    for name, found in family["equal_compute"].items():
        if found is not None:
            gaps = [found["gaps"][cost] for cost in ("generated", "total")]
            needs = [with_censoring(r) for r in found["ratios"] if r["k"] == settings["N"]]
            cells = (*map(with_interval, gaps), *(needs or [UNKNOWN]), _count(gaps[0]))
            add_row(table, name, *cells)
    return table


def _verdicts(family: Json) -> Table:
    label = (family.get("interim") or {}).get("label")
    title = f"Verdicts, {label}" if label else "Verdicts"
    table = start_table(title, "adapter", "verdict", "gap left", "gap shrank by", "n")
    for name, adapter in family["adapters"].items():
        verdict = adapter["verdict"] or "not measured"
        changes = [with_interval(adapter[key]) for key in ("gap_adapted", "did")]
        style = _STYLES.get(verdict, "")
        add_row(table, name, verdict, *changes, _count(adapter["did"]), style=style)
    return table


def _reasons(family: Json) -> Iterator[str]:
    from rich.markup import escape

    for name, judged in (*family["adapters"].items(), *family["models"].items()):
        # a reason without a verdict begins with "Not measured" itself
        verdict = f"{judged['verdict']}: " if judged["verdict"] else ""
        yield f"[bold]{escape(name)}[/] {verdict}{escape(judged['reason'])}"
    for name, found in (family.get("unsettled") or {}).items():
        yield f"[bold]{escape(name)}[/] {escape(found['sentence'])}."


def _methods(family: Json) -> Table:
    table = start_table(
        "Methods, over training seeds", "method", "seeds", "gap left", "gap shrank by"
    )
    table.add_column("verdicts")
    for name, method in family["methods"].items():
        changes = [with_interval(method[key]) for key in ("gap_adapted", "did")]
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in method["verdicts"].items())
        add_row(table, name, str(method["seeds"]), *changes, verdicts)
    return table


def _with_repeats(family: Json) -> Iterator[str]:
    for name, system in family["systems"].items():
        if any(levels["repeat_rate"]["n"] for levels in system["arms"].values()):
            yield name


def _exploration(family: Json) -> Table:
    columns = ("arm", "repeats", "if independent", "distinct", "n")
    table = start_table("Exploration: later attempts that repeat an answer (percent)", *columns)
    for name in _with_repeats(family):
        add_row(table, name, "", "", "", "", style="bold")
        for arm, levels in family["systems"][name]["arms"].items():
            shares = [with_interval(levels[key]) for key in ("repeat_rate", "repeat_baseline")]
            distinct = with_interval(levels["distinct"], 1, 2)
            add_row(table, arm, *shares, distinct, _count(levels["repeat_rate"]))
    return table


def _with_search(family: Json) -> Iterator[tuple[str, Json]]:
    for name, system in family["systems"].items():
        for arm, levels in system["arms"].items():
            if levels["efficiency"] or levels["against_twice"]:
                yield f"{name}/{arm}", levels


def _search(family: Json, settings: Json) -> Table:
    twice = 2 * settings["N"]
    title = (
        f"Search: coverage of {settings['N']} from independent draws (0) to draws without repeats "
        f"(1), and less that of {twice} parallel attempts (points)"
    )
    table = start_table(title, "arm", "efficiency", f"less {twice} parallel", "n")
    for arm, levels in _with_search(family):
        shown = with_interval(levels["efficiency"], 1, 2), with_interval(levels["against_twice"])
        add_row(table, arm, *shown, _count(levels["against_twice"] or levels["coverage"]))
    return table


def _first_right(family: Json) -> Table:
    title = "First right answers: attempts that are right where all before were wrong, %"
    table = start_table(title, "arm", "share", "over parallel", "attempts")
    for arm, levels in _with_search(family):
        shown = (with_interval(levels[key]) for key in ("first_right", "first_right_lead"))
        add_row(table, arm, *shown, f"{levels['first_right']['at_risk']:,}")
    return table


def _with_traces(family: Json) -> Iterator[tuple[str, str, Json]]:
    for name, system in family["systems"].items():
        for arm, levels in system["arms"].items():
            if levels["trace_dispersion"]:
                yield name, arm, levels


def _traces(family: Json, settings: Json) -> Table:
    title = f"Traces: mean 1 - cosine of two, and Vendi score of {settings['N']}"
    table = start_table(title, "arm", "apart", "Vendi", "n")
    for name, arm, levels in _with_traces(family):
        apart, score = levels["trace_dispersion"], levels["trace_vendi"]
        shown = with_interval(apart, 1, 3), with_interval(score, 1, 2)
        add_row(table, f"{name}/{arm}", *shown, _count(apart))
    return table


def _causes(family: Json) -> Iterator[str]:
    from rich.markup import escape

    for name, causes in family["attribution"].items():
        for sentence in (causes or {}).get("reading", ()):
            yield f"[bold]{escape(name)}[/] {escape(sentence)}"
        for arm, checks in (causes or {}).get("checks", {}).items():
            for check in checks:
                if check["passed"] is False:
                    found = f"{escape(check['question'])} No: {check['estimate']:.2f}."
                    yield f"[yellow]check failed:[/] {escape(arm)} of {escape(name)}: {found}"


def _controls(family: Json) -> Table:
    title = f"Controls: parallel minus control, {family['primary']}"
    table = start_table(title, "control", "difference", "p (sign flip)", "n")
    for arm, control in family["controls"].items():
        difference = control["difference"]
        p = difference["p_flip"]
        shown = UNKNOWN if p is None else f"{p:.4f}"
        add_row(table, arm, with_interval(difference), shown, _count(difference))
    return table
