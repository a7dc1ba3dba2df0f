"""What a reader hands on: the columns of a file, as they stand there."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class RawTable:
    """Columns (pyarrow chunked arrays) of one length; `header` is empty when the file has none.

    `kind` is csv, json, parquet or feather. `line` says where each row stands: the line of a text, else
    the row counted from 1. `ragged` are the texts of lines that have another number of fields than the
    rest; their rows hold nulls and come last.
    """

    where: str
    kind: str
    header: tuple[str, ...]
    columns: tuple[Any, ...]
    line: IntArray
    ragged: dict[int, str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.line)

    def filtered(self, mask: BoolArray) -> "RawTable":
        """Only the rows where `mask` is true."""
        import pyarrow as pa

        rows = np.cumsum(mask) - 1
        chosen = pa.array(mask)
        return RawTable(
            where=self.where,
            kind=self.kind,
            header=self.header,
            columns=tuple(column.filter(chosen) for column in self.columns),
            line=self.line[mask],
            ragged={int(rows[row]): text for row, text in self.ragged.items() if mask[row]},
            notes=self.notes,
        )
