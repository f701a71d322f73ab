"""A row of a table by the names that its reader knows the columns by."""

from collections.abc import Mapping
from typing import Any


class Columns:
    """names: what is needed -> the column it stands in; others have their own name."""

    def __init__(self, row: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._row, self._names = row, names

    def __getitem__(self, name: str) -> str:
        """The text of a column that must be there.

        Raises:
            ValueError: it is missing or empty; names the columns that are there.
        """
        column = self.column(name)
        if column not in self._row:
            raise ValueError(
                f"no column {column!r} (columns: {', '.join(map(str, self._row))}); "
                f"set options: {{columns: {{{name}: COLUMN}}}}"
            )
        value = self._row[column]
        text = "" if value is None else str(value).strip()
        if not text:
            raise ValueError(f"the column {column!r} is empty")
        return text

    def get(self, name: str) -> Any:
        """The value of a column, None if it is not there."""
        return self._row.get(self.column(name))

    def column(self, name: str) -> str:
        """The column that holds what is needed under this name."""
        return self._names.get(name, name)
