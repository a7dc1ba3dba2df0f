"""U4: texts of strangers as symbol, strategy or filter are only ever texts."""

import argparse
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from both_databases import on_both_databases
from cli_output import as_json
from hostile_texts import HOSTILE_TEXTS, UNSTORABLE_TEXTS
from stratkernel import Kernel
from stratkernel.cli.database import check_texts
from stratkernel.contracts.stored import RunQuery, Series, SignalQuery, WinRule
from stratkernel.engine.storage import open_storage
from stratkernel.kernel.errors import UnknownNameError, UsageError
from stratkernel.testing.candles import candles_from_close, random_walk

RUN_FILTERS = ("symbol", "timeframe", "venue", "batch", "config_hash", "data_hash")


@pytest.fixture
def saved(stratkernel: Any, database: str, candles: str) -> list[Any]:
    """A run and its candles; gives all that is stored."""
    assert stratkernel("data", "import", candles, "--symbol", "A").code == 0
    assert stratkernel("run", "macd", "--symbol", "A", "--save").code == 0
    return everything(database)


def everything(database: str) -> list[Any]:
    """What a database holds, so that any change shows."""
    with open_storage(Kernel(), database) as storage:
        return [
            storage.strategies.runs(),
            storage.strategies.signals().ids,
            storage.candles.series(),
            [storage.candles.read(each.series).data_hash for each in storage.candles.series()],
            storage.candles.quarantined(),
        ]


def test_u4_corpus_has_200_texts_of_their_own() -> None:
    assert len(set(HOSTILE_TEXTS)) == len(HOSTILE_TEXTS) >= 200


@on_both_databases
def test_u4_hostile_filters_find_nothing_and_change_nothing(saved: list[Any], database: str) -> None:
    with open_storage(Kernel(), database) as storage:
        runs, candles = storage.strategies, storage.candles
        for text, field in zip(HOSTILE_TEXTS, cycle(RUN_FILTERS), strict=False):
            assert runs.runs(RunQuery(strategy=text)) == runs.runs(RunQuery(**{field: text})) == []
            assert len(runs.signals(SignalQuery(symbol=text))) == 0
            assert candles.series(symbol=text) == []
            with pytest.raises(UnknownNameError):
                runs.find_run(text)
        for text in HOSTILE_TEXTS[::5]:
            query = SignalQuery(strategy=text, timeframe="1h")
            assert runs.statistics(("strategy", "day"), query, WinRule("next_signal")) == []
            assert candles.series(venue=text) == []
            with pytest.raises(UnknownNameError):
                candles.read(Series(text, "1h"))
    assert everything(database) == saved


@pytest.mark.parametrize(
    "command",
    [
        ("runs", "list", "--json", "--symbol={}"),
        ("runs", "list", "--json", "--strategy={}"),
        ("runs", "show", "{}"),
        ("runs", "delete", "--yes", "{}"),
        ("signals", "stats", "--json", "--symbol={}"),
        ("signals", "stats", "--by={}"),
        ("signals", "stats", "--win-rate={}"),
        ("signals", "export", "--strategy={}", "-o", "out.csv"),
        ("data", "check", "{}"),
        ("data", "delete", "--yes", "--symbol={}"),
        ("data", "export", "--symbol=A", "--venue={}", "-o", "out.csv"),
        ("run", "macd", "--symbol={}"),
        ("run", "{}", "--symbol=A"),
        ("runs", "list", "--since={}"),
        ("runs", "list", "--database={}"),
    ],
    ids=" ".join,
)
def test_u4_commands_take_hostile_texts_as_texts(
    stratkernel: Any,
    saved: list[Any],
    database: str,
    command: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (*HOSTILE_TEXTS[:: len(command) * 5], *UNSTORABLE_TEXTS):
        if command[1] == "{}" and not text.isascii():
            continue  # the message repeats it; what a captured stderr, unlike a real one, cannot write
        outcome = stratkernel(*(part.replace("{}", text) for part in command))
        assert outcome.code in {0, 1, 2}
        assert "Traceback" not in outcome.err
        assert "an error of stratkernel itself" not in outcome.err, (text, outcome.err)
    assert everything(database) == saved


@on_both_databases
def test_u4_hostile_symbols_are_stored_and_found_as_they_are(saved: list[Any], database: str) -> None:
    close = random_walk(30)
    with open_storage(Kernel(), database) as storage:
        with storage.unit_of_work():
            for text in HOSTILE_TEXTS:
                storage.candles.write(candles_from_close(close, symbol=text, venue=text))
        stored = {each.series for each in storage.candles.series()}
        assert stored == {Series("A", "1h"), *(Series(text, "1h", text) for text in HOSTILE_TEXTS)}
        for text in HOSTILE_TEXTS[::20]:
            assert len(storage.candles.read(Series(text, "1h", text))) == 30


@on_both_databases
def test_u4_hostile_symbol_goes_through_import_run_list_and_export(
    stratkernel: Any, database: str, candles: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    symbol = "x'; DROP TABLE strategy_runs;--"
    assert stratkernel("data", "import", candles, f"--symbol={symbol}").code == 0
    assert stratkernel("run", "macd", f"--symbol={symbol}", "--save").code == 0
    (run,) = as_json(stratkernel("runs", "list", f"--symbol={symbol}", "--json"))
    assert run["symbol"] == symbol
    (series,) = as_json(stratkernel("data", "list", "--json"))
    assert series["symbol"] == symbol
    assert stratkernel("data", "export", f"--symbol={symbol}", "-o", "out.csv").code == 0


@pytest.mark.parametrize("text", UNSTORABLE_TEXTS, ids=lambda text: ascii(text)[:12])
def test_u4_texts_that_no_database_holds_are_refused_first(text: str) -> None:
    with pytest.raises(UsageError, match="--symbol"):
        check_texts(argparse.Namespace(symbol=text), "symbol")
