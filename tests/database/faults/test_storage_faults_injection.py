"""U4: texts that try to be SQL are only ever values."""

from itertools import product

from storage_steps import STEPS, open_url, states_of
from stratkernel import RunQuery, Series, SignalQuery, Storage, StratkernelError
from stratkernel.testing.storage.samples import everything, made_candles, made_run, made_signals

_OPENINGS = ("'", '"', "')", "`", "1;", "x' ", "%' ", "\\' ", "$$", "a'||'b")
_ATTACKS = (
    "; DROP TABLE strategy_runs; --",
    "; DELETE FROM market_data; --",
    " OR 1=1 --",
    " OR ''='",
    " UNION SELECT * FROM strategy_runs --",
    "; UPDATE strategy_signals SET price = 0; --",
    " AND (SELECT count(*) FROM strategy_runs) > 0 /*",
    "); ATTACH DATABASE 'x' AS y; --",
    "; COPY strategy_runs TO PROGRAM 'true'; --",
    " LIKE '%' ESCAPE '\\",
)
_MORE = (
    "%",
    "_",
    "%%",
    "%s",
    "%(name)s",
    ":name",
    "?",
    "$1",
    "{0}",
    "*",
    "\\",
    "''",
    '""',
    "--",
    "/*",
    "NULL",
)
PAYLOADS = [*_MORE, *(opening + attack for opening, attack in product((*_OPENINGS, *_MORE[:10]), _ATTACKS))]


def ask(storage: Storage, text: str) -> int:
    """Name everything that can be named by a text; gives how much was found."""
    query = RunQuery(strategy=text, symbol=text, timeframe=text, venue=text, batch=text, config_hash=text)
    found = len(storage.strategies.runs(query))
    signals = SignalQuery(strategy=text, symbol=text, timeframe=text)
    found += len(storage.strategies.signals(signals))
    found += len(storage.strategies.statistics(["symbol", "day"], signals))
    found += len(storage.candles.series(symbol=text, timeframe=text, venue=text))
    found += len(storage.candles.quarantined(Series(text, "1h", text)))
    for name in (lambda: storage.strategies.find_run(text), lambda: storage.candles.read(Series(text, "1h"))):
        try:
            name()
        except StratkernelError:
            continue
        found += 1
    return found


def test_texts_that_would_be_sql_find_nothing_and_change_nothing(tables_url: str) -> None:
    assert len(set(PAYLOADS)) >= 200
    with open_url(tables_url) as storage:
        states_of(storage, STEPS[:2])
        before = everything(storage)
        with storage.unit_of_work():
            assert [text for text in PAYLOADS if ask(storage, text) != 0] == []
        assert everything(storage) == before


def test_texts_that_would_be_sql_are_stored_as_they_are(tables_url: str) -> None:
    chosen = PAYLOADS[::7]
    with open_url(tables_url) as storage:
        with storage.unit_of_work():
            for number, text in enumerate(chosen):
                run = made_run(number, strategy_name=text, symbol=text, venue=text, error=text)
                storage.strategies.save_run(run, made_signals(run, 1, {text: [text]}))
                storage.candles.write(made_candles(1, symbol=text))
        assert sorted(run.run.symbol for run in storage.strategies.runs()) == sorted(chosen)
        assert {stored.series.symbol for stored in storage.candles.series()} == set(chosen)
        for text in chosen:
            (signal,) = storage.strategies.signals(SignalQuery(symbol=text, with_metadata=True))
            assert (signal.strategy_name, signal.metadata) == (text, {text: text})
