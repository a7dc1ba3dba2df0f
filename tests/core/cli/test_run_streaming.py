"""`stratkernel run --stream`: the same run, read in chunks."""

import copy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratkernel import Candles
from stratkernel.cli import main
from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel_config.documents import parse_json


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STRATKERNEL_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    candles = candles_from_close(random_walk(900, seed=2, volatility=0.02))
    write(candles, tmp_path / "BTC.parquet")
    return str(tmp_path / "BTC.parquet")


def write(candles: Candles, path: Path) -> None:
    times = pa.array(candles.open_time, pa.timestamp("us", tz="UTC"))
    pq.write_table(
        pa.table({"open_time": times, **{n: candles.columns[n] for n in candles.columns.names}}), path
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = main(["run", "ema_crossover", "--json", *arguments])
    out, err = capsys.readouterr()
    return code, parse_json(out.encode(), "stdout") if out else None, err


def same_but_for_significance(streamed: Any, whole: Any) -> None:
    assert streamed["quality"].pop("left_out") == ["significance"]
    for name in ("horizons", "permutation"):
        whole["quality"].pop(name, None)
    assert streamed == whole


def test_run_stream_prints_what_a_run_in_memory_prints(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--data", file, "--fee-bps", "3", "--from", "2023-11-20", "--gaps", "reset")
    _, whole, told = run(capsys, *flags)
    for more in (("--stream",), ("--chunk-rows", "37"), ("--stream", "--chunk-rows", "100000")):
        code, streamed, err = run(capsys, *flags, *more)
        assert code == 0
        assert err == told
        same_but_for_significance(streamed, copy.deepcopy(whole))


def test_run_stream_report_for_people_is_printed(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "ema_crossover", "--data", file, "--stream"]) == 0
    out, _ = capsys.readouterr()
    assert "900 candles, 2023-11-14T22:00:00Z to 2023-12-22T10:00:00Z" in out
    assert "sharpe" in out


def test_run_stream_of_a_folder_and_of_the_database_save_one_and_the_same_run(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, whole, _ = run(capsys, "--data", file, "--save")
    _, streamed, err = run(capsys, "--data", file, "--stream", "--save")
    assert streamed["run_id"] == whole["run_id"]
    assert "is stored already as run" in err
    folder = tmp_path / "BTC"
    folder.mkdir()
    candles = candles_from_close(random_walk(900, seed=2, volatility=0.02))
    for name, (start, stop) in {"2": (0, 500), "1": (500, 900)}.items():
        write(candles.slice(start, stop), folder / f"{name}.parquet")
    _, of_folder, _ = run(capsys, "--data", str(folder), "--stream")
    assert of_folder["run_id"] == whole["run_id"]
    assert main(["data", "import", file]) == 0
    capsys.readouterr()
    _, stored, _ = run(capsys, "--symbol", "BTC", "--chunk-rows", "250")
    assert stored["run_id"] == whole["run_id"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data", "x.csv", "--stream"), "only Parquet is read in chunks, not .csv"),
        (("--data", "BTC.parquet", "--chunk-rows", "0"), "chunks of 0 candles: expected a whole number"),
        (("--stream",), "which candles? say --data FILE, or --symbol SYMBOL"),
        (("--data", "none.parquet", "--stream"), "there is no file"),
    ],
)
def test_run_stream_bad_input_is_told_in_one_message(
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("open_time,open,high,low,close,volume\n")
    code, out, err = run(capsys, *flags)
    assert code == 2
    assert out is None
    assert message in err
    assert len(err.splitlines()) == 1
