"""From arguments to a sweep that is asked for."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.batch_jobs import BatchRequest, jobs_of
from stratkernel.cli.candle_flags import FILE_FLAGS
from stratkernel.cli.database import Database, check_texts
from stratkernel.cli.parameters import parse_parameters
from stratkernel.cli.strategy_argument import choose_strategy, is_path, strategy_item
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.batch.sweep_parts import KeptSweeps
from stratkernel.engine.batch.sweep_plan import SweepRequest
from stratkernel.engine.batch.work_folder import WorkFolder
from stratkernel.engine.exits import EXIT_NAMES, split_exits
from stratkernel.engine.grid import Grid
from stratkernel.engine.performance import Costs
from stratkernel.engine.walk_forward import WalkForward
from stratkernel.kernel.errors import ParameterError, UsageError
from stratkernel_config.batch_plan import BatchPlan

if TYPE_CHECKING:
    from stratkernel.kernel.manager import Kernel

_TRIES: Final = 256
"""Combinations that are tried to find one that the strategy accepts."""
_READING: Final = (*FILE_FLAGS, "calendar", "bad_candles")
_TOLD: Final = (
    *("strategy", "grid", "param", "sample", "seed", "walk_forward"),
    *("data", "symbol", "timeframe", "venue", *_READING),
    *("start", "end", "origin", "fill", "fee_bps", "slippage_bps", "initial_capital"),
    *(*EXIT_NAMES, "metric", "no_check"),
)
"""Arguments that decide which sweep it is; where its results go and who works on it do not."""


def told_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments that decide which sweep it is, by their names."""
    return {name: getattr(arguments, name) for name in _TOLD}


def recall(arguments: argparse.Namespace, home: Path) -> None:
    """Where `--resume` is all that was said, fill in what the sweep was asked for; make paths absolute.

    Raises:
        UsageError: there is no such sweep, or no strategy is named.
        DataError: its plan is damaged.
    """
    if arguments.strategy is None:
        if arguments.resume is None:
            raise UsageError("which strategy? name one that `stratkernel strategies` lists, or a document")
        folder = WorkFolder(home, arguments.resume)
        plan = KeptSweeps(home).plan(arguments.resume) if not folder.exists else folder.plan()
        if plan is None or plan.get("kind") != "sweep":
            raise UsageError(f"there is no sweep {arguments.resume!r} in {home}")
        vars(arguments).update(plan["told"])
    if is_path(arguments.strategy):
        arguments.strategy = str(Path(arguments.strategy).absolute())
    if arguments.data is not None and "://" not in arguments.data and Path(arguments.data).exists():
        # workers may live in other folders
        arguments.data = str(Path(arguments.data).absolute())


def check_numbers(arguments: argparse.Namespace) -> None:
    """Refuse numbers that mean nothing. Raises `UsageError`."""
    for name in ("sample", "top"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value}: expected a whole number of 1 or more")
    if not arguments.grid:
        raise UsageError("which combinations? say --grid NAME=VALUES, as --grid fast_period=5..50")


def request_of(kernel: "Kernel", arguments: argparse.Namespace, database: Database) -> SweepRequest:
    """The sweep of a command.

    Raises:
        UsageError: a grid, parameter, rule, time or series that there is not or that cannot be used.
        DocumentError: the strategy's document is not valid.
    """
    costs = Costs(arguments.fill, arguments.fee_bps, arguments.slippage_bps, arguments.initial_capital)
    walk_forward = None if arguments.walk_forward is None else WalkForward.parse(arguments.walk_forward)
    parameters = parse_parameters(arguments.param)
    item = strategy_item(kernel, arguments.strategy)
    grid = Grid.parse(arguments.grid, item.cls.Params, item.title)
    for name in grid.names:
        if name in parameters:
            raise UsageError(f"--param {name} is one of the grid's axes too; say one of them")
    base = _accepted(kernel, arguments.strategy, parameters, grid)
    _require_candles(arguments)
    jobs, _, problems = jobs_of(kernel, _as_batch(arguments, base), lambda: database.storage, database.url)
    if problems:
        raise UsageError("\n".join(dict.fromkeys(problems)))
    configuration, reference = jobs[0]
    return SweepRequest(
        name=configuration.name,
        strategy=configuration.strategy,
        grid=Grid.parse(arguments.grid, item.cls.Params, item.title, configuration.parameters),
        candles=reference,
        options=configuration.options,
        costs=costs,
        metric=arguments.metric,
        sample=arguments.sample,
        seed=arguments.seed,
        walk_forward=walk_forward,
        check=not arguments.no_check,
    )


def _accepted(kernel: "Kernel", text: str, parameters: Mapping[str, Any], grid: Grid) -> dict[str, Any]:
    """Parameters that the strategy accepts: with its own defaults, else those of some combination.

    What the grid does not vary is the same in all of them.
    """
    try:
        choose_strategy(kernel, text, parameters)
    except ParameterError as error:
        refused = error
    else:
        return dict(parameters)
    step = max(1, grid.size // _TRIES)
    for index in range(0, min(grid.size, step * _TRIES), step):
        own, _ = split_exits(grid[index])
        base = {**parameters, **own}
        try:
            choose_strategy(kernel, text, base)
        except ParameterError:
            continue
        return base
    raise refused


def _require_candles(arguments: argparse.Namespace) -> None:
    if arguments.data is None and arguments.symbol is None:
        raise UsageError("which candles? say --data FILE, or --symbol SYMBOL of the database")
    check_texts(arguments, "symbol", "timeframe", "venue")


def _as_batch(arguments: argparse.Namespace, base: Mapping[str, Any]) -> BatchRequest:
    """The same as a batch of one, whose candles and options are found in the same way."""
    timeframe = arguments.timeframe
    series = {
        "data": arguments.data,
        "symbol": arguments.symbol,
        "timeframe": None if timeframe is None else Timeframe(timeframe).name,
        "venue": arguments.venue,
    }
    plan = BatchPlan.model_validate(
        {
            "configurations": [arguments.strategy],
            "series": [series],
            "from": arguments.start,
            "to": arguments.end,
            "origin": arguments.origin,
        }
    )
    return BatchRequest(
        plan,
        parameters=base,
        exits={name: getattr(arguments, name) for name in EXIT_NAMES},
        reading={name: getattr(arguments, name) for name in _READING},
    )
