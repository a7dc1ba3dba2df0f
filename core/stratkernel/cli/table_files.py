"""Tables that a command writes: CSV or Parquet by the suffix, whole or not at all."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stratkernel.kernel.errors import UsageError
from stratkernel_config.files import replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SUFFIXES: Final = (".csv", ".parquet")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


def table_path(flag: str, text: str) -> Path:
    """Where to write; checked before any work is done.

    Raises:
        UsageError: another suffix than .csv or .parquet, or no such folder.
    """
    path = Path(text)
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"{flag} {text}: expected a file that ends in {' or '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{flag} {text}: there is no folder {path.parent}")
    return path


def write_frame(frame: "pd.DataFrame", path: Path) -> None:
    """Write a frame. In CSV, texts that a spreadsheet would run as a formula get a quote in front."""
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            harmless(frame).to_csv(temporary, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
        else:
            frame.to_parquet(temporary, index=False)


def harmless(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with an apostrophe before each text that begins as a formula does, names of columns too."""
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "iufbM"]
    safe = frame.assign(**{name: [_harmless(value) for value in frame[name]] for name in texts})
    return safe.rename(columns=_harmless)


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_batches(batches: "Iterable[pa.RecordBatch]", schema: "pa.Schema", path: Path) -> int:
    """Write numbers and times batch by batch, exactly as they are; gives the number of rows."""
    import pyarrow.csv
    import pyarrow.parquet

    rows = 0
    with replacing(path) as temporary:
        writer: Any = (
            pyarrow.csv.CSVWriter(str(temporary), schema)
            if path.suffix == ".csv"
            else pyarrow.parquet.ParquetWriter(str(temporary), schema, compression="zstd")
        )
        with writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows
