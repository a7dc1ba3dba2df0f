"""The gate for parts: the same candles and the same report as for all rows at once."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from stratkernel import Calendar, Candles, DataError, Timeframe
from stratkernel.contracts.admission import AdmissionError, admit
from stratkernel.contracts.admission_report import AdmissionReport, BadCandles
from stratkernel.contracts.calendars import CalendarEvidence, infer_calendar
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles, RawChunks
from stratkernel.contracts.timeframes import DAY, HOUR
from stratkernel.engine.streaming.gate import AdmittedChunks

NOW = datetime(2024, 6, 1, tzinfo=UTC)
FIRST = 1_700_006_400_000_000
FAULTS = (
    "nan",
    "huge",
    "negative",
    "volume",
    "high",
    "low",
    "unreadable",
    "unaligned",
    "future",
    "twice",
    "other",
)


class CutRows(RawChunks):
    """Raw candles cut at some rows."""

    def __init__(self, raw: RawCandles, cuts: Sequence[int]) -> None:
        self._raw = raw
        self._bounds = sorted({0, *(cut for cut in cuts if 0 < cut < len(raw.line)), len(raw.line)})
        self.symbol, self.timeframe, self.where = raw.symbol, raw.timeframe, raw.where

    @override
    def __iter__(self) -> Iterator[RawCandles]:
        for start, stop in zip(self._bounds, self._bounds[1:], strict=False):
            yield raw_candles(
                self._raw.open_time[start:stop],
                {name: values[start:stop] for name, values in self._raw.columns.items()},
                self._raw.line[start:stop],
            )


def raw_candles(open_time: Any, columns: Any, line: Any) -> RawCandles:
    return RawCandles("X", Timeframe("1h"), open_time, columns, line, "made")


def made_rows(seed: int, count: int, faults: Sequence[tuple[int, str]], start: int = FIRST) -> RawCandles:
    """Rows with faults, none of which goes back in time."""
    random = np.random.default_rng(seed)
    time = start + np.cumsum(random.choice([1, 1, 1, 3], count)) * HOUR
    close = 100 + random.normal(0, 1, count)
    columns = {"open": close + 0.1, "high": close + 1, "low": close - 1, "close": close, "volume": close}
    columns = {name: values.copy() for name, values in columns.items()}
    for row, fault in faults:
        if row < count:
            put_fault(time, columns, row, fault)
    return raw_candles(time, columns, np.arange(1, count + 1))


WRONG = {
    "nan": ("close", np.nan),
    "huge": ("high", np.inf),
    "negative": ("open", -1.0),
    "volume": ("volume", -5.0),
}


def put_fault(time: Any, columns: Any, row: int, fault: str) -> None:
    if fault in WRONG:
        column, value = WRONG[fault]
        columns[column][row] = value
    elif fault in {"high", "low"}:
        columns[fault][row] = columns["low" if fault == "high" else "high"][row]
    elif fault in {"twice", "other"} and row:
        time[row] = time[row - 1]
        for name in CANDLE_COLUMNS:
            columns[name][row] = columns[name][row - 1] + (fault == "other")
    else:
        wild = {"unreadable": UNREADABLE_TIME, "future": int(NOW.timestamp() * 1e6) + 900 * DAY}
        time[row] = wild.get(fault, time[row] + 60_000_000)


def whole(raw: RawCandles, policy: BadCandles) -> tuple[Candles | None, AdmissionReport | None, str]:
    try:
        candles = admit(raw, policy=policy, now=NOW)
    except AdmissionError as error:
        return None, error.report, str(error)
    return candles, candles.report, ""


def in_parts(raw: RawCandles, policy: BadCandles, cuts: Sequence[int]) -> tuple[Any, Any, str, Any]:
    chunks = AdmittedChunks(CutRows(raw, cuts), policy=policy, now=NOW)
    try:
        parts = list(chunks)
    except AdmissionError as error:
        return None, error.report, str(error), chunks.calendar
    return parts, chunks.report, "", chunks.calendar


@pytest.mark.parametrize("policy", list(BadCandles))
@settings(max_examples=120)
@given(
    seed=st.integers(0, 1_000),
    faults=st.lists(st.tuples(st.integers(0, 79), st.sampled_from(FAULTS)), max_size=10),
    cuts=st.lists(st.integers(1, 79), max_size=20),
    late=st.booleans(),
)
def test_gate_in_parts_gives_the_candles_and_report_of_all_rows(
    policy: BadCandles, seed: int, faults: list[tuple[int, str]], cuts: list[int], late: bool
) -> None:
    # of late rows the last are not over yet
    start = int(NOW.timestamp() * 1e6) - 100 * HOUR if late else FIRST
    raw = made_rows(seed, 80, faults, start)
    candles, report, message = whole(raw, policy)
    parts, parts_report, parts_message, calendar = in_parts(raw, policy, cuts)
    assert parts_message == message
    assert parts_report == report
    if candles is None:
        assert parts is None
        return
    assert calendar is candles.calendar
    assert np.concatenate([part.open_time for part in parts]).tolist() == candles.open_time.tolist()
    for name in CANDLE_COLUMNS:
        joined = np.concatenate([part.columns[name] for part in parts])
        assert joined.tobytes() == candles.columns[name].tobytes()
    marked = [np.zeros(len(part), bool) if part.marked is None else part.marked for part in parts]
    expected = np.zeros(len(candles), bool) if candles.marked is None else candles.marked
    assert np.concatenate(marked).tolist() == expected.tolist()


@pytest.mark.parametrize("policy", [BadCandles.REPAIR, BadCandles.FLAG])
@pytest.mark.parametrize("cuts", [[], [40], [39, 40, 41], list(range(1, 80))])
def test_gate_in_parts_rows_out_of_order_are_refused_whatever_the_parts(
    policy: BadCandles, cuts: list[int]
) -> None:
    raw = made_rows(1, 80, [])
    time = raw.open_time.copy()
    time[[20, 40]] = time[[40, 20]]
    with pytest.raises(DataError, match=r"line \d+ .* earlier than a line before it; .* sort the file"):
        in_parts(raw_candles(time, raw.columns, raw.line), policy, cuts)


def test_gate_in_parts_one_time_over_many_parts_stands_for_its_first_row() -> None:
    raw = made_rows(1, 12, [])
    time = raw.open_time.copy()
    time[3:9] = time[3]
    doubled = raw_candles(time, raw.columns, raw.line)
    for cuts in ([], [4], [3, 4, 5, 6, 7, 8, 9], [6, 10]):
        parts, report, _, _ = in_parts(doubled, BadCandles.REPAIR, cuts)
        candles, expected, _ = whole(doubled, BadCandles.REPAIR)
        assert candles is not None
        assert report == expected
        assert sum(map(len, parts)) == len(candles) == 7
        assert sum(0 if part.marked is None else int(part.marked.sum()) for part in parts) == 1


@settings(max_examples=150)
@given(
    start=st.integers(0, 13),
    days=st.integers(1, 40),
    hours=st.sampled_from([(0, 24), (14, 20), (0, 22), (20, 24)]),
    off=st.sampled_from([(), (5, 6), (5,), (6,), (0, 5, 6)]),
    sunday_from=st.sampled_from([0, 12, 22]),
    cuts=st.lists(st.integers(1, 900), max_size=10),
)
def test_calendar_evidence_in_parts_is_that_of_all_times(
    start: int, days: int, hours: tuple[int, int], off: tuple[int, ...], sunday_from: int, cuts: list[int]
) -> None:
    time = (FIRST // DAY + start) * DAY + np.arange(days * 24, dtype=np.int64) * HOUR
    weekday, hour = (time // DAY + 3) % 7, time // HOUR % 24
    keep = (hour >= hours[0]) & (hour < hours[1]) & ~np.isin(weekday, off)
    time = time[keep & ((weekday != 6) | (hour >= sunday_from))]
    evidence = CalendarEvidence(Timeframe("1h"))
    for part in np.split(time, sorted(cut for cut in cuts if cut < len(time))):
        evidence.update(part)
        if evidence.is_decided:
            break
    assert evidence.calendar is infer_calendar(time, Timeframe("1h"))


def test_gate_in_parts_given_calendar_reads_no_times_beforehand() -> None:
    class NotTwice(CutRows):
        def open_times(self) -> Iterator[Any]:
            raise AssertionError("the open times were read")

    chunks = AdmittedChunks(NotTwice(made_rows(1, 30, []), [9]), now=NOW, calendar=Calendar.SESSIONS)
    assert chunks.calendar is Calendar.SESSIONS
    assert sum(map(len, chunks)) == 30
