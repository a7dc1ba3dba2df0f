"""`stratkernel runs`: saved runs found, shown, compared, kept and deleted."""

from typing import Any, get_args

import pytest

from both_databases import on_both_databases
from cli_output import as_json
from stratkernel.cli.runs_reading import RUN_KINDS, RUN_STATES
from stratkernel.cli.signal_query import TYPES
from stratkernel.contracts.signals import SignalType
from stratkernel.contracts.stored import RunKind, RunStatus, SignalGroup
from stratkernel.testing.candles import candles_from_close, random_walk


@pytest.fixture
def ids(stratkernel: Any, database: str, candles: str) -> dict[str, str]:
    """Saved runs by name: two of ema_crossover over A, one of rsi over B; rsi was saved last."""
    runs = {
        "fast": ("ema_crossover", "--symbol", "A", "--param", "fast_period=5"),
        "dear": ("ema_crossover", "--symbol", "A", "--param", "fast_period=5", "--fee-bps", "20"),
        "rsi": ("rsi", "--symbol", "B"),
    }
    return {
        name: as_json(stratkernel("run", *flags, "--data", candles, "--save", "--json"))["run_id"]
        for name, flags in runs.items()
    }


def found(stratkernel: Any, *flags: str) -> list[str]:
    return [each["run_id"] for each in as_json(stratkernel("runs", "list", "--json", *flags))]


def test_runs_flags_know_every_kind_state_and_type() -> None:
    assert tuple(RUN_KINDS) == tuple(kind.value for kind in RunKind)
    assert tuple(RUN_STATES) == tuple(status.value for status in RunStatus)
    assert set(TYPES) == {kind.name for kind in SignalType}
    assert get_args(SignalGroup) == ("strategy", "symbol", "timeframe", "day")


@on_both_databases
def test_runs_list_is_newest_first(stratkernel: Any, ids: dict[str, str]) -> None:
    assert found(stratkernel) == [ids["rsi"], ids["dear"], ids["fast"]]
    table = stratkernel("runs", "list").out.splitlines()
    assert table[0].split()[:2] == ["RUN", "STARTED"]
    assert "fast_period=5" in table[2]
    assert [line.split()[0] for line in table[1:]] == [run_id[:8] for run_id in found(stratkernel)]


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--strategy", "ema_crossover"], ["dear", "fast"]),
        (["--strategy", "stratkernel-rsi:rsi"], ["rsi"]),
        (["--strategy", "macd"], []),
        (["--symbol", "A"], ["dear", "fast"]),
        (["--timeframe", "1h", "--symbol", "B"], ["rsi"]),
        (["--timeframe", "4h"], []),
        (["--venue", "acme"], []),
        (["--kind", "run"], ["rsi", "dear", "fast"]),
        (["--kind", "sweep"], []),
        (["--status", "failed"], []),
        (["--status", "done", "--limit", "1"], ["rsi"]),
        (["--limit", "0"], ["rsi", "dear", "fast"]),
        (["--since", "2020-01-01"], ["rsi", "dear", "fast"]),
        (["--since", "2200-01-01"], []),
        (["--until", "2020-01-01T00:00:00+02:00"], []),
        (["--batch", "x"], []),
        (["--starred"], []),
    ],
    ids=" ".join,
)
def test_runs_list_filters(stratkernel: Any, ids: dict[str, str], flags: list[str], names: list[str]) -> None:
    assert found(stratkernel, *flags) == [ids[name] for name in names]


def test_runs_list_says_that_there_are_more(stratkernel: Any, ids: dict[str, str]) -> None:
    assert "and more; --limit 0 shows all" in stratkernel("runs", "list", "--limit", "2").out
    assert "and more" not in stratkernel("runs", "list", "--limit", "3").out


def test_runs_list_of_an_empty_database_says_how_to_fill_it(stratkernel: Any, database: str) -> None:
    outcome = stratkernel("runs", "list")
    assert outcome.code == 0
    assert "--save" in outcome.out


@on_both_databases
def test_runs_show_tells_provenance_metrics_quality_and_signals(
    stratkernel: Any, ids: dict[str, str]
) -> None:
    out = stratkernel("runs", "show", ids["fast"][:6]).out
    for text in (
        ids["fast"],
        "ema_crossover (stratkernel-ema:ema_crossover)",
        "fast_period=5",
        "A 1h of local: 600,",
        "stratkernel-ema=",
        "data hash",
        "max drawdown",
        "quality            ok",
        "last 5 of ",
        "ENTRY_LONG",
    ):
        assert text in out, text


def test_runs_show_by_last_and_the_ones_before(stratkernel: Any, ids: dict[str, str]) -> None:
    for name, run in (("last", "rsi"), ("last~1", "dear"), ("last~2", "fast")):
        assert as_json(stratkernel("runs", "show", name, "--json"))["run_id"] == ids[run]
    outcome = stratkernel("runs", "show", "last~3")
    assert (outcome.code, "only 3 runs are stored" in outcome.err) == (2, True)


def test_runs_compare_of_a_run_with_itself_has_no_difference(stratkernel: Any, ids: dict[str, str]) -> None:
    compared = as_json(stratkernel("runs", "compare", ids["fast"], ids["fast"], "--json"))
    assert compared["differences"] == {}
    assert compared["signals"]["only_a"] == compared["signals"]["only_b"] == []
    assert compared["signals"]["equal"] > 0
    assert {entry["difference"] for entry in compared["metrics"].values()} <= {0, None}
    assert "all that decides them" in stratkernel("runs", "compare", "last", "last").out


def test_runs_compare_shows_metrics_side_by_side(stratkernel: Any, ids: dict[str, str]) -> None:
    compared = as_json(stratkernel("runs", "compare", ids["fast"], ids["dear"], "--json"))
    assert list(compared["differences"]) == ["costs"]
    entry = compared["metrics"]["total_return"]
    assert entry["a"] > entry["b"]
    assert entry["difference"] == entry["b"] - entry["a"]
    signals = compared["signals"]
    assert (signals["only_a"], signals["only_b"], signals["differing"]) == ([], [], [])
    out = stratkernel("runs", "compare", ids["fast"], ids["dear"]).out
    assert "costs fee_bps" in out
    assert f"A {ids['fast'][:8]}" in out


@on_both_databases
def test_runs_compare_lists_signals_of_one_and_those_that_differ(
    stratkernel: Any, database: str, tmp_path: Any
) -> None:
    close = random_walk(600, seed=2)
    candles_from_close(close).frame.to_csv(tmp_path / "one.csv")
    # from the 400th candle on another history; at first only its closes at signals are a little off
    other = close.copy()
    other[400:] = close[400] * random_walk(200, seed=5) / 100
    candles_from_close(other).frame.to_csv(tmp_path / "other.csv")
    for name in ("one", "other"):
        path = str(tmp_path / f"{name}.csv")
        assert stratkernel("run", "macd", "--data", path, "--symbol", "A", "--save").code == 0
    compared = as_json(stratkernel("runs", "compare", "last~1", "last", "--json"))
    one, two = (as_json(stratkernel("runs", "show", name, "--json")) for name in ("last~1", "last"))
    by_key = [
        {(s["timestamp"], s["type"]): (s["price"], s["confidence"]) for s in shown["signals"]}
        for shown in (one, two)
    ]
    signals = compared["signals"]
    assert signals["equal"] == sum(by_key[1].get(key) == value for key, value in by_key[0].items())
    for name, (ours, theirs) in (("only_a", by_key), ("only_b", by_key[::-1])):
        assert {(s["timestamp"], s["type"]) for s in signals[name]} == ours.keys() - theirs.keys()
        assert signals[name]
    both = [key for key in by_key[0] if key in by_key[1] and by_key[0][key] != by_key[1][key]]
    assert [(s["timestamp"], s["type"]) for s in signals["differing"]] == both
    assert "data_hash" in compared["differences"]
    out = stratkernel("runs", "compare", "last~1", "last").out
    assert f"{len(signals['only_a']):,} only in A" in out
    assert f"{len(signals['only_b']):,} only in B" in out


def test_runs_compare_shows_a_signal_whose_price_or_confidence_differs() -> None:
    import numpy as np

    from stratkernel.cli.runs_compare import compare_signals
    from stratkernel.contracts.stored import StoredSignals

    def table(price: float, confidence: float) -> StoredSignals:
        return StoredSignals(
            runs=(),
            run=np.zeros(1, dtype=np.int64),
            timestamp=np.array([1_700_000_000_000_000]),
            types=np.array([3], dtype=np.int8),
            price=np.array([price]),
            confidence=np.array([confidence]),
            flags=np.zeros(1, dtype=np.uint8),
            status=(),
            revision=np.zeros(1, dtype=np.int64),
        )

    found = compare_signals(table(1.0, 0.5), table(1.0, 0.25))
    assert found.equal == 0
    assert found.differing == [
        {
            "timestamp": "2023-11-14T22:13:20Z",
            "type": "ENTRY_LONG",
            "a": {"price": 1.0, "confidence": 0.5},
            "b": {"price": 1.0, "confidence": 0.25},
        }
    ]
    assert compare_signals(table(1.0, 0.5), table(1.0, 0.5)).equal == 1


def test_runs_star_marks_and_unmarks(stratkernel: Any, ids: dict[str, str]) -> None:
    outcome = stratkernel("runs", "star", ids["fast"], "last")
    assert outcome.out == f"run {ids['fast'][:8]} is starred\nrun {ids['rsi'][:8]} is starred\n"
    assert found(stratkernel, "--starred") == [ids["rsi"], ids["fast"]]
    assert f"{ids['fast'][:8]}*" in stratkernel("runs", "list").out
    assert stratkernel("runs", "star", "--off", ids["fast"]).code == 0
    assert found(stratkernel, "--starred") == [ids["rsi"]]


