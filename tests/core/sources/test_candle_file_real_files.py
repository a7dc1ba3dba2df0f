"""Every real file is read as what it is; originals equal their twins."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stratkernel.contracts.admission import admit
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import SourceRequest
from stratkernel.contracts.timeframes import iso
from stratkernel.kernel.errors import UsageError
from stratkernel.sources.candle_file import CandleFileSource

BINANCE_HEADED = "binance_klines_BTCUSDT-1h-2023-01_12col_header.csv"
BINANCE_BARE = "DERIVED_binance_klines_BTCUSDT-1h-2023-01_12col_NOHEADER.csv"
BOKEH = "bokeh_sampledata_stocks_publicdomain.csv.gz"
CDD = "cryptodatadownload_BTC_USD-Hourly_newest_first.csv.gz"
FREQTRADE_FEATHER = "freqtrade_ETH_BTC-5m.feather"
FREQTRADE_JSON = "freqtrade_UNITTEST_BTC-1m.json"
KRAKEN = "kraken_export_XBTUSDC_1m_noheader_epoch_s.csv.gz"
SKENDER = "skender_intraday_BOM_naive_local.csv"
YAHOO = "yahoo_BTC-USD_daily_adjclose.csv"


def read(path: Path, symbol: str | None = None, **options: Any) -> Candles:
    return admit(CandleFileSource().load(SourceRequest(str(path), symbol, None, options)))


@dataclass(frozen=True)
class Original:
    """What an original file must be read as, by looking at it."""

    name: str
    layout: str
    timeframe: str
    rows: int
    first: str
    last: str
    first_close: float


ORIGINALS = [
    Original(BINANCE_HEADED, "binance", "1h", 744, "2023-01-01T00:00:00Z", "2023-01-31T23:00:00Z", 16529.67),
    Original(BINANCE_BARE, "binance", "1h", 744, "2023-01-01T00:00:00Z", "2023-01-31T23:00:00Z", 16529.67),
    Original(CDD, "cryptodatadownload", "1h", 33259, "2018-05-15T06:00:00Z", "2022-03-01T00:00:00Z", 8740.99),
    Original(
        FREQTRADE_FEATHER, "freqtrade", "5m", 5760, "2018-01-10T04:55:00Z", "2018-01-30T04:50:00Z", 0.0994766
    ),
    Original(
        FREQTRADE_JSON, "freqtrade", "1m", 13681, "2017-11-04T23:02:00Z", "2017-11-14T22:59:00Z", 0.00162008
    ),
    Original(KRAKEN, "kraken", "1m", 56717, "2023-01-01T00:00:00Z", "2023-03-31T23:59:00Z", 16522.66),
    Original(YAHOO, "yahoo", "1d", 1827, "2017-10-10T00:00:00Z", "2022-10-10T00:00:00Z", 4781.990234),
]


@pytest.mark.parametrize("original", ORIGINALS, ids=lambda original: original.name)
def test_original_file_is_read_without_flags(shared_data: Path, original: Original) -> None:
    path = shared_data / "originals" / original.name
    candles = read(path)
    assert (str(candles.timeframe), len(candles)) == (original.timeframe, original.rows)
    assert (iso(int(candles.open_time[0])), iso(int(candles.open_time[-1]))) == (
        original.first,
        original.last,
    )
    assert candles.columns.close[0] == original.first_close
    assert candles.calendar is Calendar.ALWAYS
    assert candles.omits_empty == (original.layout == "kraken")
    assert candles.marked is None
    assert candles.data_hash == read(path, layout=original.layout).data_hash


TWINS = [
    (CDD, "cdd_bitstamp_BTCUSD_1h", None),
    (KRAKEN, "kraken_BTCUSDC_1m", None),
    (BOKEH, "bokehpd_AAPL_1d", "AAPL"),
    (BOKEH, "bokehpd_MSFT_1d", "MSFT"),
]


@pytest.mark.parametrize(("original", "twin", "symbol"), TWINS, ids=[row[1] for row in TWINS])
def test_original_file_equals_its_parquet_twin_bit_for_bit(
    shared_data: Path, original: str, twin: str, symbol: str | None
) -> None:
    ours = read(shared_data / "originals" / original, symbol)
    theirs = pd.read_parquet(shared_data / f"{twin}.parquet")
    times = pd.DatetimeIndex(theirs["timestamp"]).as_unit("us").asi8
    np.testing.assert_array_equal(ours.open_time, times)
    for name in CANDLE_COLUMNS:
        np.testing.assert_array_equal(ours.columns[name], theirs[name].to_numpy(), err_msg=name)
    assert ours.data_hash == read(shared_data / f"{twin}.parquet").data_hash


def test_freqtrade_json_is_read_to_the_last_bit_where_its_twin_was_not(shared_data: Path) -> None:
    """The twin went through a JSON parser that rounds; the decimals of the file are what counts."""
    path = shared_data / "originals" / FREQTRADE_JSON
    ours = read(path)
    decimals = np.array(ast.literal_eval(path.read_text()), dtype=np.float64)
    twin = pd.read_parquet(shared_data / "freqtrade_UNITTEST_BTC_1m.parquet")
    np.testing.assert_array_equal(ours.open_time, decimals[:, 0].astype(np.int64) * 1000)
    for i, name in enumerate(CANDLE_COLUMNS, 1):
        np.testing.assert_array_equal(ours.columns[name], decimals[:, i])
        np.testing.assert_allclose(ours.columns[name], twin[name], rtol=2.3e-16)


def test_every_parquet_file_agrees_with_the_manifest(shared_data: Path) -> None:
    manifest = pd.read_csv(shared_data / "manifest.csv")
    assert len(manifest) > 20
    for row in manifest.itertuples():
        candles = read(shared_data / str(row.file))
        first, last = (pd.Timestamp(str(when), tz="UTC").isoformat()[:16] for when in (row.first, row.last))
        assert (str(candles.timeframe), len(candles)) == (row.tf, row.rows), row.file
        assert (iso(int(candles.open_time[0]))[:16], iso(int(candles.open_time[-1]))[:16]) == (first, last), (
            row.file
        )
        expected = Calendar.ALWAYS if row.calendar == "24x7" else Calendar.SESSIONS
        assert candles.calendar is expected, row.file


def test_file_of_several_tickers_asks_for_one(shared_data: Path) -> None:
    with pytest.raises(UsageError, match=r"5 symbols; choose one with --symbol: AAPL, FB, GOOG, IBM, MSFT"):
        read(shared_data / "originals" / BOKEH)


def test_naive_intraday_file_asks_for_its_zone_and_is_read_in_it(shared_data: Path) -> None:
    path = shared_data / "originals" / SKENDER
    with pytest.raises(UsageError, match=r"no zone \(line 2: 2020-12-15 09:30\); say it with --tz"):
        read(path)
    candles = read(path, tz="America/New_York")
    assert len(candles) == 1564
    assert iso(int(candles.open_time[0])) == "2020-12-15T14:30:00Z"
    assert candles.calendar is Calendar.SESSIONS
    assert candles.columns.open[0] == 367.4


def test_newest_first_file_says_that_it_was_turned_round(shared_data: Path) -> None:
    raw = CandleFileSource().load(SourceRequest(str(shared_data / "originals" / CDD)))
    assert "order: newest first in the file; turned round" in raw.notes
    assert "layout: CryptoDataDownload" in raw.notes
    assert raw.symbol == "BTC/USD"
    assert raw.line[[0, -1]].tolist() == [33260, 2]


def test_volume_unit_change_in_the_bitstamp_file_is_left_as_it_is(shared_data: Path) -> None:
    """The vendor's `volume` is in dollars before October 2020 and in coins after: valid, so admitted."""
    candles = read(shared_data / "originals" / CDD)
    early = candles.open_time < int(pd.Timestamp("2020-10-01").timestamp()) * 1_000_000
    medians = np.median(candles.columns.volume[early]), np.median(candles.columns.volume[~early])
    assert medians[0] > 1000 * medians[1]
    assert candles.marked is None


