"""The admission gate: rules, policies, clock, report."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from stratkernel.contracts.admission import AdmissionError, BadCandles, admit
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles
from stratkernel.contracts.timeframes import HOUR, Timeframe, iso
from stratkernel.kernel.errors import DataError, PluginContractError, UsageError

START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LATER = datetime(2025, 1, 1, tzinfo=UTC)
GOOD = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0}


def raw_candles(
    count: int = 6,
    cells: Mapping[tuple[int, str], float] | None = None,
    times: Mapping[int, int] | None = None,
    **changes: Any,
) -> RawCandles:
    """Good hourly candles, some cells or times replaced; closes differ so that rows can be told apart."""
    open_time = START + np.arange(count, dtype=np.int64) * HOUR
    columns = {name: np.full(count, GOOD[name]) for name in CANDLE_COLUMNS}
    columns["close"] += np.arange(count) % 50 / 100
    for (row, name), value in (cells or {}).items():
        columns[name][row] = value
    for row, time in (times or {}).items():
        open_time[row] = time
    given: dict[str, Any] = {
        "symbol": "X",
        "timeframe": Timeframe("1h"),
        "open_time": open_time,
        "columns": columns,
        "line": np.arange(2, count + 2),
        "where": "x.csv",
    }
    return RawCandles(**{**given, **changes})


def rejection(raw: RawCandles, now: datetime = LATER) -> AdmissionError:
    with pytest.raises(AdmissionError) as caught:
        admit(raw, now=now)
    return caught.value


BAD_CELLS = [
    pytest.param("close", np.nan, "readable", id="nan"),
    pytest.param("high", np.inf, "finite", id="inf"),
    pytest.param("low", -np.inf, "finite", id="minus-inf"),
    pytest.param("open", 0.0, "positive", id="zero"),
    pytest.param("low", -3.0, "positive", id="negative"),
    pytest.param("high", 1e308, "finite", id="1e308"),
    pytest.param("volume", 1e308, "finite", id="volume-1e308"),
    pytest.param("volume", -1.0, "volume", id="negative-volume"),
    pytest.param("volume", np.nan, "readable", id="no-volume"),
    pytest.param("low", 5e-324, "positive", id="denormal"),
]


@pytest.mark.parametrize(("column", "value", "rule"), BAD_CELLS)
def test_f6_bad_value_is_rejected_with_line_column_value_and_rule(
    column: str, value: float, rule: str
) -> None:
    error = rejection(raw_candles(cells={(2, column): value}))
    faults = {(fault.line, fault.column, fault.rule) for fault in error.report.faults}
    assert (4, column, rule) in faults
    assert {line for line, _, _ in faults} == {4}
    assert "1 of 6 candles are bad" in str(error)
    assert f"line 4 ({iso(START + 2 * HOUR)}), {column} " in str(error)
    assert "--bad-candles repair or flag" in str(error)


@pytest.mark.parametrize("policy", [BadCandles.REPAIR, BadCandles.FLAG])
@pytest.mark.parametrize(("column", "value", "rule"), BAD_CELLS)
def test_f6_bad_value_is_dropped_and_counted_when_candles_are_repaired_or_flagged(
    policy: BadCandles, column: str, value: float, rule: str
) -> None:
    candles = admit(raw_candles(cells={(2, column): value}), policy=policy, now=LATER)
    assert START + 2 * HOUR not in candles.open_time
    assert candles.report is not None
    assert (candles.report.admitted, candles.report.dropped) == (5, 1)
    assert candles.report.rules[rule] == 1


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ({(1, "high"): 10.5}, {"high": 1}),
        ({(1, "low"): 10.5}, {"low": 1}),
        ({(1, "high"): 9.0, (1, "low"): 12.0}, {"high": 1, "low": 1}),
    ],
    ids=["high-below-close", "low-above-open", "high-below-low"],
)
def test_f6_high_and_low_that_do_not_enclose_the_body_are_rejected_widened_or_marked(
    cells: dict[tuple[int, str], float], rules: dict[str, int]
) -> None:
    raw = raw_candles(cells=cells)
    assert rejection(raw).report.rules == rules
    repaired = admit(raw, policy=BadCandles.REPAIR, now=LATER)
    assert repaired.columns.high[1] >= 11.01
    assert repaired.columns.low[1] <= 10.0
    flagged = admit(raw, policy=BadCandles.FLAG, now=LATER)
    for candles in (repaired, flagged):
        assert candles.marked is not None
        assert candles.marked.tolist() == [False, True, False, False, False, False]
    assert {(1, name): flagged.columns[name][1] for _, name in cells} == cells
    assert repaired.report is not None
    assert repaired.report.repaired == 1
    assert flagged.report is not None
    assert flagged.report.repaired == 0


def test_f6_text_where_a_number_belongs_is_quoted_in_the_report() -> None:
    raw = raw_candles(cells={(1, "open"): np.nan}, unreadable={(1, "open"): "n/a"})
    assert "open 'n/a': expected a number" in str(rejection(raw))


@pytest.mark.parametrize("policy", list(BadCandles))
def test_f7_valid_hundredfold_spike_is_admitted_unmarked(policy: BadCandles) -> None:
    spike = {(3, name): GOOD[name] * 100 for name in ("open", "high", "low", "close")}
    candles = admit(raw_candles(cells=spike), policy=policy, now=LATER)
    assert len(candles) == 6
    assert candles.marked is None
    assert candles.columns.close[3] == 1100.0


@pytest.mark.parametrize("policy", list(BadCandles))
def test_f5_forming_candle_is_left_out_by_the_clock(policy: BadCandles) -> None:
    last_open = datetime(2024, 1, 1, 5, tzinfo=UTC)
    before_close = admit(raw_candles(), policy=policy, now=last_open + timedelta(minutes=59, seconds=59))
    assert len(before_close) == 5
    assert before_close.report is not None
    assert before_close.report.forming == 1
    assert before_close.report.dropped == 0
    assert "not over yet" in before_close.report.text()
    at_close = admit(raw_candles(), policy=policy, now=last_open + timedelta(hours=1))
    assert len(at_close) == 6


def test_f5_complete_last_row_is_kept() -> None:
    assert len(admit(raw_candles(), now=LATER)) == 6


def test_f5_forming_candle_that_is_not_the_last_row_is_left_out() -> None:
    raw = raw_candles(times={0: START + 6 * HOUR, 5: START})
    candles = admit(raw, policy=BadCandles.REPAIR, now=datetime(2024, 1, 1, 6, 30, tzinfo=UTC))
    assert candles.open_time.max() == START + 4 * HOUR


def test_f5_bad_values_of_a_forming_candle_are_no_fault() -> None:
    raw = raw_candles(cells={(5, "close"): np.nan})
    candles = admit(raw, now=datetime(2024, 1, 1, 5, 30, tzinfo=UTC))
    assert len(candles) == 5
    assert candles.report is not None
    assert candles.report.rules == {}


def test_f5_forming_month_is_left_out_until_the_month_is_over() -> None:
    firsts = np.array(["2024-01", "2024-02"], "datetime64[M]").astype("datetime64[us]").astype(np.int64)
    raw = raw_candles(2, times=dict(enumerate(firsts.tolist())), timeframe=Timeframe("1M"))
    assert len(admit(raw, now=datetime(2024, 2, 29, 23, tzinfo=UTC))) == 1
    assert len(admit(raw, now=datetime(2024, 3, 1, tzinfo=UTC))) == 2


def test_f8_future_candle_beyond_clock_skew_is_bad() -> None:
    error = rejection(raw_candles(), now=datetime(2024, 1, 1, 2, tzinfo=UTC))
    assert error.report.rules == {"future": 2}
    assert error.report.forming == 2


@pytest.mark.parametrize(
    ("time", "guess"),
    [
        (START // 1000, "s read as ms, ms read as us or us read as ns"),
        (START // 1_000_000, "s read as us or ms read as ns"),
        (START // 1_000_000_000, "s read as ns"),
        (START * 1000, "ms read as s, us read as ms or ns read as us"),
    ],
)
def test_f8_implausible_year_is_rejected_with_a_guess_of_the_unit(time: int, guess: str) -> None:
    error = rejection(raw_candles(times={3: time}))
    assert error.report.rules == {"year": 1}
    assert guess in str(error)
    assert "--time-unit" in str(error)


@pytest.mark.parametrize("time", ["1969-12-31", "1970-12-31T23", "2262-01-01", "9000-01-01"])
def test_f8_years_before_1971_and_from_2262_on_are_bad(time: str) -> None:
    micros = int(np.datetime64(time, "us").astype(np.int64))
    assert rejection(raw_candles(times={1: micros})).report.rules == {"year": 1}


def test_f8_unreadable_time_is_quoted_and_does_not_condemn_the_rows_after_it() -> None:
    raw = raw_candles(times={1: UNREADABLE_TIME}, unreadable={(1, "open_time"): "2016-12-31 23:59:60"})
    error = rejection(raw)
    assert error.report.rules == {"readable": 1}
    assert "line 3, open_time '2016-12-31 23:59:60': expected a time" in str(error)


def test_f8_unaligned_open_time_is_bad_and_dropped() -> None:
    raw = raw_candles(times={2: START + 2 * HOUR + 1})
    assert rejection(raw).report.rules == {"aligned": 1}
    assert len(admit(raw, policy=BadCandles.FLAG, now=LATER)) == 5


def test_f13_all_equal_prices_are_admitted() -> None:
    flat = {(row, name): 7.0 for row in range(6) for name in ("open", "high", "low", "close")}
    halted = {(row, "volume"): 0.0 for row in range(6)}
    candles = admit(raw_candles(cells=flat | halted), now=LATER)
    assert len(candles) == 6
    assert candles.marked is None


def test_f13_one_candle_is_admitted() -> None:
    assert len(admit(raw_candles(1), now=LATER)) == 1


@pytest.mark.parametrize("policy", list(BadCandles))
def test_f13_empty_history_is_an_error_that_says_so(policy: BadCandles) -> None:
    with pytest.raises(DataError, match="there are no candles in it"):
        admit(raw_candles(0), policy=policy, now=LATER)


def test_admit_with_nothing_left_says_why() -> None:
    cells = {(row, "close"): -1.0 for row in range(6)}
    with pytest.raises(AdmissionError, match="no candle is left of 6: 6 broke the rule 'positive'"):
        admit(raw_candles(cells=cells), policy=BadCandles.FLAG, now=LATER)
    with pytest.raises(AdmissionError, match="1 not over yet by the clock"):
        admit(raw_candles(1), now=datetime(2024, 1, 1, 0, 30, tzinfo=UTC))


def test_repair_sorts_rows_and_leaves_them_unmarked() -> None:
    raw = raw_candles(times={1: START + 2 * HOUR, 2: START + HOUR})
    assert rejection(raw).report.rules == {"ordered": 1}
    candles = admit(raw, policy=BadCandles.REPAIR, now=LATER)
    assert candles.open_time.tolist() == [START + i * HOUR for i in range(6)]
    assert candles.columns.close[:3].tolist() == [11.0, 11.02, 11.01]
    assert candles.marked is None
    flagged = admit(raw, policy=BadCandles.FLAG, now=LATER)
    assert flagged.marked is not None
    assert flagged.marked.tolist() == [False, True, False, False, False, False]


def test_exact_duplicate_is_dropped_without_a_mark() -> None:
    raw = raw_candles(cells={(3, "close"): 11.02}, times={3: START + 2 * HOUR})
    assert rejection(raw).report.rules == {"duplicate": 1}
    candles = admit(raw, policy=BadCandles.REPAIR, now=LATER)
    assert len(candles) == 5
    assert candles.marked is None


def test_conflicting_duplicate_keeps_the_first_and_marks_it() -> None:
    raw = raw_candles(times={3: START + 2 * HOUR})
    assert rejection(raw).report.rules == {"conflict": 1}
    for policy in (BadCandles.REPAIR, BadCandles.FLAG):
        candles = admit(raw, policy=policy, now=LATER)
        assert candles.columns.close[2] == 11.02
        assert candles.marked is not None
        assert candles.marked.tolist() == [False, False, True, False, False]


def test_duplicate_of_a_bad_row_is_the_one_that_stays() -> None:
    raw = raw_candles(cells={(2, "open"): -1.0}, times={3: START + 2 * HOUR})
    candles = admit(raw, policy=BadCandles.REPAIR, now=LATER)
    assert candles.columns.close[2] == 11.03
    assert candles.marked is None


def test_report_keeps_a_thousand_faults_and_counts_all() -> None:
    raw = raw_candles(3000, cells={(row, "volume"): -1.0 for row in range(1, 3000)})
    report = rejection(raw).report
    assert len(report.faults) == 1000
    assert report.fault_count == 2999
    assert report.rules == {"volume": 2999}
    assert [fault.line for fault in report.faults] == list(range(3, 1003))


def test_report_as_dict_is_plain_and_as_text_is_cut() -> None:
    raw = raw_candles(cells={(1, "high"): 1.0, (2, "high"): 1.0}, notes=("layout: ours",))
    candles = admit(raw, policy=BadCandles.REPAIR, now=LATER)
    assert candles.report is not None
    assert candles.report.to_dict() == {
        "where": "x.csv",
        "policy": "repair",
        "rows": 6,
        "forming": 0,
        "admitted": 6,
        "dropped": 0,
        "marked": 2,
        "repaired": 2,
        "fault_count": 2,
        "rules": {"high": 2},
        "faults": [
            {
                "line": line,
                "open_time": f"2024-01-01T0{line - 2}:00:00Z",
                "column": "high",
                "value": "1",
                "rule": "high",
                "message": "high must be at least max(open, close)",
            }
            for line in (3, 4)
        ],
        "notes": ["layout: ours", "calendar 24x7 (inferred; --calendar overrides)"],
    }
    text = candles.report.text(1)
    assert "line 3" in text
    assert "line 4" not in text
    assert "and 1 more" in text
    assert "layout: ours" in text


def test_admitted_arrays_cannot_be_written_to_and_are_not_the_source_s() -> None:
    raw = raw_candles()
    candles = admit(raw, now=LATER)
    raw.columns["close"][0] = 99.0
    raw.open_time[0] = 0
    assert candles.columns.close[0] == 11.0
    assert candles.open_time[0] == START
    for array in (candles.open_time, candles.close_time, *(candles.columns[n] for n in CANDLE_COLUMNS)):
        assert array.flags.c_contiguous
        base = array if array.base is None else array.base
        assert not base.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_arrays_that_nobody_can_write_to_are_not_copied() -> None:
    raw = raw_candles()
    for array in (raw.open_time, *raw.columns.values()):
        array.flags.writeable = False
    candles = admit(raw, now=LATER)
    assert np.shares_memory(candles.columns.close, raw.columns["close"])


def test_calendar_given_wins_over_the_source_s_and_that_over_the_inferred() -> None:
    of_source = raw_candles(calendar=Calendar.WEEKDAYS)
    assert admit(of_source, now=LATER, calendar=Calendar.SESSIONS).calendar is Calendar.SESSIONS
    assert admit(of_source, now=LATER).calendar is Calendar.WEEKDAYS
    inferred = admit(raw_candles(), now=LATER)
    assert inferred.calendar is Calendar.ALWAYS
    assert inferred.report is not None
    assert inferred.report.notes == ("calendar 24x7 (inferred; --calendar overrides)",)


def test_admit_with_naive_now_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="needs a time zone"):
        admit(raw_candles(), now=datetime(2024, 1, 1))  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize(
    "columns",
    [
        {name: np.ones(3) for name in CANDLE_COLUMNS},
        {name: np.ones(6, dtype=np.float32) for name in CANDLE_COLUMNS},
        {name: np.ones(6) for name in CANDLE_COLUMNS[:-1]},
        {name: [1.0] * 6 for name in CANDLE_COLUMNS},
    ],
    ids=["short", "float32", "missing", "list"],
)
def test_columns_that_a_source_must_not_give_are_a_contract_error(columns: dict[str, Any]) -> None:
    with pytest.raises(PluginContractError, match="the source gave no usable"):
        admit(raw_candles(columns=columns), now=LATER)
