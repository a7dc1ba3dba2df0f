"""Parquet files and folders of them, read in parts."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import Candles, DataError, UsageError
from stratkernel.contracts.admission import admit
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.source import DataSource, RawCandles, SourceRequest
from stratkernel.contracts.timeframes import HOUR, MINUTE, Timeframe
from stratkernel.engine.streaming.gate import AdmittedChunks
from stratkernel.sources.candle_chunks import HEAD_ROWS
from stratkernel.sources.candle_file import CandleFileSource
from stratkernel.sources.infer import infer_timeframe
from stratkernel.sources.step_evidence import StepEvidence
from stratkernel.testing.candles import candles_from_close, random_walk

FIRST = 1_700_006_400_000_000


def table_of(candles: Candles, **more: Any) -> pa.Table:
    times = pa.array(candles.open_time, pa.timestamp("us", tz="UTC"))
    columns = {name: candles.columns[name] for name in candles.columns.names}
    return pa.table({"open_time": times, **columns, **more})


def request(
    path: Path, symbol: str | None = None, timeframe: str | None = None, **options: Any
) -> SourceRequest:
    return SourceRequest(str(path), symbol, timeframe, options)


def chunks_of(wanted: SourceRequest, rows: int = 7) -> AdmittedChunks:
    return AdmittedChunks(CandleFileSource().chunks(wanted, rows))


def data_hash(wanted: SourceRequest, rows: int = 7) -> tuple[str, Any]:
    from stratkernel.contracts.candle_digest import CandleDigest

    digest, chunks = CandleDigest(), chunks_of(wanted, rows)
    for candles in chunks:
        assert 0 < len(candles) <= rows
        digest.update(candles.open_time, candles.columns)
    return digest.hexdigest(), chunks.report


@pytest.fixture(scope="module")
def candles() -> Candles:
    return candles_from_close(random_walk(300, seed=2))


def test_candle_chunks_of_any_size_are_the_candles_of_the_file(candles: Candles, tmp_path: Path) -> None:
    path = tmp_path / "BTC.parquet"
    pq.write_table(table_of(candles), path, row_group_size=50)
    whole = admit(CandleFileSource().load(request(path)))
    for rows in (1, 7, 64, 300, 100_000):
        assert data_hash(request(path), rows) == (whole.data_hash, whole.report)


@pytest.mark.parametrize(
    "times",
    [
        lambda t: pa.array(t // 1000, pa.timestamp("ms", tz="Europe/Berlin")),
        lambda t: pa.array(t // 1_000_000),
        lambda t: pa.array(t // 1000),
        lambda t: pa.array(t * 1000, pa.timestamp("ns", tz="UTC")),
    ],
)
def test_candle_chunks_times_of_any_kind_are_read_alike(candles: Candles, tmp_path: Path, times: Any) -> None:
    path = tmp_path / "BTC.parquet"
    pq.write_table(table_of(candles).set_column(0, "timestamp", times(candles.open_time)), path)
    whole = admit(CandleFileSource().load(request(path)))
    assert data_hash(request(path)) == (whole.data_hash, whole.report)


def test_candle_chunks_folder_is_one_series_in_the_order_of_time(candles: Candles, tmp_path: Path) -> None:
    folder = tmp_path / "BTC"
    (folder / "more").mkdir(parents=True)
    for name, (start, stop) in {"b": (0, 100), "more/z": (100, 101), "a": (101, 300)}.items():
        pq.write_table(table_of(candles.slice(start, stop)), folder / f"{name}.parquet")
    pq.write_table(table_of(candles.slice(0, 0)), folder / "empty.parquet")
    (folder / "_ignored.parquet").write_text("no Parquet")
    (folder / "notes.txt").write_text("hello")
    got, report = data_hash(request(folder))
    assert got == candles.data_hash
    assert report.where == "BTC"
    assert report.rows == 300
    assert "symbol BTC (the file's name; --symbol overrides)" in report.notes


def test_candle_chunks_lines_count_through_all_files(candles: Candles, tmp_path: Path) -> None:
    folder = tmp_path / "BTC"
    folder.mkdir()
    pq.write_table(table_of(candles.slice(0, 100)), folder / "a.parquet")
    bad = table_of(candles.slice(100, 300))
    high = bad["high"].to_numpy().copy()
    high[50] = 0.5
    pq.write_table(bad.set_column(2, "high", pa.array(high)), folder / "b.parquet")
    with pytest.raises(DataError, match=r"BTC: 1 of 300 candles are bad\n  line 151 "):
        data_hash(request(folder))


def test_candle_chunks_folder_with_other_columns_in_one_file_is_refused(
    candles: Candles, tmp_path: Path
) -> None:
    pq.write_table(table_of(candles.slice(0, 100)), tmp_path / "a.parquet")
    pq.write_table(table_of(candles.slice(100, 300)).drop(["volume"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b.parquet: has the columns .*, but a.parquet has .*; a folder"):
        chunks_of(request(tmp_path))


@pytest.mark.parametrize("wanted", ["ETH", "eth"])
def test_candle_chunks_one_symbol_of_several_is_read_as_from_the_whole_file(
    candles: Candles, tmp_path: Path, wanted: str
) -> None:
    path = tmp_path / "both.parquet"
    names = pa.array(["ETH ", "BTC"] * 150).dictionary_encode()
    pq.write_table(table_of(candles, symbol=names), path)
    whole = admit(CandleFileSource().load(request(path, wanted)))
    got, report = data_hash(request(path, wanted))
    assert got == whole.data_hash
    assert report.notes == whole.report.notes if whole.report else None
    with pytest.raises(UsageError, match="holds 2 symbols; choose one with --symbol: ETH, BTC"):
        chunks_of(request(path))
    with pytest.raises(UsageError, match="holds no symbol 'SOL'"):
        chunks_of(request(path, "SOL"))


def test_candle_chunks_adjusted_prices_are_those_of_the_whole_file(tmp_path: Path) -> None:
    candles = candles_from_close(random_walk(100, seed=1), timeframe="1d")
    path = tmp_path / "AAPL.parquet"
    adjusted = candles.columns.close * np.where(np.arange(100) < 40, 0.5, 1.0)
    pq.write_table(
        table_of(candles, **{"Adj Close": adjusted}).rename_columns(
            ["Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]
        ),
        path,
    )
    for options in ({}, {"adjusted": True}):
        whole = admit(CandleFileSource().load(request(path, **options)))
        assert data_hash(request(path, **options)) == (whole.data_hash, whole.report)


def test_candle_chunks_newest_first_is_refused_with_what_to_do(candles: Candles, tmp_path: Path) -> None:
    path = tmp_path / "BTC.parquet"
    pq.write_table(table_of(candles).take(pa.array(np.arange(300)[::-1])), path)
    with pytest.raises(UsageError, match=r"stands newest first.*sort the file, or leave out --stream"):
        data_hash(request(path, timeframe="1h"))


def test_candle_chunks_times_as_text_or_of_a_zone_are_refused(candles: Candles, tmp_path: Path) -> None:
    path = tmp_path / "BTC.parquet"
    table, local = table_of(candles), candles.open_time.astype("datetime64[us]")
    pq.write_table(table.set_column(0, "date", pa.array(np.datetime_as_string(local))), path)
    with pytest.raises(UsageError, match="the open times are text"):
        chunks_of(request(path))
    pq.write_table(table.set_column(0, "date", pa.array(local)), path)
    with pytest.raises(UsageError, match="local to Europe/Berlin"):
        chunks_of(request(path, tz="Europe/Berlin"))
    assert data_hash(request(path, tz="UTC"))[0] == candles.data_hash


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"open_time,open\n", "only Parquet is read in chunks, not .csv"),
        ("x.parquet", b"", "the file is empty"),
        ("x.parquet", b"PAR1 and no more", "is damaged or not a Parquet file"),
    ],
)
def test_candle_chunks_other_files_are_refused_clearly(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((UsageError, DataError), match=message):
        chunks_of(request(tmp_path / name))


def test_candle_chunks_missing_file_and_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        chunks_of(request(tmp_path / "none.parquet"))
    with pytest.raises(UsageError, match=r"holds no \.parquet files"):
        chunks_of(request(tmp_path))


def test_candle_chunks_file_damaged_half_way_says_so(candles: Candles, tmp_path: Path) -> None:
    path = tmp_path / "BTC.parquet"
    pq.write_table(table_of(candles), path, row_group_size=100)
    content = bytearray(path.read_bytes())
    begin = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    content[begin : begin + 400] = b"\xff" * 400
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"BTC.parquet: is damaged"):
        data_hash(request(path, timeframe="1h", calendar="24x7"))


def test_candle_chunks_timeframe_that_all_rows_contradict_is_refused(tmp_path: Path) -> None:
    minutes = np.arange(HEAD_ROWS, dtype=np.int64) * MINUTE
    hours = minutes[-1] + HOUR - minutes[-1] % HOUR + np.arange(HEAD_ROWS * 2, dtype=np.int64) * HOUR
    path = tmp_path / "mixed.parquet"
    ones = np.ones(3 * HEAD_ROWS)
    time = 315_532_800_000_000 + np.concatenate((minutes, hours))
    pq.write_table(
        pa.table(
            {
                "open_time": pa.array(time, pa.timestamp("us", tz="UTC")),
                **dict.fromkeys(("open", "high", "low", "close", "volume"), ones),
            }
        ),
        path,
    )
    with pytest.raises(DataError, match=r"mixes timeframes: 1m and, from .*, 1h; split the file"):
        for _ in chunks_of(request(path), 100_000):
            pass


def outcome_of(time: IntArray) -> tuple[Any, str]:
    """What is inferred of all times, or why they are refused."""
    try:
        return infer_timeframe(time, "made"), ""
    except DataError as error:
        return None, str(error)


@settings(max_examples=120)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 2, 5, 7, 15]), st.integers(1, 25)), min_size=1, max_size=12
    ),
    cuts=st.lists(st.integers(1, 250), max_size=12),
    given_name=st.sampled_from([None, "1m", "5m"]),
    omits=st.booleans(),
)
def test_step_evidence_in_parts_says_what_all_times_say(
    steps: list[tuple[int, int]], cuts: list[int], given_name: str | None, omits: bool
) -> None:
    sizes = np.concatenate([np.full(count, size) for size, count in steps])
    time = FIRST + np.concatenate(([0], np.cumsum(sizes))) * MINUTE
    evidence = StepEvidence()
    for part in np.split(time, sorted(cut for cut in cuts if cut < len(time))):
        evidence.update(part)
    found, refusal = outcome_of(time)
    if refusal:
        with pytest.raises(DataError, match=re.escape(refusal)):
            evidence.timeframe(Timeframe("1m"), given_name, "made", omits_empty=omits)
        return
    if isinstance(found, str):
        if given_name is None:
            with pytest.raises(UsageError, match="say --timeframe"):
                evidence.timeframe(Timeframe("1m"), None, "made", omits_empty=omits)
        return
    told = evidence.timeframe(found.timeframe, None, "made", omits_empty=omits)
    assert told == f"timeframe {found.timeframe} (inferred from {found.share:.0%} of the steps)"


def test_data_source_without_parts_says_so(tmp_path: Path) -> None:
    class Whole(DataSource):
        name = "whole"

        def load(self, request: SourceRequest) -> RawCandles:
            raise AssertionError

    with pytest.raises(UsageError, match="the source whole reads x:// as a whole only; leave out --stream"):
        Whole().chunks(SourceRequest("x://"), 10)
