"""Flags that name candles, the same for every command that reads them."""

import argparse
from typing import Any, Final

FILE_FLAGS: Final = ("tz", "time_unit", "layout", "order", "adjusted", "omits_empty")
"""Flags that only say how to read a file, by their names in the arguments."""


def add_series_arguments(group: Any) -> None:
    """Which candles, in a file or in the database."""
    group.add_argument("--symbol", help="which symbol; of a file its name, unless it says itself")
    group.add_argument("--timeframe", help="1m 5m 15m 1h 4h 1d 1w 1M ...; inferred where it can be")
    group.add_argument("--venue", help="the market (default: local); part of what makes a signal's id")


def add_file_arguments(group: Any) -> None:
    """How to read a file of candles."""
    group.add_argument(
        "--tz", metavar="ZONE", help="time zone of date-times that name none, as Europe/Berlin"
    )
    group.add_argument("--time-unit", choices=("s", "ms", "us", "ns"), help="unit of numeric times")
    group.add_argument("--layout", help="the file's layout, where it is not recognised")
    group.add_argument("--order", choices=("oldest-first", "newest-first"), help="order of the rows")
    group.add_argument(
        "--adjusted", action="store_true", default=None, help="scale all prices by Adj Close / Close"
    )
    group.add_argument(
        "--calendar", choices=("24x7", "weekdays", "sessions"), help="when candles are expected"
    )
    group.add_argument(
        "--omits-empty",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the file leaves out candles without trades, so missing ones are no gaps",
    )
    group.add_argument(
        "--bad-candles",
        choices=("reject", "repair", "flag"),
        help="what to do with impossible rows (default: reject the file)",
    )


def add_database_argument(parser: Any) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        type=_url,
        help="where runs and candles are kept (default: a file in the home)",
    )


def _url(text: str) -> str:
    """An unset variable of a shell must not mean the default database."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a URL, got an empty text (a variable that is not set?)")
    return text


def add_range_arguments(group: Any, what: str) -> None:
    """`--from` and `--to`, as `start` and `end`."""
    group.add_argument("--from", dest="start", metavar="TIME", help=f"first {what} (inclusive)")
    group.add_argument("--to", dest="end", metavar="TIME", help=f"end of the {what}s (exclusive)")
