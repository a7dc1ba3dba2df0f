"""Delimited text: its delimiter, banner and header, then pyarrow for the rest."""

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.kernel.errors import DataError
from stratkernel.sources.table import RawTable

_DELIMITERS: Final = ",;\t|"
_SAMPLE_BYTES: Final = 65_536
_SAMPLE_LINES: Final = 50
_LONGEST_BANNER: Final = 5
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the first lines tell: `skip` lines stand before the candles, banner and header included."""

    delimiter: str
    width: int
    header: tuple[str, ...]
    skip: int
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Odd:
    """Lines with another number of fields than the rest, gathered while pyarrow reads."""

    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    fields: int = 0

    def take(self, row: Any) -> str:
        self.lines.append(row.number)
        self.texts.append(row.text)
        self.fields = row.actual_columns
        return "skip"


def read_delimited(data: bytes, where: str) -> RawTable:
    """The columns of delimited text, each as strings.

    Raises:
        DataError: it is binary, not UTF-8, or its lines have no common number of fields.
    """
    data = _as_utf8(data, where)
    if not data.strip():
        raise DataError(f"{where}: the file is empty, expected candles")
    shape = _shape(data, where)
    columns, line, odd = _parse(data, shape, where)
    if len(odd.lines) > max(len(line), 1):
        raise DataError(
            f"{where}: line {odd.lines[0]} has {odd.fields} fields, expected {shape.width} "
            f"({'as in the header' if shape.header else 'as in most lines'}); "
            "is it the right file, with the right delimiter?"
        )
    return _with_odd_lines(columns, line, odd, shape, where)


def _as_utf8(data: bytes, where: str) -> bytes:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode()
        except UnicodeError as error:
            raise DataError(f"{where}: begins like UTF-16 text but is not; save it as UTF-8") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise DataError(f"{where}: is binary, expected CSV text")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where}: line {line} is not UTF-8 text (byte 0x{data[error.start]:02x}); save it as UTF-8"
        ) from error
    if b"\n" not in data:
        # old Mac line ends, which pyarrow does not take for any
        data = data.replace(b"\r", b"\n")
    return data


def _shape(data: bytes, where: str) -> _Shape:
    text = data[:_SAMPLE_BYTES].decode(errors="ignore")
    lines = text.splitlines()
    if len(data) > _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()
    lines = lines[:_SAMPLE_LINES]
    delimiter, width = max(
        ((mark, _common_width(lines, mark)) for mark in _DELIMITERS), key=lambda pair: pair[1]
    )
    if width < 2:
        raise DataError(f"{where}: line 1 is {lines[0][:_SHOWN]!r}, expected columns divided by commas")
    skipped = 0
    for number, line in enumerate(lines[: _LONGEST_BANNER + 1]):
        fields = _fields(line, delimiter)
        if _is_header(fields):
            notes = (f"skipped {skipped} line(s) before the header",) if skipped else ()
            if len(fields) != width:
                raise DataError(
                    f"{where}: the header has {len(fields)} columns ({line.strip()[:_SHOWN]}), "
                    f"the lines below it {width}"
                )
            return _Shape(delimiter, width, tuple(fields), number + 1, notes)
        if len(fields) == width:
            break
        skipped += bool(line.strip())
    return _Shape(delimiter, width, (), 0, ())


def _common_width(lines: list[str], delimiter: str) -> int:
    widths = Counter(len(_fields(line, delimiter)) for line in lines if line.strip())
    return max(widths, key=lambda width: (widths[width], width)) if widths else 0


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
    except csv.Error:
        return []


def _is_header(fields: list[str]) -> bool:
    """Names, no values: several fields, and none of them a number or a date."""
    return len(fields) > 1 and not any(text.strip()[:1].isdigit() or _is_number(text) for text in fields)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse(data: bytes, shape: _Shape, where: str) -> tuple[list[Any], IntArray, _Odd]:
    """String columns without blank lines, the line of each row, and the odd lines."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = [str(i) for i in range(shape.width)]
    odd = _Odd()
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            # one thread: only then are odd lines given their numbers
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=shape.skip, use_threads=False),
            parse_options=pa_csv.ParseOptions(
                delimiter=shape.delimiter, invalid_row_handler=odd.take, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return [pa.chunked_array([], pa.string())] * shape.width, np.zeros(0, dtype=np.int64), odd
        raise DataError(f"{where}: cannot be read as CSV: {str(error).splitlines()[0]}") from error
    total = table.num_rows + len(odd.lines)
    all_lines = np.arange(shape.skip + 1, shape.skip + total + 1)
    line = np.setdiff1d(all_lines, odd.lines) if odd.lines else all_lines
    return _without_blank_lines(table.columns, line[: table.num_rows], odd)


def _without_blank_lines(columns: list[Any], line: IntArray, odd: _Odd) -> tuple[list[Any], IntArray, _Odd]:
    import pyarrow.compute as pc

    if pc.min(pc.binary_length(columns[0])).as_py() != 0:
        return columns, line, odd
    blank = pc.equal(columns[0], "")
    for column in columns[1:]:
        blank = pc.and_(blank, pc.equal(column, ""))
    keep = pc.invert(blank)
    kept_lines = line[np.asarray(keep.to_numpy(), dtype=np.bool_)]
    return [column.filter(keep) for column in columns], kept_lines, odd


def _with_odd_lines(columns: list[Any], line: IntArray, odd: _Odd, shape: _Shape, where: str) -> RawTable:
    import pyarrow as pa

    texts = {len(line) + i: text for i, text in enumerate(odd.texts) if text.strip()}
    lines = [number for number, text in zip(odd.lines, odd.texts, strict=True) if text.strip()]
    if lines:
        nothing = pa.nulls(len(lines), pa.string())
        columns = [pa.chunked_array([*column.chunks, nothing], pa.string()) for column in columns]
        line = np.concatenate([line, np.asarray(lines, dtype=np.int64)])
    return RawTable(
        where=where,
        kind="csv",
        header=shape.header,
        columns=tuple(columns),
        line=line,
        ragged=dict(zip(range(len(line) - len(lines), len(line)), texts.values(), strict=True)),
        notes=shape.notes,
    )
