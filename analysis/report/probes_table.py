"""The table of ``probes.json``."""

from collections.abc import Iterator

from analysis.report.table import Json, Table, family_columns, known

_COLUMNS = (
    "copy|copies|share",
    "copy_change|change|points",
    "kept|right answer kept|share",
    "found|right answer found|share",
    "attention|attention|decimal",
    "attention_change|change|decimal",
    "copy_margin_change|copies more probable by|decimal",
)
_CHANGE = "_change"


def probes_table(probes: Json) -> Table:
    """A row for each system and depth; none without probes."""
    columns = family_columns("system|system", "depth|answers seen|count", *_COLUMNS)
    caption = (
        "Attempts after the base's own first answers, the same for every system; changes are to "
        "the base. Copies: answers that stand in the history. Kept, found: accuracy where the "
        "history holds a correct answer, and where it holds none. Attention: paid to a token of an "
        "earlier answer over that to a token of the prompt. More probable: the base's copies "
        "against its new answers, nats per token."
    )
    return Table("probes", caption, columns, tuple(_rows(probes)))


def _rows(probes: Json) -> Iterator[Json]:
    for family, entry in (probes.get("families") or {}).items():
        for system, found in entry["systems"].items():
            for depth, measures in found["depths"].items():
                cells = {column.split("|")[0]: None for column in _COLUMNS}
                for key in cells:
                    name = key.removesuffix(_CHANGE)
                    part = "difference" if key.endswith(_CHANGE) else "level"
                    base = part == "difference" and measures["copy"]["difference"] is None
                    why = "this is the base" if base else "no prefix has it"
                    cells[key] = known(measures[name][part], why)
                yield {"family": family, "system": system, "depth": int(depth), **cells}