@on_both_databases
def test_runs_star_stays_when_the_run_is_saved_again(
    stratkernel: Any, ids: dict[str, str], candles: str
) -> None:
    assert stratkernel("runs", "star", ids["rsi"]).code == 0
    again = stratkernel("run", "rsi", "--symbol", "B", "--data", candles, "--save")
    assert "is stored already" in again.out
    assert found(stratkernel, "--starred") == [ids["rsi"]]


@on_both_databases
def test_runs_delete_needs_a_yes_and_takes_the_signals_along(stratkernel: Any, ids: dict[str, str]) -> None:
    asked = stratkernel("runs", "delete", ids["fast"], ids["fast"], "last")
    assert (asked.code, asked.out) == (2, "")
    assert "2 runs" in asked.err
    assert len(found(stratkernel)) == 3
    done = stratkernel("runs", "delete", ids["fast"], "last", "--yes")
    assert done.code == 0
    assert done.out.startswith("deleted 2 runs (")
    assert found(stratkernel) == [ids["dear"]]
    groups = as_json(stratkernel("signals", "stats", "--json"))
    assert [each["strategy"] for each in groups] == ["ema_crossover"]


def test_runs_delete_of_known_and_unknown_deletes_none(stratkernel: Any, ids: dict[str, str]) -> None:
    outcome = stratkernel("runs", "delete", ids["fast"], "ffffffff-ffff", "--yes")
    assert outcome.code == 2
    assert len(found(stratkernel)) == 3


@pytest.mark.parametrize("command", ["show", "compare", "star", "delete"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ffffffff-ffff", "ffffffff-ffff"),
        ("abc", "4"),
        ("", "RUN"),
        ("last~99", "only 3 runs are stored"),
        ("last~", "last~"),
        ("%", "%"),
        ("____", "____"),
    ],
)
def test_runs_unknown_run_is_one_message(
    stratkernel: Any, ids: dict[str, str], command: str, name: str, message: str
) -> None:
    more = {"compare": ["last"], "delete": ["--yes"]}.get(command, [])
    outcome = stratkernel("runs", command, name, *more)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert len(found(stratkernel)) == 3


@on_both_databases
def test_runs_ambiguous_beginning_names_the_candidates(stratkernel: Any, database: str, candles: str) -> None:
    """Runs are made until two begin alike; ids are decided by what ran, so it is always the same two."""
    from stratkernel import Kernel, StrategyFactory, evaluate, run_strategy
    from stratkernel.contracts.stored import RunRecord
    from stratkernel.engine.performance import Costs
    from stratkernel.engine.run_record import RunCourse, run_record
    from stratkernel.engine.storage import open_storage
    from stratkernel.kernel.clock import SystemClock

    kernel = Kernel()
    result = run_strategy(
        kernel, StrategyFactory(kernel).create("macd"), candles_from_close(random_walk(100))
    )
    assert evaluate(result.candles, result.signals).metrics
    course, seen = RunCourse(SystemClock().utc_now()), dict[str, RunRecord]()
    for capital in range(1, 5_000):
        record = run_record(result, Costs(initial_capital=capital), course)
        twin = seen.setdefault(str(record.run_id)[:4], record)
        if twin is not record:
            break
    with open_storage(kernel, database) as storage:
        for each in (twin, record):
            storage.strategies.save_run(each)
    outcome = stratkernel("runs", "show", str(twin.run_id)[:4])
    assert outcome.code == 2
    assert str(twin.run_id) in outcome.err
    assert str(record.run_id) in outcome.err
    assert stratkernel("runs", "show", str(twin.run_id)).code == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--since", "2024-01-01T10:00"], "names no time zone"),
        (["--until", "soon"], "expected a date"),
        (["--limit", "-1"], "--limit -1"),
        (["--limit", "many"], "invalid int value"),
        (["--kind", "walk"], "invalid choice"),
        (["--symbol", ""], "--symbol"),
        (["--strategy", "x" * 300], "1 to 200 letters"),
        (["--strategy", "\udcff"], "no valid text"),
    ],
)
def test_runs_list_bad_input_is_one_message(
    stratkernel: Any, database: str, flags: list[str], message: str
) -> None:
    outcome = stratkernel("runs", "list", *flags)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_runs_of_a_database_that_cannot_be_opened_is_a_failure_in_words(stratkernel: Any, home: Any) -> None:
    file = home / "text.db"
    file.write_text("this is no database, whatever its name says\n" * 50)
    outcome = stratkernel("runs", "list", "--database", f"sqlite:///{file.as_posix()}")
    assert (outcome.code, outcome.out) == (1, "")
    assert "text.db" in outcome.err
    assert "Traceback" not in outcome.err
    assert "an error of stratkernel itself" not in outcome.err
    assert file.read_text().startswith("this is no database")
