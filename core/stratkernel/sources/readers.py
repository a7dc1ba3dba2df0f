"""From a file to its columns, by the file's suffix. pandas and pyarrow do the parsing."""

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from stratkernel.kernel.errors import DataError, UsageError, describe, did_you_mean
from stratkernel.sources.delimited import read_delimited
from stratkernel.sources.table import RawTable

_MAGIC: Final = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"FEA1": "a Feather file",
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip or Excel file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"SQLite format 3": "an SQLite database",
}
_MOST_COLUMNS: Final = 200


def suffix_of(path: Path) -> str:
    """The suffix that chooses the reader, in lower case: `.csv.gz` counts as one."""
    name = path.name.lower()
    return next((suffix for suffix in READERS if name.endswith(suffix)), path.suffix.lower())


def read_table(path: Path) -> RawTable:
    """Read a file's columns.

    Raises:
        UsageError: no such file, a folder, or a suffix that nobody reads.
        DataError: the file is empty, damaged, or not what its suffix says.
    """
    if not path.exists():
        raise UsageError(f"there is no file {str(path)!r}.{neighbours(path)}")
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; name one file of candles in it")
    reader = READERS.get(suffix_of(path))
    if reader is None:
        raise UsageError(
            f"{path.name}: files of type {path.suffix or 'none'!r} are not read; "
            f"expected {', '.join(READERS)}"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or describe(error)}") from error
    if not data.strip():
        raise DataError(f"{path.name}: the file is empty, expected candles")
    table = reader(data, path.name)
    if len(table) == 0:
        raise DataError(f"{path.name}: the file has a header and no candles")
    return table


def neighbours(path: Path) -> str:
    """A file nearby that may be meant."""
    try:
        names = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        return ""
    return did_you_mean(path.name, names)


def _csv(data: bytes, where: str) -> RawTable:
    _refuse_magic(data, where, "CSV text")
    return read_delimited(data, where)


def _csv_gz(data: bytes, where: str) -> RawTable:
    if not data.startswith(b"\x1f\x8b"):
        _refuse_magic(data, where, "a gzip file")
        raise DataError(
            f"{where}: is not a gzip file, as its name says; rename it to .csv if it is plain text"
        )
    try:
        text = gzip.decompress(data)
    except EOFError as error:
        raise DataError(f"{where}: the gzip file is cut off; fetch it again") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{where}: the gzip file is damaged: {error}") from error
    if not text.strip():
        raise DataError(f"{where}: the file is empty, expected candles")
    return _csv(text, where)


def _parquet(data: bytes, where: str) -> RawTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return _arrow(lambda: pq.ParquetFile(pa.BufferReader(data)).read(), data, where, "parquet")


def _feather(data: bytes, where: str) -> RawTable:
    import pyarrow as pa

    if data.startswith(b"FEA1"):
        from pyarrow import feather

        return _arrow(lambda: feather.read_table(pa.BufferReader(data)), data, where, "feather")
    return _arrow(lambda: pa.ipc.open_file(pa.BufferReader(data)).read_all(), data, where, "feather")


def _arrow(read: Callable[[], Any], data: bytes, where: str, kind: str) -> RawTable:
    name = "a Parquet file" if kind == "parquet" else "a Feather file"
    try:
        table = read()
        columns = tuple(table.columns)
    except Exception as error:
        _refuse_magic(data, where, name)
        raise DataError(f"{where}: is damaged or not {name}: {_first_line(error)}") from error
    return RawTable(
        where=where,
        kind=kind,
        header=tuple(str(column) for column in table.column_names),
        columns=columns,
        line=np.arange(1, table.num_rows + 1),
        ragged={},
    )


def _json(data: bytes, where: str) -> RawTable:
    """A list of lists, a list of objects, an object of lists, or one object a line."""
    _refuse_magic(data, where, "JSON text")
    import pandas as pd
    import pyarrow as pa

    # one object a line is told by the line break between two objects
    lines = data.lstrip().startswith(b"{") and b"}\n" in data.replace(b"\r", b"").rstrip()
    try:
        frame = pd.read_json(
            io.BytesIO(data), lines=lines, dtype=False, convert_axes=False, precise_float=True
        )
        columns = tuple(pa.chunked_array([_json_column(frame.iloc[:, i])]) for i in range(frame.shape[1]))
    except Exception as error:
        raise DataError(
            f"{where}: is not JSON with candles: {_first_line(error)}; "
            "expected a list of lists or of objects, one for each candle"
        ) from error
    if frame.shape[1] > _MOST_COLUMNS:
        raise DataError(f"{where}: has {frame.shape[1]:,} columns, expected a list with one entry a candle")
    headed = not all(isinstance(name, int | np.integer) for name in frame.columns)
    return RawTable(
        where=where,
        kind="json",
        header=tuple(str(name) for name in frame.columns) if headed else (),
        columns=columns,
        line=np.arange(1, len(frame) + 1),
        ragged={},
    )


def _json_column(series: Any) -> Any:
    import pyarrow as pa

    if series.dtype.kind in "iuf":
        return pa.array(series.to_numpy())
    return pa.array([None if value is None else str(value) for value in series.tolist()], pa.string())


def _refuse_magic(data: bytes, where: str, expected: str) -> None:
    for magic, name in _MAGIC.items():
        if data.startswith(magic) and name != expected:
            raise DataError(f"{where}: is {name}, expected {expected}; rename or unpack it")


def _first_line(error: BaseException) -> str:
    return describe(error).splitlines()[0][:200]


READERS: Final[dict[str, Callable[[bytes, str], RawTable]]] = {
    ".csv": _csv,
    ".csv.gz": _csv_gz,
    ".parquet": _parquet,
    ".feather": _feather,
    ".json": _json,
}
