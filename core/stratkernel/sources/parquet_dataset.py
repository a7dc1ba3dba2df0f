"""Parquet files as one table that is read batch by batch, in little memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stratkernel.kernel.errors import DataError, UsageError, describe
from stratkernel.sources.readers import neighbours, suffix_of
from stratkernel.sources.table import RawTable

_PARQUET = ".parquet"


@dataclass(frozen=True, eq=False)
class ParquetDataset:
    """Files with the same columns, in the order of their names or as given; `where` names them."""

    where: str
    files: tuple[Path, ...]
    header: tuple[str, ...]
    rows: int

    @classmethod
    def open(cls, path: Path) -> "ParquetDataset":
        """A file, or a folder with its sub-folders.

        Raises:
            UsageError: there is none, or it holds no Parquet.
            DataError: a file is damaged, or has other columns than the first.
        """
        files = _files(path)
        header: tuple[str, ...] | None = None
        filled, rows = [], 0
        for file in files:
            names, count = _read_footer(file)
            if header is not None and names != header:
                raise DataError(
                    f"{file.name}: has the columns {', '.join(names)}, but {files[0].name} has "
                    f"{', '.join(header)}; a folder of candles needs the same in all of its files"
                )
            header = names
            rows += count
            filled += [file] if count else []
        if not rows:
            raise DataError(f"{path.name}: the file has a header and no candles")
        return cls(path.name, tuple(filled), header or (), rows)

    def in_order(self, files: Sequence[Path]) -> "ParquetDataset":
        """The same with its files in another order."""
        return ParquetDataset(self.where, tuple(files), self.header, self.rows)

    def tables(self, columns: Sequence[str], rows: int) -> Iterator[RawTable]:
        """Some columns in tables of at most `rows` rows, whose lines count through all files.

        Raises:
            DataError: a file is damaged.
        """
        line = 0
        for file in self.files:
            for batch in _batches(file, columns, rows):
                yield _table(self.where, batch, line)
                line += batch.num_rows

    def first_of(self, file: Path, columns: Sequence[str]) -> RawTable:
        """The first row of one of the files."""
        return _table(self.where, next(_batches(file, columns, 1)), 0)

    def empty(self) -> RawTable:
        """All columns without a row."""
        import pyarrow.parquet as pq

        with _telling(self.files[0]):
            schema = pq.read_schema(self.files[0])
        return _table(self.where, schema.empty_table(), 0)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError(f"there is no file {str(path)!r}.{neighbours(path)}")
    if path.is_dir():
        found = sorted(
            file
            for file in path.rglob(f"*{_PARQUET}")
            if file.is_file()
            and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
        )
        if not found:
            raise UsageError(f"{str(path)!r} holds no {_PARQUET} files; only Parquet is read in chunks")
        return found
    if suffix_of(path) != _PARQUET:
        raise UsageError(
            f"{path.name}: only Parquet is read in chunks, not {suffix_of(path) or 'files without suffix'}; "
            "leave out --stream, or write it as Parquet: stratkernel data export"
        )
    return [path]


def _read_footer(file: Path) -> tuple[tuple[str, ...], int]:
    import pyarrow.parquet as pq

    if file.stat().st_size == 0:
        raise DataError(f"{file.name}: the file is empty, expected candles")
    with _telling(file):
        metadata = pq.read_metadata(file)
        return tuple(str(name) for name in metadata.schema.to_arrow_schema().names), metadata.num_rows


def _batches(file: Path, columns: Sequence[str], rows: int) -> Iterator[Any]:
    import pyarrow.parquet as pq

    # buffering ahead would keep the whole compressed column in memory
    with _telling(file), pq.ParquetFile(file, pre_buffer=False) as opened:
        yield from opened.iter_batches(batch_size=rows, columns=list(columns), use_threads=False)


class _telling:  # noqa: N801 - reads as contextlib's own
    """Within, what pyarrow or the system raises becomes one `DataError` that names the file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, pa.ArrowException | OSError | UnicodeDecodeError):
            text = describe(error).splitlines()[0][:200]
            raise DataError(f"{self._file.name}: is damaged or not a Parquet file: {text}") from error


def _table(where: str, batch: Any, before: int) -> RawTable:
    import pyarrow as pa

    columns = tuple(
        column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
        for column in batch.columns
    )
    return RawTable(
        where=where,
        kind="parquet",
        header=tuple(str(name) for name in batch.schema.names),
        columns=columns,
        line=np.arange(before + 1, before + batch.num_rows + 1),
        ragged={},
    )
