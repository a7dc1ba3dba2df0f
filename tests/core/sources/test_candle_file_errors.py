"""Files that cannot be read, and rows that cannot: one clear error, or a bad candle."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel.contracts.admission import AdmissionError, BadCandles, admit
from stratkernel.contracts.source import RawCandles, SourceRequest
from stratkernel.kernel.errors import DataError, StratkernelError, UsageError
from stratkernel.sources.candle_file import CandleFileSource

Load = Callable[..., RawCandles]

HEAD = "open_time,open,high,low,close,volume\n"
GOOD = "".join(f"2024-01-01T0{i}:00:00Z,10,12,9,11,5\n" for i in range(5))


def open_file(path: object) -> object:
    return CandleFileSource().load(SourceRequest(str(path)))


def test_missing_file_is_a_usage_error_with_a_near_name(tmp_path: Path) -> None:
    (tmp_path / "candles.csv").write_text(HEAD + GOOD)
    with pytest.raises(UsageError, match=r"there is no file .*candle.csv'. Did you mean 'candles.csv'"):
        open_file(tmp_path / "candle.csv")


def test_folder_instead_of_a_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        open_file(tmp_path)


@pytest.mark.parametrize("location", ["", "a\0b.csv"])
def test_location_that_is_no_path_is_a_usage_error(location: str) -> None:
    with pytest.raises(UsageError, match="is no path"):
        open_file(location)


def test_unknown_suffix_is_a_usage_error_that_lists_the_known(load: Load) -> None:
    with pytest.raises(UsageError, match=r"type '.xlsx' are not read; expected .csv, .csv.gz, .parquet"):
        load("x", "x.xlsx")


def test_f13_header_without_candles_says_so(load: Load) -> None:
    with pytest.raises(DataError, match="a header and no candles"):
        load(HEAD)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.feather", "x.json"])
def test_f13_empty_file_says_so(load: Load, name: str) -> None:
    for content in (b"", b" \n\n"):
        with pytest.raises(DataError, match="the file is empty"):
            load(content, name)


def test_f13_empty_gzip_and_empty_json_say_so(load: Load) -> None:
    with pytest.raises(DataError, match="the file is empty"):
        load(gzip.compress(b"", mtime=0), "x.csv.gz")
    with pytest.raises(DataError, match="no candles"):
        load("[]", "x.json")


def test_f13_one_candle_asks_for_its_timeframe_and_is_read_with_it(load: Load) -> None:
    text = HEAD + GOOD.splitlines()[0]
    with pytest.raises(UsageError, match="there is one candle; say it with --timeframe"):
        load(text)
    assert len(admit(load(text, timeframe="1h"))) == 1


def test_f13_halted_market_is_read(load: Load) -> None:
    assert len(admit(load(HEAD + GOOD.replace("10,12,9,11,5", "7,7,7,7,0")))) == 5


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (gzip.compress((HEAD + GOOD).encode(), mtime=0)[:-20], "x.csv.gz", "cut off"),
        (b"\x1f\x8b" + b"garbage" * 9, "x.csv.gz", "damaged"),
        (HEAD + GOOD, "x.csv.gz", "is not a gzip file"),
        (gzip.compress(b"x", mtime=0), "x.csv", "is a gzip file, expected CSV text"),
        (b"PAR1 and so on", "x.csv", "is a Parquet file, expected CSV text"),
        (b"PK\x03\x04 and so on", "x.csv", "is a zip or Excel file"),
        (bytes(range(256)), "x.csv", "is binary"),
        (b"open,close\n1,2 \xe9", "x.csv", r"line 2 is not UTF-8.*0xe9"),
        (b"\xfe\xff", "x.csv", "the file is empty"),
        (b"\xff\xfex", "x.csv", "begins like UTF-16"),
        (b"just some words", "x.csv", "expected columns divided by commas"),
        (b"PAR1 but no more", "x.parquet", "damaged or not a Parquet file"),
        (HEAD + GOOD, "x.parquet", "damaged or not a Parquet file"),
        (b"ARROW1 but no more", "x.feather", "damaged or not a Feather file"),
        (b"PAR1 but no more", "x.feather", "is a Parquet file, expected a Feather file"),
        ("[[1, 2", "x.json", "is not JSON with candles"),
        ('"text"', "x.json", "is not JSON with candles"),
        ("[" * 2000, "x.json", "is not JSON with candles"),
        ("{}", "x.json", "candles"),
    ],
)  # fmt: skip
def test_damaged_or_misnamed_file_is_a_data_error(
    load: Load, content: str | bytes, name: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(content, name)


def test_unreadable_file_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text(HEAD)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        open_file(path)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_wrong_columns_say_expected_and_got(load: Load, tmp_path: Path, name: str) -> None:
    import pandas as pd

    frame = pd.DataFrame({"date": ["2024-01-01"], "price": [1.0], "High": [2.0]})
    if name == "x.csv":
        content = frame.to_csv(index=False).encode()
    else:
        frame.to_parquet(tmp_path / "y.parquet")
        content = (tmp_path / "y.parquet").read_bytes()
    with pytest.raises(
        DataError, match=r"no column for open, low, close, volume .*expected .*; got date, price, High"
    ):
        load(content, name)


def test_missing_open_time_names_what_it_may_be_called(load: Load) -> None:
    with pytest.raises(DataError, match=r"no column for open time .*open_time, timestamp"):
        load("close_time,open,high,low,close,volume\n2024-01-01,1,1,1,1,1\n")


def test_column_twice_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match="'close' twice"):
        load("date,open,high,low,close,Close,volume\n2024-01-01,1,1,1,1,1,1\n")


def test_header_of_another_width_than_the_lines_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match=r"the header has 6 columns .*the lines below it 7"):
        load(HEAD + GOOD.replace(",5\n", ",5,1\n"))


def test_headless_file_of_unknown_width_asks_for_the_layout(load: Load) -> None:
    with pytest.raises(UsageError, match=r"no header and 9 columns.*--layout"):
        load("1704067200,1,1,1,1,1,1,1,1\n" * 3)
    with pytest.raises(UsageError, match="which is not Binance klines"):
        load("1704067200,1,1,1,1,1\n" * 3, layout="binance")


def test_f6_text_in_numbers_is_quoted_with_its_line(load: Load) -> None:
    text = HEAD + GOOD.replace("T02:00:00Z,10", "T02:00:00Z,ten").replace(
        "T03:00:00Z,10,12", "T03:00:00Z,10,"
    )
    raw = load(text)
    assert raw.unreadable == {(2, "open"): "ten", (3, "high"): ""}
    with pytest.raises(AdmissionError) as caught:
        admit(raw)
    assert "line 4 (2024-01-01T02:00:00Z), open 'ten': expected a number" in str(caught.value)
    assert "line 5 (2024-01-01T03:00:00Z), high '': expected a number" in str(caught.value)
    assert len(admit(raw, policy=BadCandles.FLAG)) == 3


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e308", "0", "-1", "None", "1_0", "0x10", "1,5", "1e999"]
)
def test_f6_bad_number_in_a_file_is_rejected_and_dropped(load: Load, text: str) -> None:
    raw = load(HEAD + GOOD.replace("T02:00:00Z,10", f'T02:00:00Z,"{text}"'))
    with pytest.raises(AdmissionError, match="1 of 5 candles are bad"):
        admit(raw)
    assert len(admit(raw, policy=BadCandles.REPAIR)) == 4


@pytest.mark.parametrize(
    "line", ["2024-01-01T02:00:00Z,10,12,9,11", "2024-01-01T02:00:00Z,10,12,9,11,5,6,7", "junk"]
)
def test_f6_line_with_another_number_of_fields_is_a_bad_candle(load: Load, line: str) -> None:
    lines = GOOD.splitlines()
    lines[2] = line
    raw = load(HEAD + "\n".join(lines))
    with pytest.raises(AdmissionError) as caught:
        admit(raw)
    assert caught.value.report.rules == {"readable": 1}
    assert {fault.line for fault in caught.value.report.faults} == {4}
    assert line[:40] in str(caught.value)
    assert len(admit(raw, policy=BadCandles.REPAIR)) == 4


def test_f6_numbers_of_lines_survive_sorting_and_choice(load: Load) -> None:
    text = "ticker," + HEAD
    text += "".join(f"{name},2024-01-0{i},10,12,9,11,{-i}\n" for i in (3, 2, 1) for name in "AB")
    with pytest.raises(AdmissionError) as caught:
        admit(load(text, symbol="B"))
    found = {fault.line: fault.value for fault in caught.value.report.faults}
    assert found == {3: "-3", 5: "-2", 7: "-1"}


CSV_LINE = st.lists(
    st.one_of(
        st.sampled_from(
            ["2024-01-01", "2024-01-02T00:00Z", "1704067200", "1704153600000", "10", "-1", "nan", "", '"']
        ),
        st.text(max_size=5),
        st.floats().map(str),
        st.integers().map(str),
    ),
    min_size=1,
    max_size=13,
).map(",".join)


def survives(path: Path, content: bytes, name: str) -> None:
    """Good candles or an error of ours; anything else fails the test."""
    file = path / name
    file.write_bytes(content)
    try:
        raw = CandleFileSource().load(SourceRequest(str(file), timeframe="1d", options={"tz": "UTC"}))
        candles = admit(raw, policy=BadCandles.FLAG)
    except StratkernelError:
        return
    assert len(candles) > 0


@given(
    header=st.sampled_from(
        ["", HEAD, "Date,Open,High,Low,Close,Adj Close,Volume\n", "unix,date,symbol," + HEAD]
    ),
    lines=st.lists(CSV_LINE, max_size=6),
)
@settings(max_examples=250, deadline=None)
def test_fuzz_any_csv_text_gives_candles_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, header: str, lines: list[str]
) -> None:
    content = (header + "\n".join(lines)).encode("utf-8", "surrogatepass")
    survives(tmp_path_factory.getbasetemp(), content, "fuzz.csv")


@given(
    content=st.binary(max_size=200),
    name=st.sampled_from(["f.csv", "f.csv.gz", "f.parquet", "f.feather", "f.json"]),
)
@settings(max_examples=250, deadline=None)
def test_fuzz_any_bytes_give_candles_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    survives(tmp_path_factory.getbasetemp(), content, name)


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just(1704067200000)
    ),
    lambda inner: (
        st.lists(inner, max_size=7) | st.dictionaries(st.sampled_from(HEAD.strip().split(",")), inner)
    ),
    max_leaves=20,
)


@given(value=st.lists(JSON, max_size=4) | JSON)
@settings(max_examples=200, deadline=None)
def test_fuzz_any_json_gives_candles_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    text = (
        repr(value)
        .replace("None", "null")
        .replace("True", "true")
        .replace("False", "false")
        .replace("'", '"')
    )
    survives(tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass"), "fuzz.json")


@given(
    cut=st.integers(0, 2000), flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5)
)
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("name", ["f.parquet", "f.feather", "f.csv.gz"])
def test_fuzz_damaged_binary_files_give_candles_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, name: str, cut: int, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(_good_file(tmp_path_factory.getbasetemp() / f"good-{name}"))
    for at, value in flips:
        data[at % len(data)] = value
    survives(tmp_path_factory.getbasetemp(), bytes(data[: len(data) - cut % len(data)]), name)


def _good_file(path: Path) -> bytes:
    import io

    import pandas as pd

    if not path.exists():
        if path.name.endswith(".csv.gz"):
            path.write_bytes(gzip.compress((HEAD + GOOD).encode()))
        else:
            frame = pd.read_csv(io.StringIO(HEAD + GOOD))
            frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_feather(path)
    return path.read_bytes()
