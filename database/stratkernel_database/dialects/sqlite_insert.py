"""Many rows in one INSERT of SQLite; what is the same in all rows is bound once a statement."""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from stratkernel_database.dialects.base import ColumnValues
from stratkernel_database.dialects.rows import cut

_PARAMETERS: Final = 900  # of 999 that a statement may have in old versions
_FEW: Final = 4

Columns: TypeAlias = Mapping[str, ColumnValues]


class Part(NamedTuple):
    """Rows that are inserted `together` in a statement; its parameters are the fixed values, then rows."""

    text: str
    varied: Columns
    together: int


class InsertPlan(NamedTuple):
    """`fixed` holds one row of the columns that are the same in all rows; it may be without any."""

    fixed: Columns
    parts: list[Part]


def insert_plan(one: str, columns: Columns, rows: int) -> InsertPlan:
    """How rows are inserted by the statement `one`, which inserts a single one.

    `one` has a parameter for each column, in their order, and no other.
    """
    fixed = {name: values[:1] for name, values in columns.items() if _is_constant(values)}
    varied = {name: values for name, values in columns.items() if name not in fixed}
    together = (_PARAMETERS - len(fixed)) // max(1, len(varied))
    whole = rows - rows % together
    if not varied or whole < _FEW * together:
        fixed, varied, together, whole = {}, dict(columns), 1, rows
    parts = [
        Part(_repeated(one, list(columns), fixed, size), cut(varied, start, end), size)
        for start, end, size in ((0, whole, together), (whole, rows, 1))
        if start < end
    ]
    return InsertPlan(fixed, parts)


def _is_constant(values: ColumnValues) -> bool:
    """Whether all values are the same, to the bit; of floats that is not looked into."""
    if not len(values):
        return False
    first = values[0]
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "iub" and bool((values == first).all())
    return (first is None or isinstance(first, str)) and list(values).count(first) == len(values)


def _repeated(one: str, columns: list[str], fixed: Columns, rows: int) -> str:
    """The statement for several rows; values that are fixed come first, and once."""
    varied = [name for name in columns if name not in fixed]
    groups = ", ".join([f"({', '.join('?' * len(varied))})"] * rows)
    if fixed:
        # by numbered parameters (?1) they could stay in place, but Python 3.12 warns of those
        places = {name: f"column{place}" for place, name in enumerate(varied, 1)}
        taken = ", ".join(places.get(name, "?") for name in columns)
        new = f"SELECT {taken} FROM (VALUES {groups}) WHERE true"  # noqa: S608 - no value is in it
    else:
        new = f"VALUES {groups}"
    return one.replace(f"VALUES ({', '.join('?' * len(columns))})", new, 1)
