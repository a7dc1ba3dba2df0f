"""The gate in front of everything: what raw candles must satisfy, and what is done with those that do not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.admission_report import AdmissionReport, BadCandles, Fault
from stratkernel.contracts.admission_rules import Examination, Rule, examine
from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar, infer_calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.frames import raw_from_frame
from stratkernel.contracts.source import RawCandles
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.kernel.clock import SystemClock
from stratkernel.kernel.errors import DataError, PluginContractError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AdmissionError", "AdmissionReport", "BadCandles", "Fault", "admit", "candles_from_frame"]

_SHOWN_FAULTS: Final = 5
_NO_ROWS: Final = np.empty(0, dtype=np.int64)

N = TypeVar("N", np.float64, np.int64)


class AdmissionError(DataError):
    """Candles that the gate does not let through; `report` says which and why."""

    def __init__(self, message: str, report: AdmissionReport) -> None:
        super().__init__(message)
        self.report = report


def admit(
    raw: RawCandles,
    *,
    policy: BadCandles = BadCandles.REJECT,
    now: datetime | None = None,
    calendar: Calendar | None = None,
) -> Candles:
    """Candles that satisfy every rule, with a report of what did not.

    A candle is bad when a value is no number, not finite or of no sane size, a price is not above 0,
    volume is below 0, high is below or low above open or close, or its open time is unreadable, not
    plausible, in the future, not a multiple of the timeframe, out of order or used twice.

    `reject` refuses all candles because of one bad one. `repair` sorts, drops exact duplicates, widens
    high and low and drops what else is bad. `flag` keeps rows that are finite, positive, aligned and
    unique as they are and drops the rest. Rows that were changed, that broke a rule and stay, or that
    stand for several that contradict each other are true in `Candles.marked`.
    A candle that is not over at `now` (default: this machine's clock) is left out under every policy.
    The calendar is the one given, else the source's, else inferred from the open times.

    Raises:
        AdmissionError: bad candles under `reject`, or none left; its `report` says which.
        UsageError: `now` has no time zone.
        PluginContractError: the source gave columns of wrong lengths or types.
    """
    check_shape(raw)
    policy = BadCandles(policy)
    found = examine(raw, micros_of(now))
    report = AdmissionReport.of(found, raw, policy)
    if policy is BadCandles.REJECT and found.bad_rows:
        raise AdmissionError(rejection(report, found.bad_rows), report)
    kept = keep_candles(raw, found, policy)
    report = replace(
        report,
        admitted=len(kept.open_time),
        dropped=found.rows - found.forming_rows - len(kept.open_time),
        marked=int(np.count_nonzero(kept.marked)),
    )
    if len(kept.open_time) == 0:
        raise AdmissionError(nothing_left(report), report)
    chosen = calendar or raw.calendar
    if chosen is None:
        chosen = infer_calendar(kept.open_time, raw.timeframe)
        report = replace(report, notes=(*report.notes, inferred_note(chosen)))
    return kept.candles(raw, chosen, report)


@dataclass(frozen=True, eq=False)
class KeptCandles:
    """What the gate lets through; `marked` are the rows that were changed, or that broke a rule and stay."""

    open_time: IntArray
    values: Mapping[str, FloatArray]
    marked: BoolArray

    def candles(self, raw: RawCandles, calendar: Calendar, report: AdmissionReport | None) -> Candles:
        """The candles of a source."""
        close_time = raw.timeframe.close_of(self.open_time)
        close_time.flags.writeable = self.marked.flags.writeable = False
        return Candles(
            symbol=raw.symbol,
            timeframe=raw.timeframe,
            open_time=self.open_time,
            columns=candle_columns(self.values, close_time),
            calendar=calendar,
            venue=raw.venue,
            omits_empty=raw.omits_empty,
            marked=self.marked if self.marked.any() else None,
            report=report,
        )


def keep_candles(raw: RawCandles, found: Examination, policy: BadCandles) -> KeptCandles:
    """The candles of an examination that stay, ordered by time; under `reject` nothing may be bad."""
    whole = not found.broken and not found.forming.any()
    if whole:
        rows, marked = _NO_ROWS, np.zeros(found.rows, dtype=np.bool_)
    else:
        rows, marked = _keep(found, raw, policy)
    open_time = _owned(raw.open_time, rows, whole=whole)
    values = {name: _owned(raw.columns[name], rows, whole=whole) for name in CANDLE_COLUMNS}
    if policy is BadCandles.REPAIR and found.bad_rows:
        values = _widened(values)
    if np.signbit(values["volume"]).any():
        # -0.0 is no volume either; not every database keeps its sign, and the hash of candles sees it
        values["volume"] = values["volume"] + 0.0
    return KeptCandles(open_time, values, marked)


def inferred_note(calendar: Calendar) -> str:
    """What a report says of a calendar that nobody named."""
    return f"calendar {calendar} (inferred; --calendar overrides)"


def candles_from_frame(
    frame: "pd.DataFrame",
    *,
    symbol: str,
    timeframe: str | Timeframe,
    venue: str = "local",
    calendar: Calendar | None = None,
    omits_empty: bool = False,
    policy: BadCandles = BadCandles.REJECT,
    now: datetime | None = None,
) -> Candles:
    """Admit the candles of a DataFrame with `open high low close volume` and a UTC index `open_time`.

    Raises:
        UsageError: the index is not aware date-times named `open_time` (or `timestamp`).
        AdmissionError: see `admit`.
        DataError: columns are missing or stand there twice.
    """
    chosen = timeframe if isinstance(timeframe, Timeframe) else Timeframe(timeframe)
    raw = raw_from_frame(frame, symbol=symbol, timeframe=chosen, venue=venue, omits_empty=omits_empty)
    return admit(raw, policy=policy, now=now, calendar=calendar)


def micros_of(now: datetime | None) -> int:
    """Microseconds UTC of a moment, by default of this machine's clock. Raises `UsageError`."""
    moment = SystemClock().utc_now() if now is None else now
    if moment.utcoffset() is None:
        raise UsageError(f"`now` needs a time zone, got {moment.isoformat()}; use datetime(..., tzinfo=UTC)")
    return round(moment.timestamp() * 1_000_000)


def check_shape(raw: RawCandles) -> None:
    """Sources are plugins: what they give is looked at before it is trusted. Raises `PluginContractError`."""
    arrays: dict[str, object] = {**raw.columns, "open_time": raw.open_time, "line": raw.line}
    for name in ("open_time", "line", *CANDLE_COLUMNS):
        array = arrays.get(name)
        dtype = np.float64 if name in CANDLE_COLUMNS else np.int64
        if isinstance(array, np.ndarray) and array.dtype == dtype and array.shape == (len(raw.open_time),):
            continue
        got = (
            f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        )
        raise PluginContractError(
            f"{raw.where}: the source gave no usable {name!r}: expected a {np.dtype(dtype)} array "
            f"of one length for all columns, got {got}"
        )


def _keep(found: Examination, raw: RawCandles, policy: BadCandles) -> tuple[IntArray, BoolArray]:
    """The rows that stay, in the order of their times, and which of them are marked."""
    if not found.bad_rows:
        rows = np.flatnonzero(~found.forming)
        return rows, np.zeros(len(rows), dtype=np.bool_)
    dropped = found.forming.copy()
    for rule, mask in found.broken.items():
        if rule.fatal:
            dropped |= mask
    rows = np.flatnonzero(~dropped)
    rows = rows[np.argsort(raw.open_time[rows], kind="stable")]
    rows, marked = _first_of_each_time(rows, raw)
    staying = [Rule.HIGH, Rule.LOW]
    if policy is BadCandles.FLAG:
        staying.append(Rule.ORDERED)
    for rule in staying:
        if rule in found.broken:
            marked = marked | found.broken[rule][rows]
    return rows, marked


def _widened(values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """High and low moved out to where they enclose open and close."""
    high = np.maximum(values["high"], np.maximum(values["open"], values["close"]))
    low = np.minimum(values["low"], np.minimum(values["open"], values["close"]))
    high.flags.writeable = low.flags.writeable = False
    return {**values, "high": high, "low": low}


def _first_of_each_time(rows: IntArray, raw: RawCandles) -> tuple[IntArray, BoolArray]:
    """Of sorted rows the first of each open time, and whether the others of that time contradict it."""
    time = raw.open_time[rows]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = time[1:] != time[:-1]
    group = np.cumsum(first) - 1
    leaders = rows[first]
    differs = np.zeros(len(rows), dtype=np.bool_)
    for name in CANDLE_COLUMNS:
        differs |= raw.columns[name][rows] != raw.columns[name][leaders[group]]
    contradicted = np.zeros(len(leaders), dtype=np.bool_)
    contradicted[group[differs]] = True
    return leaders, contradicted


def _owned(array: npt.NDArray[N], rows: IntArray, *, whole: bool) -> npt.NDArray[N]:
    """Rows of a column that nobody else can write to; the column itself where nobody can."""
    if whole and not array.flags.writeable:
        return array
    part = array.copy() if whole else array[rows]
    part.flags.writeable = False
    return part


def rejection(report: AdmissionReport, bad_rows: int) -> str:
    """Why bad candles are refused."""
    lines = [f"{report.where}: {bad_rows:,} of {report.rows:,} candles are bad"]
    lines += [f"  {fault}" for fault in report.faults[:_SHOWN_FAULTS]]
    more = report.fault_count - min(len(report.faults), _SHOWN_FAULTS)
    if more > 0:
        lines.append(f"  and {more:,} more")
    lines.append("Correct the source, or use --bad-candles repair or flag.")
    return "\n".join(lines)


def nothing_left(report: AdmissionReport) -> str:
    """Why there is no candle."""
    if report.rows == 0:
        return f"{report.where}: there are no candles in it, expected at least one"
    reasons = [f"{count:,} broke the rule '{rule}'" for rule, count in report.rules.items()]
    if report.forming:
        reasons.append(f"{report.forming:,} not over yet by the clock")
    lines = [f"{report.where}: no candle is left of {report.rows:,}: {', '.join(reasons)}"]
    lines += [f"  {fault}" for fault in report.faults[:_SHOWN_FAULTS]]
    return "\n".join(lines)
