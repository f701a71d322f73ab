"""A family that is still being sampled: what is said of it may turn."""

from analysis.numbers import Json
from analysis.table import Table
from analysis.watch import Watch


def interim_json(table: Table, family: str, asked: int, watch: Watch | None) -> Json | None:
    """Attempts made and asked, and what follows; None where all are made.

    asked: of the family, as far as it is known. watch: a rule that has not decided yet chooses its
    own looks, and its intervals allow for them.
    """
    cells = [cell for (name, _, _), cell in table.cells.items() if name == family]
    made = sum(int((cell.finish >= 0).sum()) for cell in cells)
    if made >= asked or (watch is not None and not watch.decision.stop):
        return None
    label = f"interim: {made} of {asked} attempts"
    sentence = (
        "Whoever looks early and often finds by chance what is not there, and the problems that "
        "finish first are not a random part of all: no verdict counts, and CLOSED is not said, "
        "before the rest is made."
    )
    return {"made": made, "asked": asked, "label": label, "sentence": sentence}
