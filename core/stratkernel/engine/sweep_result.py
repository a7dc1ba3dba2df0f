"""What a sweep found: a row for each combination that was measured, as columns."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.result import canonical_json
from stratkernel.engine.grid import Grid
from stratkernel.engine.sweep_metrics import COUNTS
from stratkernel.kernel.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

SMALLER_IS_BETTER: Final = frozenset({"volatility"})
"""Metrics that rank upwards; a drawdown is negative, so that the largest is the best of it too."""


@dataclass(frozen=True, slots=True)
class FailedCombination:
    """A combination whose run failed: its number in the grid, its parameters and what the run said."""

    index: int
    parameters: Mapping[str, Any]
    cause: str

    def to_dict(self) -> dict[str, Any]:
        return {"parameters": dict(self.parameters), "cause": self.cause}


@dataclass(frozen=True, eq=False)
class SweepRows:
    """Measured combinations of a grid, in the order in which they were asked for.

    `indices`, shape (n,), are their numbers in the grid; each of `metrics` is float64 of shape (n,), NaN
    where a metric is not defined. `skipped` counts the combinations that the strategy refuses; `refusal`
    is what it said of the first.
    """

    grid: Grid
    indices: IntArray
    metrics: Mapping[str, FloatArray]
    failures: tuple[FailedCombination, ...] = ()
    skipped: int = 0
    refusal: str | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @classmethod
    def join(cls, parts: "Sequence[SweepRows]") -> Self:
        """Parts of one sweep as one, in ascending order of their combinations, however it was split.

        Raises:
            UsageError: there is no part, or they measured other metrics.
        """
        if not parts:
            raise UsageError("there is no part of a sweep to join; expected one or more")
        names = tuple(parts[0].metrics)
        if any(tuple(part.metrics) != names or part.grid != parts[0].grid for part in parts):
            raise UsageError(
                "parts of different sweeps cannot be joined: expected one grid and the same metrics"
            )
        indices = np.concatenate([part.indices for part in parts])
        order = np.argsort(indices, kind="stable")
        metrics = {name: np.concatenate([part.metrics[name] for part in parts])[order] for name in names}
        failures = sorted((failed for part in parts for failed in part.failures), key=lambda one: one.index)
        refusals = [part.refusal for part in parts if part.refusal is not None]
        return cls(
            parts[0].grid,
            indices[order],
            metrics,
            tuple(failures),
            sum(part.skipped for part in parts),
            refusals[0] if refusals else None,
        )

    def ranked(self, metric: str) -> IntArray:
        """The rows from best to worst, shape (n,): undefined ones last, equal ones in the grid's order.

        Raises:
            UsageError: the metric was not measured.
        """
        values = self.metrics.get(metric)
        if values is None:
            raise UsageError(
                f"cannot rank by '{metric}', which was not measured; there are: {', '.join(self.metrics)}"
            )
        worse = values if metric in SMALLER_IS_BETTER else -values
        return np.lexsort((self.indices, worse))  # NaN is sorted to the end

    def top(self, count: int, metric: str) -> "SweepRows":
        """The best rows by a metric, from the best on; what failed and was skipped is still told."""
        best = self.ranked(metric)[:count]
        metrics = {name: column[best] for name, column in self.metrics.items()}
        return SweepRows(self.grid, self.indices[best], metrics, self.failures, self.skipped, self.refusal)

    def parameters(self, row: int) -> dict[str, Any]:
        """The parameters of a row, the fixed ones included."""
        return self.grid[int(self.indices[row])]

    def metrics_at(self, row: int) -> dict[str, float | int | None]:
        """The metrics of a row, None where one is not defined."""
        return {name: _number(name, column[row].item()) for name, column in self.metrics.items()}

    def to_dicts(self) -> list[dict[str, Any]]:
        """Rows for JSON: `{"parameters": {...}, "metrics": {...}}`."""
        return [
            {"parameters": self.parameters(row), "metrics": self.metrics_at(row)} for row in range(len(self))
        ]

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """The varying parameters and the metrics, by name, shape (n,)."""
        values = [self.grid.values_at(index) for index in self.indices.tolist()]
        named = zip(
            self.grid.names, zip(*values, strict=True) if values else [()] * len(self.grid.names), strict=True
        )
        return {**{name: np.array(column) for name, column in named}, **self.metrics}

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame of `columns`, indexed by the combinations' numbers in the grid."""
        import pandas as pd

        return pd.DataFrame(self.columns(), index=pd.Index(self.indices, name="combination"))

    def digest(self) -> str:
        """SHA-256 of all there is in it: equal however the sweep was split and wherever it ran."""
        digest = hashlib.sha256(np.ascontiguousarray(self.indices, dtype="<i8").tobytes())
        for name, column in self.metrics.items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
        told = [[failed.index, failed.cause] for failed in self.failures]
        digest.update(canonical_json([told, self.skipped]).encode())
        return digest.hexdigest()


def columns_of(batches: Iterable[Mapping[str, FloatArray]], names: Sequence[str]) -> dict[str, FloatArray]:
    """The columns of batches, one behind the other."""
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in names}


def _number(name: str, value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if name in COUNTS else value
