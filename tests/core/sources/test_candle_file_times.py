"""F8: open times in every form, normalised or refused with the way out."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from stratkernel.contracts.admission import AdmissionError, admit
from stratkernel.contracts.source import RawCandles
from stratkernel.contracts.timeframes import iso
from stratkernel.kernel.errors import DataError, StratkernelError, UsageError

Load = Callable[..., RawCandles]

T0 = 1_704_067_200


def own(times: list[Any]) -> str:
    return "open_time,open,high,low,close,volume\n" + "".join(f"{time},10,12,9,11,5\n" for time in times)


def opens(raw: RawCandles) -> list[str]:
    return [iso(time) for time in raw.open_time.tolist()]


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"],
        ["2024-01-01 00:00:00+00:00", "2024-01-01 01:00:00+00:00"],
        ["2024-01-01 00:00 UTC", "2024-01-01 01:00 UTC"],
        ["2024-01-01T00:00:00.000000000Z", "2024-01-01T01:00:00.000000000Z"],
        ["2024-01-01T00:00:00.000Z", "2024-01-01T01:00:00.000Z"],
        ["2024/01/01 02:00:00+0200", "2024/01/01 03:00:00+0200"],
        ["2023-12-31T19:00-05", "2023-12-31T20:00-05"],
        [f"{T0}.0", f"{T0 + 3600}.0"],
        [f"{T0 / 1e9:.9f}e9", f"{(T0 + 3600) / 1e9:.9f}e9"],
    ],
)
def test_f8_zoned_times_and_epochs_are_normalised_to_utc(load: Load, times: list[str]) -> None:
    assert opens(load(own(times))) == ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]


@pytest.mark.parametrize(
    "times", [["2024-01-01", "2024-01-02"], ["2024/01/01", "2024/01/02"], ["20240101", "20240102"]]
)
@pytest.mark.parametrize("tz", [None, "America/New_York"])
def test_f8_bare_date_is_that_utc_day_whatever_the_zone(load: Load, times: list[str], tz: str | None) -> None:
    raw = load(own(times), tz=tz)
    assert opens(raw) == ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]
    assert any("is not used" in note for note in raw.notes) == (tz is not None)


@pytest.mark.parametrize("form", ["{} 00:00", "{}T00:00:00", "{} 00:00:00.000"])
def test_f8_naive_date_times_ask_for_tz(load: Load, form: str) -> None:
    with pytest.raises(UsageError, match=r"no zone \(line 2: 2024-01-01.*say it with --tz"):
        load(own([form.format(day) for day in ("2024-01-01", "2024-01-02")]))


def test_f8_naive_typed_times_ask_for_tz(load: Load, tmp_path: Any) -> None:
    index = pd.date_range("2024-01-01", periods=3, freq="h", name="open_time")
    frame = pd.DataFrame({"open": 10, "high": 12, "low": 9, "close": 11, "volume": 5}, index=index)
    frame.to_parquet(tmp_path / "y.parquet")
    data = (tmp_path / "y.parquet").read_bytes()
    with pytest.raises(UsageError, match=r"no zone \(line 1: 2024-01-01T00:00:00\); say it with --tz"):
        load(data, "x.parquet")
    assert opens(load(data, "x.parquet", tz="Europe/Berlin"))[0] == "2023-12-31T23:00:00Z"


@pytest.mark.parametrize("tz", ["Europe/Berlin", "+01:00", "UTC+01:00"])
def test_f8_naive_times_are_read_in_the_zone_given(load: Load, tz: str) -> None:
    raw = load(own(["2024-01-01 01:00", "2024-01-01 02:00"]), tz=tz)
    assert opens(raw) == ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00"],
        ["2024-01-01", "2024-01-02 00:00"],
        [str(T0), "2024-01-01T01:00:00Z"],
    ],
)
def test_f8_mixed_forms_of_time_are_refused_with_an_example_of_each(load: Load, times: list[str]) -> None:
    with pytest.raises(
        DataError, match=r"mixes .*\(line 2: .* and .*\(line 3: .*write all times in one form"
    ):
        load(own(times), tz="UTC")


def test_f8_mixed_zones_are_refused(load: Load) -> None:
    times = ["2024-01-01T00:00:00+00:00", "2024-01-01T03:00:00+02:00", "2024-01-01T02:00:00+00:00"]
    with pytest.raises(DataError, match=r"mixes time zones: line 2 .* line 3 .*write all times in UTC"):
        load(own(times))


def test_f8_offsets_that_follow_summer_time_are_one_zone(load: Load) -> None:
    times = ["2024-03-31T00:00:00+01:00", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"]
    raw = load(own(times))
    assert opens(raw) == ["2024-03-30T23:00:00Z", "2024-03-31T00:00:00Z", "2024-03-31T01:00:00Z"]
    assert any("summer time" in note for note in raw.notes)


def test_f8_time_that_clocks_skip_is_refused(load: Load) -> None:
    times = ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]
    with pytest.raises(
        UsageError, match=r"line 3: 2024-03-31 02:00:00 does not exist in Europe/Berlin.*--tz"
    ):
        load(own(times), tz="Europe/Berlin")


@pytest.mark.parametrize("turned", [False, True])
def test_f8_repeated_hour_is_told_apart_by_the_order_of_rows(load: Load, turned: bool) -> None:
    local = [f"2024-10-27 {time}" for time in ("01:00", "01:30", "02:00", "02:30", "02:00", "02:30", "03:00")]
    raw = load(own(local[::-1] if turned else local), tz="Europe/Berlin")
    assert opens(raw) == [f"2024-10-{day}" for day in (
        "26T23:00:00Z", "26T23:30:00Z", "27T00:00:00Z", "27T00:30:00Z", "27T01:00:00Z", "27T01:30:00Z",
        "27T02:00:00Z",
    )]  # fmt: skip
    assert any("clocks repeat" in note for note in raw.notes)


def test_f8_repeated_hour_that_stands_there_once_is_refused(load: Load) -> None:
    times = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 03:00"]
    with pytest.raises(UsageError, match=r"line 3: 2024-10-27 02:00:00 happens twice in Europe/Berlin.*--tz"):
        load(own(times), tz="Europe/Berlin")
    assert len(load(own(times), tz="+01:00").open_time) == 3


@pytest.mark.parametrize("odd", ["2016-12-31T23:59:60Z", "2024-02-30T00:00:00Z", "yesterday", "", "7"])
def test_f8_leap_second_and_impossible_days_become_bad_candles(load: Load, odd: str) -> None:
    raw = load(own([*(f"2024-01-01T0{i}:00:00Z" for i in range(5)), odd]))
    with pytest.raises(AdmissionError) as caught:
        admit(raw)
    assert [(fault.line, fault.column, fault.rule) for fault in caught.value.report.faults] == [
        (7, "open_time", "readable")
    ]
    assert repr(odd) in str(caught.value)


@pytest.mark.parametrize("text", ["31/12/2023", "Jan 1 2024", "12:00"])
def test_f8_times_in_an_unknown_form_are_refused_and_quoted(load: Load, text: str) -> None:
    with pytest.raises(DataError, match=f"line 2: '{text}' is no open time; expected ISO 8601"):
        load(own([text, text]))


def test_f8_epoch_of_another_unit_than_said_names_the_right_one(load: Load) -> None:
    text = own([(T0 + i * 3600) * 1000 for i in range(3)])
    with pytest.raises(
        DataError, match=r"as milliseconds it would be 2024-01-01T00:00:00Z: use --time-unit ms"
    ):
        load(text, time_unit="s")
    with pytest.raises(DataError, match="use --time-unit ms"):
        load(text, time_unit="ns")


@pytest.mark.parametrize(
    "times", [[0, 1, 2], [-5, 10, 25], [1e30, 2e30, 3e30], [-1e303, 0, 5], ["1e400", "1e400", "1e400"]]
)
def test_f8_numbers_that_are_no_epoch_are_refused(load: Load, times: list[Any]) -> None:
    with pytest.raises(StratkernelError):
        admit(load(own(times), timeframe="1h"))


def test_f8_single_implausible_epoch_is_a_bad_candle(load: Load) -> None:
    with pytest.raises(AdmissionError) as caught:
        admit(load(own([T0, T0 + 3600, 0, T0 + 10800])))
    assert caught.value.report.rules == {"year": 1}


def test_f8_unaligned_times_are_bad_candles(load: Load) -> None:
    with pytest.raises(AdmissionError, match="does not open a candle of 1h"):
        admit(load(own([T0 + 60 + i * 3600 for i in range(4)])))


def test_date_and_time_in_two_columns_are_joined(load: Load) -> None:
    text = "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOLUME>\n"
    text += "".join(f"2024-01-01,0{hour}:00:00,10,12,9,11,5\n" for hour in range(3))
    assert opens(load(text, tz="UTC"))[2] == "2024-01-01T02:00:00Z"
