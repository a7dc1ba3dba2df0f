"""`stratkernel signals stats`: stored signals, counted and judged."""

import argparse
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.config_support import add_json, print_json, print_table
from stratkernel.cli.session import open_kernel
from stratkernel.cli.signal_query import add_signal_arguments

if TYPE_CHECKING:
    from stratkernel.contracts.stored import SignalGroup, SignalStatistics, WinRule

_LONGEST_HORIZON: Final = 1_000_000


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by",
        metavar="A,B",
        default="strategy,symbol,timeframe",
        help="strategy, symbol, timeframe, day (default: the first three)",
    )
    parser.add_argument(
        "--win-rate",
        metavar="RULE",
        help="next_signal: the price moved its way until the next one; horizon:12: after 12 candles",
    )
    add_signal_arguments(parser)
    add_json(parser, "a JSON list")
    add_database_argument(parser)


def stats(arguments: argparse.Namespace) -> int:
    """Count stored signals by group: types, mean confidence, first and last, and how many were right."""
    from stratkernel.cli.database import database_of
    from stratkernel.cli.signal_query import signal_query

    by, rule = _groups(arguments.by), _win_rule(arguments.win_rate)
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        runs = database.storage.strategies
        found = runs.statistics(by, signal_query(runs, arguments), rule)
        title = database.storage.title
    if arguments.json:
        print_json([_dict(each, rule) for each in found])
    elif not found:
        print(f"no such signals in {title}; save some: stratkernel run STRATEGY --data FILE --save")
    else:
        headings = (
            "COUNT",
            "CONFIDENCE",
            "FIRST",
            "LAST",
            *(("WON", "OF", "WIN RATE") if rule else ()),
            "TYPES",
        )
        print_table((*(name.upper() for name in by), *headings), [_row(each, by, rule) for each in found])
    return 0


def _groups(text: str) -> "tuple[SignalGroup, ...]":
    from stratkernel.contracts.stored import SignalGroup
    from stratkernel.kernel.errors import UsageError

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = get_args(SignalGroup)
    if not names or not set(names) <= set(known):
        raise UsageError(f"--by {text!r}: expected some of {', '.join(known)}, commas between")
    return cast("tuple[SignalGroup, ...]", names)


def _win_rule(text: str | None) -> "WinRule | None":
    from stratkernel.contracts.stored import WinRule
    from stratkernel.kernel.errors import UsageError

    if text is None:
        return None
    if text == "next_signal":
        return WinRule("next_signal")
    name, _, bars = text.partition(":")
    if name == "horizon" and bars.isascii() and bars.isdigit() and 0 < int(bars[:9]) <= _LONGEST_HORIZON:
        return WinRule("horizon_bars", int(bars))
    raise UsageError(f"--win-rate {text!r}: expected next_signal, or horizon: and a number as horizon:12")


def _dict(found: "SignalStatistics", rule: "WinRule | None") -> dict[str, Any]:
    from stratkernel.contracts.timeframes import iso

    document: dict[str, Any] = {
        **found.group,
        "count": found.count,
        "by_type": dict(found.by_type),
        "mean_confidence": found.mean_confidence,
        "first": iso(found.first),
        "last": iso(found.last),
    }
    if rule is not None:
        document |= {"decided": found.decided, "won": found.won, "win_rate": found.win_rate}
    return document


def _row(found: "SignalStatistics", by: "tuple[SignalGroup, ...]", rule: "WinRule | None") -> tuple[str, ...]:
    from stratkernel.contracts.timeframes import iso

    won: tuple[str, ...] = ()
    if rule is not None:
        rate = "-" if found.win_rate is None else f"{found.win_rate:.2%}"
        won = (f"{found.won:,}", f"{found.decided:,}", rate)
    types = " ".join(f"{name}={count:,}" for name, count in found.by_type.items())
    return (
        *(found.group[name] for name in by),
        *(f"{found.count:,}", f"{found.mean_confidence:.3f}", iso(found.first), iso(found.last)),
        *won,
        types,
    )


COMMANDS: Final = {"stats": (_arguments, stats)}
