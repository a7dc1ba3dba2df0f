"""Flags that choose stored signals, and the query that they make."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_range_arguments

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage, StrategyStorage
    from stratkernel.contracts.stored import SignalQuery

_SHOWN: Final = 20
TYPES: Final = ("ENTRY_LONG", "EXIT_LONG", "ENTRY_SHORT", "EXIT_SHORT", "HOLD")


def add_signal_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which signals (default: all that are stored)")
    group.add_argument("--run", metavar="RUN", action="append", help="of this run; repeatable")
    group.add_argument("--strategy", help="a strategy's name, its qualified id or your document's name")
    group.add_argument("--symbol")
    group.add_argument("--timeframe")
    group.add_argument("--type", choices=TYPES, action="append", help="repeatable")
    group.add_argument("--min-confidence", type=float, metavar="X", help="from 0 to 1")
    add_range_arguments(group, "timestamp")


def signal_query(
    runs: "StrategyStorage",
    arguments: argparse.Namespace,
    *,
    current: bool = True,
    with_metadata: bool = False,
) -> "SignalQuery":
    """What the flags ask for.

    Raises:
        UsageError: a value that no signal can have, an unknown run or a time without a zone.
    """
    from stratkernel.cli.candle_input import parse_moment, parse_range
    from stratkernel.cli.database import check_texts
    from stratkernel.cli.run_argument import find_run
    from stratkernel.contracts.signals import SignalType
    from stratkernel.contracts.stored import SignalQuery
    from stratkernel.contracts.timeframes import Timeframe
    from stratkernel.kernel.errors import UsageError

    check_texts(arguments, "strategy", "symbol", "timeframe")
    if arguments.timeframe is not None:
        Timeframe(arguments.timeframe)
    parse_range(arguments)
    least = arguments.min_confidence
    if least is not None and not 0.0 <= least <= 1.0:
        raise UsageError(f"--min-confidence {least:g}: expected a number from 0 to 1")
    found = [find_run(runs, name).run_id for name in arguments.run or ()]
    return SignalQuery(
        run_ids=tuple(dict.fromkeys(found)) or None,
        strategy=arguments.strategy,
        symbol=arguments.symbol,
        timeframe=arguments.timeframe,
        start=parse_moment("--from", arguments.start),
        end=parse_moment("--to", arguments.end),
        types=tuple(SignalType[name] for name in dict.fromkeys(arguments.type)) if arguments.type else None,
        min_confidence=least,
        current=current,
        with_metadata=with_metadata,
    )


def refuse_empty(storage: "Storage", query: "SignalQuery", arguments: argparse.Namespace) -> None:
    """Say why nothing was found, and what there is.

    Runs that are named and made no signals at all are an answer: nothing is raised for them.

    Raises:
        UnknownNameError: no run is of such a strategy, symbol or timeframe, or no signal is as asked for.
    """
    from stratkernel.contracts.stored import SignalQuery
    from stratkernel.contracts.timeframes import iso
    from stratkernel.kernel.errors import UnknownNameError

    nothing = f"nothing was written to {arguments.output}"
    chosen = SignalQuery(
        run_ids=query.run_ids, strategy=query.strategy, symbol=query.symbol, timeframe=query.timeframe
    )
    groups = storage.strategies.statistics(("strategy", "symbol", "timeframe"), chosen)
    if groups:
        first, last = min(group.first for group in groups), max(group.last for group in groups)
        counts = Counter[str]()
        for group in groups:
            counts.update(group.by_type)
        types = " ".join(f"{name}={count:,}" for name, count in sorted(counts.items()))
        raise UnknownNameError(
            f"{nothing}: no signal is as asked for; without --from, --to, --type and --min-confidence there "
            f"are {counts.total():,}, {iso(first)} to {iso(last)}: {types}"
        )
    if query.run_ids is None or {query.strategy, query.symbol, query.timeframe} != {None}:
        raise UnknownNameError(f"{nothing}: {_missing(storage, query)}")


def _missing(storage: "Storage", query: "SignalQuery") -> str:
    """Which name no stored run has, and those that there are."""
    from stratkernel.contracts.stored import RunQuery
    from stratkernel.kernel.errors import did_you_mean, one_line

    stored = [record.run for record in storage.strategies.runs(RunQuery())]
    if not stored:
        return f"no runs are in {storage.title}; save one: stratkernel run STRATEGY --data FILE --save"
    for name, wanted, known in (
        ("strategy", query.strategy, {run.strategy_name for run in stored}),
        ("symbol", query.symbol, {run.symbol for run in stored}),
        ("timeframe", query.timeframe, {run.timeframe for run in stored}),
    ):
        qualified = {run.strategy for run in stored} if name == "strategy" else set()
        if wanted is not None and wanted not in known | qualified:
            names = sorted(known)
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            return (
                f"no run in {storage.title} is of the {name} {one_line(wanted, 60)!r}."
                f"{did_you_mean(wanted, names)} There are: {one_line(', '.join(names[:_SHOWN]))}{more}"
            )
    return f"no run in {storage.title} that has signals is of all that together; see: stratkernel runs list"
