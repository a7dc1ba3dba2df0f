"""Rows of a sweep as tables: the parts that tasks leave behind, and the whole that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stratkernel.contracts.result import canonical_json
from stratkernel.engine.grid import Grid
from stratkernel.engine.sweep_result import FailedCombination, SweepRows
from stratkernel.kernel.errors import DataError, describe
from stratkernel_config.documents import parse_json
from stratkernel_config.errors import ConfigError
from stratkernel_config.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

_NOTES: Final = b"stratkernel.sweep"
_COMBINATION: Final = "combination"
_WINDOW: Final = "window"
_ERROR: Final = "error"


def rows_to_table(rows: SweepRows) -> "pa.Table":
    """Rows, failed ones with their cause behind them, every float exact; what was skipped in its notes."""
    import pyarrow as pa

    failed, count = len(rows.failures), len(rows)
    indices = np.concatenate([rows.indices, np.array([each.index for each in rows.failures], dtype=np.int64)])
    columns: dict[str, Any] = {_COMBINATION: pa.array(indices, pa.int64())}
    lost = np.full(failed, np.nan)
    columns |= {name: pa.array(np.concatenate([column, lost])) for name, column in rows.metrics.items()}
    causes = [None] * count + [each.cause for each in rows.failures]
    columns[_ERROR] = pa.array(causes, pa.string())
    notes = {"skipped": rows.skipped, "refusal": rows.refusal}
    return pa.table(columns).replace_schema_metadata({_NOTES: canonical_json(notes).encode()})


def rows_from_table(table: "pa.Table", grid: Grid) -> SweepRows:
    """The rows of `rows_to_table`.

    Raises:
        DataError: the table is none of a sweep.
    """
    notes = _notes(table.schema.metadata, "a part of a sweep")
    indices = table.column(_COMBINATION).to_numpy()
    causes = table.column(_ERROR).to_pylist()
    good = np.array([cause is None for cause in causes], dtype=bool)
    metrics = {
        name: table.column(name).to_numpy()[good]
        for name in table.column_names
        if name not in {_COMBINATION, _ERROR}
    }
    failures = tuple(
        FailedCombination(index, grid[index], cause)
        for index, cause in zip(indices.tolist(), causes, strict=True)
        if cause is not None
    )
    return SweepRows(grid, indices[good], metrics, failures, notes["skipped"], notes["refusal"])


@dataclass(frozen=True)
class KeptSweeps:
    """The finished sweeps of a project home, one Parquet file each; a sweep with failures is not kept."""

    home: Path

    def path(self, identity: str) -> Path:
        """Where a sweep is kept, whether or not it is."""
        return self.home / "sweeps" / f"{identity}.parquet"

    def keep(self, identity: str, plan: Mapping[str, Any], windows: Sequence[SweepRows]) -> None:
        """Keep the rows of all windows, the whole range first.

        Raises:
            DataError: no space, or the folder cannot be written; nothing is there then.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = []
        for number, rows in enumerate(windows):
            table = rows_to_table(rows).drop_columns([_ERROR])
            tables.append(table.append_column(_WINDOW, pa.array(np.full(len(table), number, dtype=np.int32))))
        notes = {
            "plan": dict(plan),
            "windows": [{"skipped": rows.skipped, "refusal": rows.refusal} for rows in windows],
        }
        whole = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
        whole = whole.replace_schema_metadata({_NOTES: canonical_json(notes).encode()})
        path = self.path(identity)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                pq.write_table(whole, temporary, compression="zstd")
        except OSError as error:
            raise DataError(
                f"{path}: the results of the sweep cannot be kept: {describe(error)}; its parts stay, and "
                "the same command goes on from there"
            ) from error

    def plan(self, identity: str) -> dict[str, Any] | None:
        """The plan of a kept sweep, None where there is none or its file cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path(identity)
        try:
            return dict(_notes(pq.read_schema(path).metadata, str(path))["plan"])
        except (OSError, pa.ArrowException, DataError):
            return None

    def rows(self, identity: str, grid: Grid) -> list[SweepRows] | None:
        """The rows of each window of a kept sweep, None where there is none or its file cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path(identity)
        try:
            table = pq.read_table(path)
            windows = _notes(table.schema.metadata, str(path))["windows"]
        except (OSError, pa.ArrowException, DataError):
            return None
        number = table.column(_WINDOW).to_numpy()
        indices = table.column(_COMBINATION).to_numpy()
        names = [name for name in table.column_names if name not in {_WINDOW, _COMBINATION}]
        found = []
        for place, notes in enumerate(windows):
            mine = number == place
            metrics = {name: table.column(name).to_numpy()[mine] for name in names}
            found.append(SweepRows(grid, indices[mine], metrics, (), int(notes["skipped"]), notes["refusal"]))
        return found


def _notes(metadata: Mapping[bytes, bytes] | None, where: str) -> dict[str, Any]:
    try:
        return dict(parse_json((metadata or {})[_NOTES], where))
    except (KeyError, ConfigError) as error:
        raise DataError(f"{where}: does not hold the results of a sweep") from error
