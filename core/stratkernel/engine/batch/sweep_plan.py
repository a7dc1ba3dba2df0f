"""Before a sweep runs: its candles are loaded, its windows laid out, its tasks cut, its id known."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_jsonable_python

from stratkernel._version import __version__
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import canonical_json, hash_of_data
from stratkernel.engine.batch.sweep_tasks import SweepSubject, SweepTasks
from stratkernel.engine.batch.work_folder import WorkFolder
from stratkernel.engine.batch.workshop import CandleReference, Workshop
from stratkernel.engine.factory import StrategyFactory
from stratkernel.engine.grid import Axis, Grid, Steps
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.sweep import SWEEP_METRICS, Sweep
from stratkernel.engine.walk_forward import WalkForward, Window
from stratkernel.kernel.errors import UsageError
from stratkernel.kernel.kinds import INDICATOR
from stratkernel.kernel.markers import PROJECT

TASK_ROWS: Final = 20_000_000
"""Candles times combinations of one task: about a second where numba is not installed, far less with it."""
_SLOWER: Final = 10
"""How much longer combinations with exit rules take: their trades are followed candle by candle."""
_MOST_AT_ONCE: Final = 2_000
_MOST_NUMBERED: Final = 2**63 - 1
_MOST_SAMPLED: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep that is asked for.

    `strategy` is the qualified id, `name` what the user calls it. `metric` ranks; `sample` are so many
    combinations in place of all, chosen by `seed`.
    """

    name: str
    strategy: str
    grid: Grid
    candles: CandleReference
    options: RunOptions
    costs: Costs
    metric: str = "sharpe"
    sample: int | None = None
    seed: int = 0
    walk_forward: WalkForward | None = None
    check: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured: the usual metrics, whichever of them ranks, and the one that ranks."""
        return tuple(dict.fromkeys((*SWEEP_METRICS, self.metric)))


@dataclass(frozen=True, slots=True)
class PreparedSweep:
    """A sweep that can be run. `plan` is all that decides its rows; `id` is made of it."""

    request: SweepRequest
    subject: SweepSubject
    plan: Mapping[str, Any]
    tasks: SweepTasks
    windows: tuple[Window, ...]
    home: Path
    made: Sweep

    @property
    def id(self) -> str:
        return self.subject.id

    @property
    def folder(self) -> WorkFolder:
        """Where its tasks leave their parts."""
        return WorkFolder(self.home, self.id)

    @property
    def combinations(self) -> int:
        """How many combinations are asked for."""
        return len(self.tasks.indices)

    @property
    def total(self) -> int:
        """Combinations times spans: what there is to do."""
        return self.combinations * (1 + len(self.windows))


def prepare_sweep(
    workshop: Workshop, request: SweepRequest, home: Path, *, task_rows: int = TASK_ROWS
) -> PreparedSweep:
    """Make a sweep ready; nothing is computed yet, and a grid of any size costs nothing.

    Raises:
        UsageError: a sample below 1, an unknown metric, windows longer than the candles, too large a grid.
        UnknownNameError, DataError, StorageError: strategy or candles cannot be had.
    """
    indices = _indices(request)
    candles = workshop.candles(request.candles)
    subject = SweepSubject(
        id="",
        name=request.name,
        strategy=request.strategy,
        grid=request.grid,
        candles=request.candles,
        data_hash=candles.data_hash,
        options=request.options,
        costs=request.costs,
        metrics=request.metrics,
        selection=workshop.kernel.selection,
    )
    plan = _plan(workshop, request, subject, candles)
    subject = replace(subject, id=hashlib.sha256(canonical_json(plan).encode()).hexdigest()[:16])
    made = subject.make(workshop)
    windows = request.walk_forward.windows(made.candles) if request.walk_forward else ()
    spans = [None, *[window.train for window in windows]]
    at_once = _at_once(request, len(candles), task_rows)
    return PreparedSweep(
        request, subject, plan, SweepTasks(subject, indices, spans, at_once), windows, home, made
    )


def _indices(request: SweepRequest) -> range | tuple[int, ...]:
    size, sample = request.grid.size, request.sample
    if size > _MOST_NUMBERED:
        raise UsageError(f"the grid has {size:.3g} combinations, more than can be numbered; leave axes out")
    if sample is None or sample >= size:
        return range(size)
    if not 1 <= sample <= _MOST_SAMPLED:
        raise UsageError(f"--sample: expected from 1 to {_MOST_SAMPLED:,} combinations, got {sample:,}")
    return tuple(request.grid.sample(sample, request.seed))


def _at_once(request: SweepRequest, candles: int, task_rows: int) -> int:
    with_exits = bool(request.options.exits) or any("." in name for name in request.grid.names)
    rows = task_rows // _SLOWER if with_exits else task_rows
    return max(1, min(rows // max(1, candles), _MOST_AT_ONCE))


def _plan(
    workshop: Workshop, request: SweepRequest, subject: SweepSubject, candles: Candles
) -> dict[str, Any]:
    options = request.options
    sampled = request.sample is not None and request.sample < request.grid.size
    return {
        "kind": "sweep",
        "strategy": request.strategy,
        "grid": [_axis(axis) for axis in request.grid.axes],
        "fixed": to_jsonable_python(dict(request.grid.fixed)),
        "sample": [request.sample, request.seed] if sampled else None,
        "series": [candles.venue, candles.symbol, candles.timeframe.name, str(candles.calendar)],
        "data_hash": hash_of_data(candles, subject.venue_candles(workshop)),
        "range": [options.origin, options.start, options.end],
        "gaps": options.gaps.to_dict(),
        "extra_timeframes": dict(options.extra_timeframes),
        "exits": options.exits.to_dict(),
        "costs": request.costs.to_dict(),
        "metrics": list(request.metrics),
        "walk_forward": request.walk_forward.to_dict() if request.walk_forward else None,
        "check": request.check,
        "plugins": _plugins(workshop, request.strategy),
    }


def _axis(axis: Axis) -> dict[str, Any]:
    values: Any = axis.values
    if isinstance(values, range):
        return {"name": axis.name, "range": [values.start, values.stop, values.step]}
    if isinstance(values, Steps):
        return {"name": axis.name, "steps": [str(values.first), str(values.step), len(values)]}
    return {"name": axis.name, "values": to_jsonable_python(list(values))}


def _plugins(workshop: Workshop, strategy: str) -> dict[str, str]:
    """Versions of all that may take part: which indicators a combination reads is its own matter."""
    kernel = workshop.kernel
    records = [StrategyFactory(kernel).item(strategy).record]
    records += [item.record for item in kernel.items(INDICATOR)]
    return {PROJECT: __version__, **{record.distribution: record.version for record in records}}
