"""Numbers out of PostgreSQL: the server packs many rows into one value, which numpy reads as it is.

A row is the bytes that the server's own send functions make of its columns, one behind the other, in network
order (int8send and its like; PostgreSQL documentation, "Frontend/Backend Protocol", binary format). A client
that takes single rows, by whatever protocol, spends most of its time on taking them.
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from stratkernel_database.dialects.base import ArrayTypes

_WIRES: Final[dict[type[sa.types.TypeEngine[Any]], tuple[str, str]]] = {
    sa.BigInteger: ("int8send", ">i8"),
    sa.SmallInteger: ("int2send", ">i2"),
    sa.Integer: ("int4send", ">i4"),
    sa.Double: ("float8send", ">f8"),
    sa.Boolean: ("boolsend", "?"),
}
_AT_ONCE: Final = 4


def wire_of(kind: sa.types.TypeEngine[Any]) -> str | None:
    """How plain numbers of a column travel in binary, as numpy spells it; `None` for other columns."""
    return next((wire for known, (_, wire) in _WIRES.items() if isinstance(kind, known)), None)


def can_be_packed(select: sa.Select[Any]) -> bool:
    """Whether all columns of a query are plain numbers of tables that are never NULL."""
    return all(
        isinstance(column, sa.Column) and not column.nullable and wire_of(column.type) is not None
        for column in select.selected_columns
    )


def packed_parts(
    connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes, rows: int
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The rows of a query that can be packed, `rows` at a time."""
    record = np.dtype([(name, str(wire_of(select.selected_columns[name].type))) for name in types])
    with connection.execute(
        _packing(select, types, rows), execution_options={"yield_per": _AT_ONCE}
    ) as found:
        for (packed,) in found:
            part = np.frombuffer(packed, dtype=record)
            yield {name: part[name].astype(dtype) for name, dtype in types.items()}


def _packing(select: sa.Select[Any], types: ArrayTypes, rows: int) -> sa.Select[Any]:
    inner = select.subquery()
    place = sa.type_coerce(sa.func.row_number().over(), sa.BigInteger)
    numbered = sa.select(
        inner, place.label("place"), ((place - 1) // sa.literal(rows, sa.BigInteger)).label("part")
    ).subquery()
    sent = [_send(numbered.c[name]) for name in types]
    row = reduce(lambda left, right: left.concat(right), sent)
    packed = sa.func.string_agg(row, aggregate_order_by(sa.literal(b"", sa.LargeBinary), numbered.c.place))
    return (
        sa.select(sa.type_coerce(packed, sa.LargeBinary)).group_by(numbered.c.part).order_by(numbered.c.part)
    )


def _send(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    name = next(function for known, (function, _) in _WIRES.items() if isinstance(column.type, known))
    return sa.type_coerce(getattr(sa.func, name)(column), sa.LargeBinary)