def test_adjusted_prices_of_the_stocks_have_no_split_left(shared_data: Path) -> None:
    path = shared_data / "originals" / BOKEH
    table = pd.read_csv(path)
    table = table[table["Ticker"] == "AAPL"]
    plain, adjusted = read(path, "AAPL"), read(path, "AAPL", adjusted=True)
    np.testing.assert_array_equal(plain.columns.close, table["Close"])
    np.testing.assert_allclose(adjusted.columns.close, table["Adj Close"], rtol=1e-15)
    np.testing.assert_allclose(
        adjusted.columns.open, table["Open"] * table["Adj Close"] / table["Close"], rtol=1e-14
    )
    np.testing.assert_array_equal(adjusted.columns.volume, table["Volume"])
    split = [iso(time)[:10] for time in plain.open_time.tolist()].index("2005-02-28")
    drops = [
        float(candles.columns.close[split] / candles.columns.close[split - 1])
        for candles in (plain, adjusted)
    ]
    assert drops[0] < 0.51
    assert 0.99 < drops[1] < 1.02


def test_binance_months_with_and_without_header_are_the_same_candles(shared_data: Path) -> None:
    folder = shared_data / "originals"
    assert read(folder / BINANCE_HEADED).data_hash == read(folder / BINANCE_BARE).data_hash
