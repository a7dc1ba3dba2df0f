"""Columns to float64. One parser whatever the rest of the column holds, so that bits never depend on it."""

from typing import Any, Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray

KEPT_TEXTS: Final = 1000
"""How many unreadable texts of a column are kept for the report."""

_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def read_numbers(column: Any, name: str, unreadable: dict[tuple[int, str], str]) -> FloatArray:
    """A pyarrow column as float64, shape (n,), NaN where it is no number; adds such texts to `unreadable`."""
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if kinds.is_floating(kind) or kinds.is_integer(kind) or kinds.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False)
    elif kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        column = column.cast(pa.string())
        numbers = _from_text(column)
    else:
        numbers = pa.chunked_array([pa.nulls(len(column), pa.float64())])
    if numbers.null_count:
        _keep_texts(column, numbers, name, unreadable)
    values: FloatArray = as_array(numbers)
    return values


def as_array(column: Any) -> Any:
    """A column of bools, float64 or int64 as one read-only numpy array; nulls of floats become NaN.

    Not by `to_numpy`, which imports pandas.
    """
    import pyarrow as pa

    whole = column
    if isinstance(column, pa.ChunkedArray):
        whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_boolean(whole.type):
        whole = whole.cast(pa.uint8())
        dtype: np.dtype[Any] = np.dtype(np.bool_)
    else:
        dtype = np.dtype(np.float64 if pa.types.is_floating(whole.type) else np.int64)
    if whole.null_count:
        whole = whole.fill_null(np.nan if dtype == np.float64 else 0)
    if len(whole) == 0:
        return np.empty(0, dtype=dtype)
    return np.frombuffer(
        whole.buffers()[1], dtype=dtype, count=len(whole), offset=whole.offset * dtype.itemsize
    )


def _from_text(column: Any) -> Any:
    """float64 with nulls where the text is no plain decimal number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(column)
        plain = pc.match_substring_regex(trimmed, _NUMBER)
        nothing = pa.scalar(None, pa.string())
        return pc.if_else(plain, trimmed, nothing).cast(pa.float64())


def _keep_texts(column: Any, numbers: Any, name: str, unreadable: dict[tuple[int, str], str]) -> None:
    rows = np.flatnonzero(as_array(numbers.is_null()))[:KEPT_TEXTS]
    for row in rows.tolist():
        value = column[row].as_py()
        unreadable[row, name] = "" if value is None else str(value)
