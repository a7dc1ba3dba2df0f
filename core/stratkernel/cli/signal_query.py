"""Flags that choose stored signals, and the query that they make."""

import argparse
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_range_arguments

if TYPE_CHECKING:
    from stratkernel.contracts.storage import StrategyStorage
    from stratkernel.contracts.stored import SignalQuery

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
    from stratkernel.cli.candle_input import parse_moment
    from stratkernel.cli.database import check_texts
    from stratkernel.cli.run_argument import find_run
    from stratkernel.contracts.signals import SignalType
    from stratkernel.contracts.stored import SignalQuery
    from stratkernel.kernel.errors import UsageError

    check_texts(arguments, "strategy", "symbol", "timeframe")
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
