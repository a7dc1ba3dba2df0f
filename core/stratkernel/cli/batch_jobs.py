"""From a plan or flags to the jobs of a batch; everything that is wrong is told at once."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from stratkernel.cli.candle_flags import FILE_FLAGS
from stratkernel.cli.candle_input import parse_time, policy_of
from stratkernel.cli.database import check_text
from stratkernel.cli.exit_arguments import exit_rules_of
from stratkernel.cli.parameters import parse_parameters
from stratkernel.cli.series_argument import choose_or_make_series
from stratkernel.cli.strategy_argument import choose_strategy
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.source import SourceRequest
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.batch.preparation import Job
from stratkernel.engine.batch.tasks import Configuration
from stratkernel.engine.batch.workshop import CandleReference
from stratkernel.engine.exits import EXIT_NAMES
from stratkernel.engine.factory import StrategyFactory
from stratkernel.engine.gaps import GapRule
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_setup import RunOptions
from stratkernel.kernel.errors import StorageError, StratkernelError, UsageError
from stratkernel_config.batch_plan import (
    BatchPlan,
    PlanError,
    PlannedConfiguration,
    PlannedSeries,
    PlannedTrading,
    load_plan,
)
from stratkernel_config.errors import ConfigError

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage
    from stratkernel.kernel.manager import Kernel

_OF_THE_PLAN: Final = ("configurations", "data", "symbol", "timeframe", "venue", "start", "end", "origin")
_TRADING: Final = tuple(PlannedTrading.model_fields)
_READING: Final = (*FILE_FLAGS, "calendar", "bad_candles")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """All of what a batch was asked to compute; it is kept with the batch, to resume it by its id.

    `parameters` and `exits` are flags and beat those of every configuration, `reading` says how to read
    files. `problems` are those of the plan's entries that were left out.
    """

    plan: BatchPlan
    parameters: Mapping[str, Any] = field(default_factory=dict)
    exits: Mapping[str, str | None] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @classmethod
    def of_arguments(cls, arguments: argparse.Namespace) -> Self:
        """What flags, and the plan of `--plan`, ask for.

        Raises:
            UsageError: both, or neither names strategies and candles.
            ConfigError: the plan is of no use at all; everything that is wrong with it.
        """
        problems: list[str] = []
        return cls(
            plan=_plan_of(arguments, problems),
            parameters=parse_parameters(arguments.param),
            exits={name: getattr(arguments, name) for name in EXIT_NAMES},
            reading={name: getattr(arguments, name) for name in _READING},
            problems=tuple(problems),
        )

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """The request that `to_dict` gave."""
        return cls(BatchPlan.model_validate(kept["plan"]), kept["parameters"], kept["exits"], kept["reading"])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "plan": self.plan.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "parameters": dict(self.parameters),
            "exits": dict(self.exits),
            "reading": dict(self.reading),
        }

    @property
    def costs(self) -> Costs:
        """Fill and costs of all rows. Raises `UsageError`."""
        return Costs(**self.plan.trading.model_dump())


def _plan_of(arguments: argparse.Namespace, problems: list[str]) -> BatchPlan:
    trading = {name: getattr(arguments, name) for name in _TRADING}
    Costs(**trading)
    if arguments.plan is not None:
        given = [name for name in _OF_THE_PLAN if getattr(arguments, name)]
        given += [name for name, value in PlannedTrading() if trading[name] != value]
        if given:
            flag = {"configurations": "STRATEGY", "start": "--from", "end": "--to"}.get(given[0])
            flag = flag or f"--{given[0].replace('_', '-')}"
            raise UsageError(f"--plan says all of what is run; leave {flag} out of the command")
        try:
            return load_plan(Path(arguments.plan))
        except PlanError as error:
            if error.usable is None:
                raise
            problems.extend(str(problem) for problem in error.problems)
            return error.usable
    if not arguments.configurations:
        raise UsageError("which strategies? name one or more, or a plan: stratkernel batch --plan FILE.json")
    if not arguments.data and not arguments.symbol:
        raise UsageError("which candles? say --data FILE or --symbol SYMBOL; both may be repeated")
    for name in arguments.timeframe:
        Timeframe(name)
    wanted = arguments.timeframe or [None]
    pairs = [("data", str(Path(file).absolute()), each) for file in arguments.data for each in wanted]
    pairs += [("symbol", symbol, each) for symbol in arguments.symbol for each in wanted]
    return BatchPlan.model_validate(
        {
            "configurations": arguments.configurations,
            "series": [
                {kind: name, "timeframe": each, "venue": arguments.venue} for kind, name, each in pairs
            ],
            "from": arguments.start,
            "to": arguments.end,
            "origin": arguments.origin,
            "trading": trading,
        }
    )


def jobs_of(
    kernel: "Kernel", request: BatchRequest, storage: "Callable[[], Storage]", url: str
) -> tuple[list[Job], list[CandleReference], list[str]]:
    """Every configuration over every series, series without a usable configuration, and what is wrong.

    `storage` opens the database of `url` where a series is named that lies there.

    Raises:
        UsageError: a time that is none, or a range that is empty.
        StorageError: the database cannot be read.
    """
    problems = list(request.problems)
    options = _range(request.plan)
    chosen = _each(
        request.plan.all_configurations(), lambda one: _configuration(kernel, one, request, options), problems
    )
    jobs: list[Job] = []
    references: list[CandleReference] = []
    for planned in request.plan.all_series():
        of_timeframe: dict[str | None, list[CandleReference]] = {}
        for configuration, own_timeframe in chosen:
            timeframe = planned.timeframe or own_timeframe
            if timeframe not in of_timeframe:
                series = planned.model_copy(update={"timeframe": timeframe})
                of_timeframe[timeframe] = _each(
                    [series], lambda one: _reference(one, request.reading, storage, url), problems
                )
            jobs += [(configuration, reference) for reference in of_timeframe[timeframe]]
        if not chosen:  # what is wrong with the series is told all the same
            references += _each(
                [planned], lambda one: _reference(one, request.reading, storage, url), problems
            )
    return jobs, references, problems


def _range(plan: BatchPlan) -> RunOptions:
    start, end = parse_time("--from", plan.start), parse_time("--to", plan.end)
    if start is not None and end is not None and start >= end:
        raise UsageError(f"the range from {plan.start} to {plan.end} is empty: its end is exclusive")
    return RunOptions(start=start, end=end, origin=parse_time("--origin", plan.origin))


def _each(things: Iterable[T], make: Callable[[T], R], problems: list[str]) -> list[R]:
    """What can be made of each; what cannot is a problem."""
    made = []
    for thing in things:
        try:
            made.append(make(thing))
        except StorageError:
            raise
        except (StratkernelError, ConfigError) as error:
            problems.append(str(error))
    return made


def _configuration(
    kernel: "Kernel", planned: PlannedConfiguration, request: BatchRequest, options: RunOptions
) -> tuple[Configuration, str | None]:
    """A configuration, and the timeframe that its document is for."""
    chosen = choose_strategy(kernel, planned.strategy, {**planned.parameters, **request.parameters})
    exits = chosen.exits if planned.exits is None else planned.exits.model_dump(exclude_none=True)
    strategy = chosen.strategy
    configuration = Configuration(
        name=planned.name or strategy.strategy_name,
        strategy=StrategyFactory(kernel).item(type(strategy)).qualified,
        parameters=strategy.params.model_dump(mode="json"),
        options=RunOptions(
            options.start,
            options.end,
            options.origin,
            GapRule(chosen.gaps, chosen.max_gap),
            chosen.extra_timeframes,
            exit_rules_of(argparse.Namespace(**request.exits), exits),
        ),
    )
    return configuration, chosen.timeframe


def _reference(
    planned: PlannedSeries, reading: Mapping[str, Any], storage: "Callable[[], Storage]", url: str
) -> CandleReference:
    if planned.timeframe is not None:
        Timeframe(planned.timeframe)
    if planned.data is None:
        check_text("symbol", str(planned.symbol))
        found = choose_or_make_series(storage(), str(planned.symbol), planned.timeframe, planned.venue)
        return CandleReference(found, url)
    options = {name: reading[name] for name in FILE_FLAGS} | {"venue": planned.venue}
    request = SourceRequest(
        location=planned.data,
        symbol=planned.symbol,
        timeframe=planned.timeframe,
        options={name: value for name, value in options.items() if value is not None},
    )
    calendar = Calendar(reading["calendar"]) if reading["calendar"] else None
    return CandleReference(request, None, policy_of(reading["bad_candles"]), calendar)
