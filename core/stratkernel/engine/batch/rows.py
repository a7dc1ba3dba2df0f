"""What a batch found: one row for each configuration and series, in the order of the plan."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from stratkernel.contracts.result import canonical_json
from stratkernel.engine.metrics import METRICS
from stratkernel_config.documents import parse_json

if TYPE_CHECKING:
    import pyarrow as pa

_COUNTS: Final = frozenset({"trades"})
_TEXTS: Final = (
    *("configuration", "strategy", "parameters", "exits", "symbol", "timeframe", "venue"),
    *("status", "run_id", "signals_hash", "error"),
)


class RowStatus(StrEnum):
    """`reused` rows were computed before and lie in the database."""

    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One configuration over one series. `number` is its place in the plan, `error` why it failed.

    `signals_hash` covers times, types, prices, confidences and flags of all its signals.
    """

    number: int
    configuration: str
    strategy: str
    parameters: Mapping[str, Any]
    symbol: str
    timeframe: str
    venue: str
    status: RowStatus
    exits: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    signals: int = 0
    signals_hash: str | None = None
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; no NaN, since undefined metrics are None."""
        return {
            "number": self.number,
            "configuration": self.configuration,
            "strategy": self.strategy,
            "parameters": dict(self.parameters),
            "exits": dict(self.exits),
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "venue": self.venue,
            "status": self.status.value,
            "run_id": self.run_id,
            "signals": self.signals,
            "signals_hash": self.signals_hash,
            "metrics": dict(self.metrics),
            "error": self.error,
        }


def results_hash(rows: Iterable[BatchRow]) -> str:
    """SHA-256 of what the rows found, the same whoever computed them and whether they were reused."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda each: each.number):
        found = row.to_dict()
        found["status"] = RowStatus.FAILED if row.status is RowStatus.FAILED else RowStatus.DONE
        # the same run may have been stored as one of another kind, under another id
        found.pop("run_id")
        digest.update(canonical_json(found).encode())
    return digest.hexdigest()


def rows_to_table(rows: Sequence[BatchRow]) -> "pa.Table":
    """Rows as a table of numbers and texts, every float exact."""
    import pyarrow as pa

    texts = [_texts(row) for row in rows]
    columns: dict[str, Any] = {"number": pa.array([row.number for row in rows], pa.int64())}
    columns |= {name: pa.array([text[name] for text in texts], pa.string()) for name in _TEXTS}
    columns["signals"] = pa.array([row.signals for row in rows], pa.int64())
    columns |= {
        name: pa.array(
            [row.metrics.get(name) for row in rows], pa.int64() if name in _COUNTS else pa.float64()
        )
        for name in METRICS
    }
    return pa.table(columns)


def rows_from_table(table: "pa.Table") -> list[BatchRow]:
    """The rows of `rows_to_table`."""
    return [
        BatchRow(
            number=found["number"],
            configuration=found["configuration"],
            strategy=found["strategy"],
            parameters=_object(found["parameters"]),
            symbol=found["symbol"],
            timeframe=found["timeframe"],
            venue=found["venue"],
            status=RowStatus(found["status"]),
            exits=_object(found["exits"]),
            run_id=found["run_id"],
            signals=found["signals"],
            signals_hash=found["signals_hash"],
            metrics={} if found["status"] == RowStatus.FAILED else {name: found[name] for name in METRICS},
            error=found["error"],
        )
        for found in table.to_pylist()
    ]


def _texts(row: BatchRow) -> dict[str, str | None]:
    found = row.to_dict()
    return {
        name: canonical_json(found[name]) if name in {"parameters", "exits"} else found[name]
        for name in _TEXTS
    }


def _object(text: str) -> dict[str, Any]:
    return dict(parse_json(text.encode(), "a part of a batch"))
