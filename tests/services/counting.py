"""Counts the statements that a library sends to its catalogue, and the rows that come back."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from sqlalchemy import event

import opsin


class Counted:
    """A context in which the statements of one library are written down; ``rows`` counts what they returned."""

    def __init__(self, library: opsin.Library) -> None:
        self._engine = library._workspace.catalogue._engine
        self._counting = False
        self.statements: list[str] = []
        self.rows = 0

    @property
    def written(self) -> list[str]:
        """The statements that wrote."""
        return [each for each in self.statements if each.startswith(("INSERT", "UPDATE", "DELETE"))]

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.statements.append(statement)

    def _checked_out(self, connection: Any, *_rest: Any) -> None:
        connection.row_factory = self._row

    def _row(self, _cursor: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.rows += self._counting
        return row

    def __enter__(self) -> Self:
        event.listen(self._engine, "after_cursor_execute", self._note)
        event.listen(self._engine, "checkout", self._checked_out)
        self._counting = True
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._counting = False
        event.remove(self._engine, "checkout", self._checked_out)
        event.remove(self._engine, "after_cursor_execute", self._note)
