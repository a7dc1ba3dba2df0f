"""The gate for candles that come in parts: the same rules, the same candles, the same report."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from typing_extensions import override

from stratkernel.contracts.admission import (
    AdmissionError,
    check_shape,
    inferred_note,
    keep_candles,
    micros_of,
    nothing_left,
    rejection,
)
from stratkernel.contracts.admission_report import AdmissionReport, BadCandles
from stratkernel.contracts.admission_rules import (
    CLOCK_SKEW,
    FIRST_PLAUSIBLE,
    PAST_PLAUSIBLE,
    Examination,
    Rule,
    examine,
)
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.calendars import Calendar, CalendarEvidence
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.source import RawCandles, RawChunks
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.streaming.chunks import CandleChunks
from stratkernel.engine.streaming.report_fold import ReportFold
from stratkernel.engine.streaming.time_groups import in_whole_times
from stratkernel.kernel.errors import DataError

_REPEATED = (Rule.ORDERED, Rule.DUPLICATE, Rule.CONFLICT)
_NO_TIME = (Rule.READABLE, Rule.YEAR, Rule.ALIGNED, Rule.FUTURE)


class AdmittedChunks(CandleChunks):
    """Admits the candles of a source part by part, as `admit` does all at once.

    What would need all of them is refused: rows that stand out of order, which `repair` and `flag` sort in
    memory. A calendar that nobody names is inferred from the open times, which are read before all else
    until they leave no doubt.
    """

    def __init__(
        self,
        raw: RawChunks,
        *,
        policy: BadCandles = BadCandles.REJECT,
        now: datetime | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self._raw, self._policy, self._now = raw, BadCandles(policy), micros_of(now)
        self.symbol, self.timeframe, self.venue = raw.symbol, raw.timeframe, raw.venue
        self.omits_empty, self.rows = raw.omits_empty, raw.rows
        self._report: AdmissionReport | None = None
        chosen = calendar or raw.calendar
        self._inferred = chosen is None
        self.calendar = Calendar.ALWAYS if chosen is None else chosen
        if chosen is None:
            self.calendar = self._infer_calendar()

    @override
    def __iter__(self) -> Iterator[Candles]:
        self._report = None
        latest = self._now + max(CLOCK_SKEW, self.timeframe.approximate_micros) + 1
        fold = ReportFold(self._raw.where, self._policy)
        for raw in in_whole_times(self._raw, latest):
            check_shape(raw)
            found = examine(raw, self._now)
            _refuse_disorder(raw, found)
            fold.examined(raw, found)
            if self._policy is BadCandles.REJECT and fold.bad_rows:
                continue  # nothing comes out any more, but the report tells of all
            kept = keep_candles(raw, found, self._policy)
            fold.kept(kept)
            if len(kept.open_time):
                yield kept.candles(raw, self.calendar, None)
        self._report = self._finished(fold)

    @override
    def open_times(self) -> Iterator[IntArray]:
        if self._policy is not BadCandles.REJECT:
            yield from super().open_times()
            return
        # what this leaves out is a fault, for which reading the candles raises
        ahead = max(CLOCK_SKEW, self.timeframe.approximate_micros)
        for time in self._raw.open_times():
            usable = (time >= FIRST_PLAUSIBLE) & (time < min(PAST_PLAUSIBLE, self._now + ahead))
            sane = time if usable.all() else time[usable]
            if len(sane) and int(sane[-1]) + 2 * self.timeframe.approximate_micros > self._now:
                sane = sane[self.timeframe.close_of(sane) <= self._now]
            yield sane

    @property
    @override
    def report(self) -> AdmissionReport | None:
        return self._report

    def _infer_calendar(self) -> Calendar:
        evidence = CalendarEvidence(self.timeframe)
        if not evidence.is_decided:
            for time in self.open_times():
                evidence.update(time)
                if evidence.is_decided:
                    break
        return evidence.calendar

    def _finished(self, fold: ReportFold) -> AdmissionReport:
        notes = self._raw.notes
        report = fold.report(notes)
        if self._policy is BadCandles.REJECT and fold.bad_rows:
            raise AdmissionError(rejection(report, fold.bad_rows), report)
        if not report.admitted:
            raise AdmissionError(nothing_left(report), report)
        return fold.report((*notes, inferred_note(self.calendar))) if self._inferred else report


def _refuse_disorder(raw: RawCandles, found: Examination) -> None:
    """Rows that go back in time: what a part before or behind them holds is not known here."""
    if not any(rule in found.broken for rule in _REPEATED):
        return
    usable = ~found.forming
    for rule in _NO_TIME:
        if rule in found.broken:
            usable &= ~found.broken[rule]
    rows = np.flatnonzero(usable)
    back = np.flatnonzero(np.diff(raw.open_time[rows]) < 0)
    if len(back):
        at = int(rows[back[0] + 1])
        raise out_of_order(raw.where, int(raw.line[at]), int(raw.open_time[at]))


def out_of_order(where: str, line: int, time: int) -> DataError:
    """Why rows that go back in time cannot be streamed."""
    return DataError(
        f"{where}: line {line:,} ({iso(time)}) is earlier than a line before it; candles are streamed "
        "oldest first, so sort the file, or read it as a whole (without --stream)"
    )
