"""Layouts and options of candle files, on small files written here."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.source import RawCandles, SourceRequest
from stratkernel.contracts.timeframes import HOUR, iso
from stratkernel.kernel.errors import UsageError
from stratkernel.sources.candle_file import CandleFileSource
from stratkernel.sources.layouts import LAYOUTS

Load = Callable[..., RawCandles]

HEAD = "open_time,open,high,low,close,volume"
BODY = "10,12,9,11,5"
T0 = 1_704_067_200  # 2024-01-01T00:00:00Z


def rows(times: list[Any], body: str = BODY) -> str:
    return "".join(f"{time},{body}\n" for time in times)


def own(times: list[Any], head: str = HEAD) -> str:
    return f"{head}\n{rows(times)}"


def hours(count: int, scale: int = 1) -> list[int]:
    return [(T0 + i * 3600) * scale for i in range(count)]


def opens(raw: RawCandles) -> list[str]:
    return [iso(time) for time in raw.open_time.tolist()]


THREE = ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"]


@pytest.mark.parametrize(
    "name", ["open_time", "timestamp", "Timestamp", "OPEN TIME", "date", "Datetime", "time", "unix"]
)
def test_open_time_column_is_found_by_its_names_in_any_case(load: Load, name: str) -> None:
    raw = load(own(THREE, f"{name},Open,HIGH,low,Close,Volume"))
    assert opens(raw) == THREE
    assert raw.columns["high"].tolist() == [12.0] * 3
    assert raw.line.tolist() == [2, 3, 4]


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_epoch_unit_is_guessed_and_said(load: Load, unit: str, scale: int) -> None:
    raw = load(own(hours(3, scale)))
    assert opens(raw) == THREE
    name = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[unit]
    assert f"times: epoch {name}, UTC" in raw.notes


@pytest.mark.parametrize("scale", [1_000, 1_000_000])
@pytest.mark.parametrize("header", [True, False])
def test_binance_klines_are_recognised_with_and_without_header_in_ms_and_us(
    load: Load, scale: int, header: bool
) -> None:
    head = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore\n"
    )
    lines = [f"{time},{BODY},{time + 3600 * scale - 1},1,2,3,4,0" for time in hours(3, scale)]
    raw = load((head if header else "") + "\n".join(lines))
    assert opens(raw) == THREE
    assert raw.notes[0] == "layout: Binance klines"
    assert raw.line[0] == (2 if header else 1)


def test_binance_file_that_changes_from_ms_to_us_is_read_in_both(load: Load) -> None:
    lines = [f"{time},{BODY},0,1,2,3,4,0" for time in (hours(3, 1000)[:2] + hours(3, 1_000_000)[2:])]
    raw = load("\n".join(lines))
    assert opens(raw) == THREE
    assert any("milliseconds and microseconds" in note for note in raw.notes)


@pytest.mark.parametrize(
    "body", [BODY + ",7", "10,12,9,11,10.5,5,7"], ids=["7-columns", "8-columns-with-vwap"]
)
def test_kraken_without_header_is_recognised_and_omits_empty_candles(load: Load, body: str) -> None:
    raw = load(rows(hours(3), body))
    assert raw.notes[0] == "layout: Kraken export"
    assert raw.columns["volume"].tolist() == [5.0] * 3
    assert raw.omits_empty
    assert not load(rows(hours(3), body), omits_empty=False).omits_empty


def test_cryptodatadownload_banner_symbol_and_order_are_understood(load: Load) -> None:
    text = "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
    text += "".join(
        f"{time}000,any,BTC/USD,10,{12 + i},9,11,5,55\n" for i, time in enumerate(reversed(hours(3)))
    )
    raw = load(text)
    assert opens(raw) == THREE
    assert raw.columns["high"].tolist() == [14.0, 13.0, 12.0]
    assert raw.columns["volume"].tolist() == [5.0] * 3
    assert raw.line.tolist() == [5, 4, 3]
    assert raw.symbol == "BTC/USD"
    assert "skipped 1 line(s) before the header" in raw.notes


def test_old_cryptodatadownload_twelve_hour_times_are_read_as_utc(load: Load) -> None:
    text = "Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD\n"
    text += "".join(f"2024-01-01 {hour},BTCUSD,{BODY},1\n" for hour in ("02-AM", "01-AM", "12-AM"))
    assert opens(load(text)) == THREE


def test_yahoo_close_is_used_as_it_is_and_adjusted_on_request(load: Load) -> None:
    text = (
        "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-01,10,12,8,10,5,100\n2024-01-02,6,8,4,5,5,100\n"
    )
    plain = load(text)
    assert plain.notes[0] == "layout: Yahoo Finance"
    assert plain.columns["close"].tolist() == [10.0, 5.0]
    assert any("Adj Close differs on 1 rows (--adjusted)" in note for note in plain.notes)
    adjusted = load(text, adjusted=True)
    assert [adjusted.columns[name][0] for name in ("open", "high", "low", "close", "volume")] == [
        5,
        6,
        4,
        5,
        100,
    ]


def test_adjusted_without_adj_close_is_a_usage_error(load: Load) -> None:
    with pytest.raises(UsageError, match="no column Adj Close for --adjusted"):
        load(own(THREE), adjusted=True)


def test_freqtrade_json_and_generic_json_forms_are_read(load: Load) -> None:
    lists = str([[time, 10, 12, 9, 11, 5] for time in hours(3, 1000)])
    assert load(lists, "x.json").notes[0] == "layout: freqtrade"
    frame = pd.read_csv(io.StringIO(own(THREE)))
    forms = [
        lists,
        frame.to_json(orient="records"),
        frame.to_json(orient="columns"),
        frame.to_json(orient="records", lines=True),
    ]
    for text in forms:
        assert text is not None
        assert opens(load(text, "x.json")) == THREE


def test_typed_files_are_read_in_every_resolution_and_zone(load: Load) -> None:
    for unit in ("s", "ms", "us", "ns"):
        for zone in ("UTC", "Asia/Tokyo"):
            index = pd.DatetimeIndex(THREE).as_unit(unit).tz_convert(zone)
            frame = pd.DataFrame(
                {"timestamp": index, "open": 10, "high": 12, "low": 9, "close": 11.0, "volume": 5}
            )
            parquet, feather = io.BytesIO(), io.BytesIO()
            frame.to_parquet(parquet)
            frame.to_feather(feather)
            assert opens(load(parquet.getvalue(), "x.parquet")) == THREE
            assert opens(load(feather.getvalue(), "x.feather")) == THREE


@pytest.mark.parametrize("name", ["open_time", None])
def test_parquet_with_times_in_the_index_is_read(load: Load, name: str | None) -> None:
    index = pd.DatetimeIndex(THREE, name=name)
    frame = pd.DataFrame({"open": 10, "high": 12, "low": 9, "close": 11.0, "volume": 5}, index=index)
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    assert opens(load(buffer.getvalue(), "x.parquet")) == THREE


def test_parquet_dates_decimals_and_dictionaries_are_read(load: Load) -> None:
    table = pa.table(
        {
            "date": pa.array([19723, 19724], pa.date32()),
            "symbol": pa.array(["A", "A"]).dictionary_encode(),
            "open": pa.array(["10.5", "10.5"]).cast(pa.decimal128(10, 2)),
            "high": pa.array([12, 12], pa.int32()),
            "low": pa.array([9, None], pa.float32()),
            "close": pa.array(["11", "oops"]).dictionary_encode(),
            "volume": pa.array([True, False]),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    raw = load(buffer.getvalue(), "x.parquet")
    assert opens(raw) == ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]
    assert raw.columns["open"].tolist() == [10.5, 10.5]
    assert raw.unreadable == {
        (1, "low"): "",
        (1, "close"): "oops",
        (0, "volume"): "True",
        (1, "volume"): "False",
    }


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_told(load: Load, delimiter: str) -> None:
    assert opens(load(own(THREE).replace(",", delimiter))) == THREE


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip().encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.replace(",", " , ").encode(),
        lambda text: text.replace("11", '"11"').encode(),
    ],
    ids=["bom", "utf-16", "crlf", "cr", "no-end", "blank-lines", "spaces", "quotes"],
)
def test_ways_to_write_the_same_text_give_the_same_candles(load: Load, encode: Any) -> None:
    raw = load(encode(own(THREE)))
    assert opens(raw) == THREE
    assert raw.unreadable == {}
    assert [raw.columns[name][2] for name in ("open", "high", "low", "close", "volume")] == [10, 12, 9, 11, 5]


def test_lines_are_counted_with_the_blank_ones(load: Load) -> None:
    assert load(own(THREE).replace("\n", "\n\n")).line.tolist() == [3, 5, 7]


def test_floats_are_read_to_the_last_bit_whatever_else_the_column_holds(load: Load) -> None:
    value = "0.1234567890123456789"
    clean = load(own(THREE).replace(",11,", f",{value},"))
    damaged = load(
        own([*THREE, "2024-01-01T03:00:00Z"]).replace(",11,", f",{value},", 3).replace(",11,", ",x,")
    )
    assert clean.columns["close"].tolist() == [float(value)] * 3
    assert damaged.columns["close"][:3].tolist() == [float(value)] * 3
    assert damaged.unreadable == {(3, "close"): "x"}


def test_symbol_comes_from_flag_file_or_name(load: Load) -> None:
    assert load(own(THREE), "btc_1h.csv").symbol == "btc_1h"
    assert "symbol btc_1h (the file's name; --symbol overrides)" in load(own(THREE), "btc_1h.csv").notes
    assert load(own(THREE), symbol="BTC/USD").symbol == "BTC/USD"
    named = own(THREE).replace("volume", "volume,ticker").replace(",5\n", ",5,BTC-USD\n")
    assert load(named).symbol == "BTC-USD"
    assert load(named, symbol="btc/usd").symbol == "btc/usd"
    with pytest.raises(UsageError, match=r"holds no symbol 'ETH'.*It holds: BTC-USD"):
        load(named, symbol="ETH")


def test_one_symbol_of_several_is_chosen_with_its_lines(load: Load) -> None:
    text = (
        "Ticker," + HEAD + "\n" + "".join(f"{name},{time},{BODY}\n" for time in THREE for name in ("A", "B"))
    )
    raw = load(text, symbol="B")
    assert opens(raw) == THREE
    assert raw.line.tolist() == [3, 5, 7]
    with pytest.raises(UsageError, match="choose one with --symbol: A, B"):
        load(text)


def test_many_symbols_are_listed_up_to_twenty(load: Load) -> None:
    text = "ticker," + HEAD + "\n" + "".join(f"S{i},{THREE[0]},{BODY}\n" for i in range(30))
    with pytest.raises(UsageError, match="S19 and 10 more"):
        load(text)


def test_options_override_what_would_be_inferred(load: Load) -> None:
    raw = load(
        own(THREE),
        order="newest-first",
        calendar="weekdays",
        venue="kraken",
        layout="ohlcv",
        omits_empty=True,
    )
    assert opens(raw) == THREE[::-1]
    assert raw.calendar is Calendar.WEEKDAYS
    assert (raw.venue, raw.omits_empty) == ("kraken", True)
    assert raw.notes[0] == "layout: columns by their names (given)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "binanse"}, "unknown --layout 'binanse'. Did you mean 'binance'"),
        ({"order": "up"}, "unknown --order 'up'"),
        ({"calendar": "always"}, "unknown --calendar 'always'; expected one of 24x7"),
        ({"tz": "Mars/Base"}, "unknown time zone --tz 'Mars/Base'"),
        ({"tz": "../etc/passwd"}, "unknown time zone"),
        ({"tz": "America"}, "unknown time zone"),
        ({"time_unit": "minutes"}, "unknown --time-unit 'minutes'"),
        ({"timezone": "UTC"}, "no option 'timezone'"),
    ],
)
def test_unknown_options_are_usage_errors(load: Load, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(own(hours(3)), **options)


def test_files_are_found_by_path_and_by_url(tmp_path: Path) -> None:
    path = tmp_path / "my candles.csv.gz"
    path.write_bytes(gzip.compress(own(THREE).encode()))
    for location in (str(path), path.as_uri()):
        raw = CandleFileSource().load(SourceRequest(location))
        assert opens(raw) == THREE
        assert raw.symbol == "my candles"
    with pytest.raises(UsageError, match="only files of this machine"):
        CandleFileSource().load(SourceRequest("file://elsewhere/x.csv"))


def test_arrays_of_a_source_are_read_only_so_that_the_gate_need_not_copy(load: Load) -> None:
    raw = load(own(THREE))
    assert not any(array.flags.writeable for array in (raw.open_time, *raw.columns.values()))
    assert raw.open_time.dtype == np.int64
    assert np.all(np.diff(raw.open_time) == HOUR)


def test_layout_names_are_distinct() -> None:
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)


def test_timeframe_that_the_candles_contradict_is_refused_on_weekdays_too(load: Load) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 31) if day % 7 not in (6, 0)]
    for given in ("1h", "12h", "1w"):
        with pytest.raises(UsageError, match=f"its candles are 1d, not {given}"):
            load(own(days), timeframe=given)
    assert load(own(days), timeframe="1d").timeframe.name == "1d"


def test_timeframe_shorter_than_it_seems_is_taken_where_empty_candles_are_omitted(load: Load) -> None:
    times = [T0 + 180 * i for i in range(20)]
    with pytest.raises(UsageError):
        load(own(times), timeframe="1m")
    assert load(own(times), timeframe="1m", omits_empty=True).timeframe.name == "1m"
