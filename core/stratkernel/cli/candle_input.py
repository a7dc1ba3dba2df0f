"""Candles for a command: the source is chosen by scheme or suffix, what it inferred is told on stderr."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from stratkernel.contracts.admission import BadCandles, admit
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.source import RawCandles, SourceRequest
from stratkernel.engine.candle_source import source_for
from stratkernel.kernel.clock import SystemClock
from stratkernel.kernel.errors import PluginContractError, StratkernelError, UsageError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.manager import Kernel

_OPTIONS: Final = ("tz", "time_unit", "layout", "order", "adjusted", "omits_empty", "venue")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def load_candles(kernel: Kernel, arguments: argparse.Namespace) -> Candles:
    """Read and admit the candles that `--data` and its flags name.

    Raises:
        UsageError: no source for it, or something must be said with a flag.
        DataError: it cannot be read, or has bad candles.
    """
    item = source_for(kernel, arguments.data)
    options = {name: getattr(arguments, name) for name in _OPTIONS}
    request = SourceRequest(
        location=arguments.data,
        symbol=arguments.symbol,
        timeframe=arguments.timeframe,
        options={name: value for name, value in options.items() if value is not None},
    )
    with guard(item.title, f"to read {arguments.data}", passing=StratkernelError):
        raw = item.cls().load(request)
    if not isinstance(raw, RawCandles):
        raise PluginContractError(f"{item.title} gave {type(raw).__name__}, expected RawCandles")
    candles = admit(
        raw,
        policy=BadCandles(arguments.bad_candles),
        now=SystemClock().utc_now(),
        calendar=Calendar(arguments.calendar) if arguments.calendar else None,
    )
    report = candles.report
    if report is not None:
        for line in report.text().splitlines():
            print(f"stratkernel: {line}", file=sys.stderr)
    return candles


def parse_time(flag: str, text: str | None) -> int | None:
    """Microseconds since 1970 of an ISO 8601 date (that UTC day) or date-time with its zone.

    Raises:
        UsageError: it is neither, or names no zone.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{flag} {text!r}: expected a date such as 2024-01-31 or 2024-01-31T08:00:00Z"
        ) from None
    if moment.tzinfo is None:
        if len(text) > len("2024-01-31"):
            raise UsageError(f"{flag} {text!r} names no time zone; write {text}Z for UTC")
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
