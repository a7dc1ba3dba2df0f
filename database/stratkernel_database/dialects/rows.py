"""Columns turned into rows and back, and which columns identify a row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Dialect as Compiler

from stratkernel_database.dialects.base import ArrayTypes, ColumnValues
from stratkernel_database.json_column import JsonObject

BATCH: Final = 8_192
"""Rows that are turned into Python objects at a time: bounds the memory that they take."""

Convert: TypeAlias = Callable[[Any], Any]
Parts: TypeAlias = Iterator[dict[str, npt.NDArray[Any]]]


def count_rows(columns: Mapping[str, ColumnValues]) -> int:
    """How many rows columns of one length have. Raises `ValueError` when their lengths differ."""
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of one length are expected, got {sorted(lengths)}")
    return lengths.pop()


def cut(columns: Mapping[str, ColumnValues], start: int, end: int) -> dict[str, ColumnValues]:
    """Rows `start` to `end` of columns."""
    return {name: values[start:end] for name, values in columns.items()}


def key_of(table: sa.Table, names: Sequence[str]) -> list[str]:
    """The columns that identify a row: the primary key, or the unique key that these columns have.

    Raises `ValueError` when they have none.
    """
    given = set(names)
    keys = [[column.name for column in table.primary_key]]
    keys += [
        [column.name for column in constraint.columns]
        for constraint in sorted(table.constraints, key=lambda each: str(each.name))
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    keys += [[column.name] for column in table.columns if column.unique]
    for key in keys:
        if given.issuperset(key):
            return key
    raise ValueError(f"{table.name}: the columns {', '.join(names)} hold no key")


def row_batches(
    compiler: Compiler, table: sa.Table, columns: Mapping[str, ColumnValues], batch: int = BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """Rows as tuples of what the driver takes, `batch` at a time, in the order of `columns`."""
    converts = [_bind(compiler, table.c[name].type, values) for name, values in columns.items()]
    for start in range(0, count_rows(columns), batch):
        parts = [values[start : start + batch] for values in columns.values()]
        lists = [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]
        made = [
            each if convert is None else [convert(value) for value in each]
            for each, convert in zip(lists, converts, strict=True)
        ]
        yield list(zip(*made, strict=True))


def _bind(compiler: Compiler, kind: sa.types.TypeEngine[Any], values: ColumnValues) -> Convert | None:
    """What makes of a value what the driver takes; each takes plain numbers and texts of JSON as they are."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
        return None
    if isinstance(kind, JsonObject) and set(map(type, values)) <= {str, type(None)}:
        return None
    return kind.dialect_impl(compiler).bind_processor(compiler)


def result_converts(compiler: Compiler, select: sa.Select[Any]) -> list[Convert | None]:
    """For each column of a query what makes a Python value of the driver's."""
    kinds = [column.type for column in select.selected_columns]
    return [kind.dialect_impl(compiler).result_processor(compiler, None) for kind in kinds]


def column_names(select: sa.Select[Any], types: ArrayTypes) -> list[str]:
    """The names of a query's columns. Raises `ValueError` when a type is missing."""
    names = [column.name for column in select.selected_columns]
    if set(names) != set(types) or len(names) != len(types):
        raise ValueError(f"the query has the columns {names}, types are given for {list(types)}")
    return names


def object_parts(
    rows: Iterator[Sequence[Any]],
    names: Sequence[str],
    types: ArrayTypes,
    converts: Sequence[Convert | None],
    batch: int,
) -> Parts:
    """Rows of any kind as arrays, `batch` at a time."""
    while part := list(islice(rows, batch)):
        arrays = {}
        for name, convert, values in zip(names, converts, zip(*part, strict=True), strict=True):
            made = values if convert is None else [convert(value) for value in values]
            arrays[name] = np.fromiter(made, dtype=types[name], count=len(part))
        yield arrays


def joined(parts: Sequence[dict[str, npt.NDArray[Any]]], types: ArrayTypes) -> dict[str, npt.NDArray[Any]]:
    """Parts as one; each column's parts are let go of as soon as it is whole."""
    if len(parts) == 1:
        return parts[0]
    whole: dict[str, npt.NDArray[Any]] = {}
    for name, dtype in types.items():
        pieces = [part.pop(name) for part in parts]
        whole[name] = np.concatenate(pieces) if pieces else np.empty(0, dtype=dtype)
    return whole
