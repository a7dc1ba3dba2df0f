"""Rows into PostgreSQL by COPY, numbers straight from numpy.

The binary format (PostgreSQL documentation, COPY, "Binary Format"): a header of 19 bytes; a row is the
number of its fields (int16), then each field as its length (int32, -1 for NULL) and its bytes, all in network
order; at the end the field count -1.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from stratkernel_database.dialects.base import ColumnValues
from stratkernel_database.dialects.postgresql_packed import wire_of
from stratkernel_database.dialects.rows import BATCH, count_rows, row_batches

if TYPE_CHECKING:
    import psycopg

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END: Final = b"\xff\xff"

Columns: TypeAlias = Mapping[str, ColumnValues]


def copy_in(connection: sa.Connection, like: sa.Table, target: str, columns: Columns) -> None:
    """Append rows to a table that has the columns of `like`; plain numbers in binary, the rest as text."""
    wires = {name: wire_of(like.c[name].type) for name in columns}
    binary = all(wire and _is_numbers(columns[name]) for name, wire in wires.items())
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in columns)
    form = "BINARY" if binary else "TEXT"
    with (
        _driver(connection).cursor() as cursor,
        cursor.copy(f"COPY {quote(target)} ({names}) FROM STDIN (FORMAT {form})".encode()) as copy,
    ):
        if not binary:
            for rows in row_batches(connection.dialect, like, columns):
                for row in rows:
                    copy.write_row(row)
            return
        copy.write(_HEADER)
        for start in range(0, count_rows(columns), BATCH):
            part = {name: np.asarray(values[start : start + BATCH]) for name, values in columns.items()}
            copy.write(_packed(part, wires))
        copy.write(_END)


def _is_numbers(values: ColumnValues) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "iufb"


def _record(wires: Mapping[str, str | None]) -> np.dtype[Any]:
    """A row: the number of its fields, then length and value of each."""
    fields = [("fields", ">i2")]
    for place, wire in enumerate(wires.values()):
        fields += [(f"length{place}", ">i4"), (f"value{place}", cast("str", wire))]
    return np.dtype(fields)


def _packed(part: Mapping[str, npt.NDArray[Any]], wires: Mapping[str, str | None]) -> bytes:
    rows = np.empty(count_rows(part), dtype=_record(wires))
    rows["fields"] = len(part)
    for place, values in enumerate(part.values()):
        rows[f"length{place}"] = rows.dtype[f"value{place}"].itemsize
        rows[f"value{place}"] = values
    return rows.tobytes()


def _driver(connection: sa.Connection) -> "psycopg.Connection[tuple[Any, ...]]":
    driver: Any = connection.connection.driver_connection
    return cast("psycopg.Connection[tuple[Any, ...]]", driver)
