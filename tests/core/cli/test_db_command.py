"""`stratkernel db`: tables, copies, retention, on both databases."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from made_migrations import add_run_with_signals, execute, live_checksum, make_live_signals, set_revision
from stratkernel import Kernel
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import RunKind
from stratkernel.engine.storage import open_storage
from stratkernel.testing.storage.samples import everything, made_candles, made_run, made_signals
from stratkernel_config.files import write_json

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def url(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database of each kind, which the environment names."""
    monkeypatch.setenv("STRATKERNEL_DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    with open_storage(Kernel(), url) as storage:
        yield storage


@pytest.fixture
def runs(storage: Storage) -> list[str]:
    """Four old runs with three signals each, of which one is starred, and the ids of the others."""
    ids = []
    for number in range(4):
        run = made_run(number, kind=RunKind.SWEEP, started_at=LONG_AGO + timedelta(days=number))
        storage.strategies.save_run(run, made_signals(run, 3))
        ids.append(str(run.run_id))
    storage.strategies.star(made_run(0, kind=RunKind.SWEEP).run_id)
    return ids[1:]


def test_db_upgrade_makes_the_tables_and_says_so_only_once(stratkernel: Any, url: str) -> None:
    first = stratkernel("db", "upgrade")
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("applied 0001\n")
    again = stratkernel("db", "upgrade")
    assert again.code == 0
    assert again.out.endswith(": revision 0001, as it was\n")


@pytest.mark.postgresql
def test_db_upgrade_moves_signals_into_partitions_and_back(
    stratkernel: Any, home: Path, postgres_url: str
) -> None:
    at = ("--database", postgres_url)
    made = stratkernel("db", "upgrade", "--partition-signals", *at)
    assert (made.code, made.err) == (0, "")
    assert made.out.splitlines()[0] == "applied 0001"
    assert made.out.endswith(": signals are now in partitions, one a month\n")
    again = stratkernel("db", "upgrade", "--partition-signals", *at)
    assert again.out.endswith(": signals are in partitions, one a month, as they were\n")
    assert stratkernel("db", "check", *at).code == 0
    assert "signals are" not in stratkernel("db", "upgrade", *at).out
    back = stratkernel("db", "upgrade", "--no-partition-signals", *at)
    assert back.out.endswith(": signals are now in one table\n")
    assert stratkernel("db", "check", *at).code == 0


@pytest.mark.parametrize("flag", ["--partition-signals", "--no-partition-signals"])
def test_db_upgrade_with_partitions_on_sqlite_is_refused_before_anything_is_made(
    stratkernel: Any, home: Path, flag: str
) -> None:
    done = stratkernel("db", "upgrade", flag)
    assert (done.code, done.out) == (2, "")
    assert "knows no partitions" in done.err
    assert list(home.iterdir()) == []


def test_db_current_names_the_revision_of_the_tables_and_the_newest(stratkernel: Any, url: str) -> None:
    assert stratkernel("db", "current").out.endswith(": no tables yet, this stratkernel works with 0001\n")
    stratkernel("db", "upgrade", "--to", "0001")
    assert stratkernel("db", "current", "--database", url).out.endswith(": revision 0001, the newest\n")


def test_db_current_of_the_default_makes_no_file(stratkernel: Any, home: Path) -> None:
    assert stratkernel("db", "current").code == 0
    assert list(home.iterdir()) == []


def test_db_upgrade_of_the_default_makes_the_home(stratkernel: Any, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert stratkernel("db", "upgrade", "--home", str(new)).code == 0
    assert (new / "stratkernel.db").is_file()


def test_db_downgrade_takes_the_tables_away_after_a_copy_on_sqlite(stratkernel: Any, home: Path) -> None:
    stratkernel("db", "upgrade")
    done = stratkernel("db", "downgrade", "base", "--yes")
    assert done.code == 0
    backup = home / "stratkernel.db.before-base.backup"
    assert done.out.splitlines()[:2] == [
        f"copied to {backup} first ({backup.stat().st_size:,} bytes)",
        "undone 0001",
    ]
    assert done.out.endswith(": no tables yet\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("downgrade",), 2, "REVISION"),
        (("downgrade", "0042", "--yes"), 2, "no revision '0042'; there are: 0001"),
        (("upgrade", "--to", "x"), 2, "no revision 'x'; there are: 0001"),
        (("current", "--database", "oracle://x"), 2, "no storage back-end opens oracle://"),
        (("current", "--database", "nonsense"), 2, "given as database is no URL"),
        (("vacuum",), 2, "unknown command 'db vacuum'"),
        (("backup", "no/such/folder.db"), 2, "no such folder"),
    ],
)
def test_db_with_what_it_does_not_know_is_a_usage_error(
    stratkernel: Any, home: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    stratkernel("db", "upgrade")
    done = stratkernel("db", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") <= 2


def test_s7_db_of_a_newer_stratkernel_is_refused_by_every_command(stratkernel: Any, url: str) -> None:
    stratkernel("db", "upgrade")
    set_revision(url, "0999")
    for command in (("upgrade",), ("check",), ("downgrade", "base", "--yes"), ("clean",)):
        done = stratkernel("db", *command)
        assert done.code == 1
        assert "was made by a newer stratkernel" in done.err


def test_db_current_of_a_newer_stratkernel_says_that_it_is_refused(stratkernel: Any, url: str) -> None:
    stratkernel("db", "upgrade")
    assert stratkernel("db", "current").code == 0
    set_revision(url, "0999")
    done = stratkernel("db", "current")
    assert (done.code, done.err) == (1, "")
    assert "revision 0999" in done.out
    assert "refuses this database, which a newer one made: upgrade stratkernel" in done.out


def test_db_downgrade_needs_a_yes(stratkernel: Any, url: str, home: Path) -> None:
    stratkernel("db", "upgrade")
    asked = stratkernel("db", "downgrade", "base")
    assert (asked.code, asked.out) == (2, "")
    assert "delete all tables of stratkernel, for good; say --yes if you mean it" in asked.err
    assert "revision 0001, the newest" in stratkernel("db", "current").out
    assert list(home.glob("*.backup")) == []


def test_db_backup_that_cannot_be_written_names_the_file_that_was_asked_for(
    stratkernel: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stratkernel("db", "upgrade")

    def refuse(path: Path, **_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    done = stratkernel("db", "backup", str(home / "copy.db"))
    assert (done.code, done.out) == (1, "")
    assert done.err == f"stratkernel: {home / 'copy.db'}: Read-only file system\n"


def test_db_messages_show_no_password(stratkernel: Any, home: Path) -> None:
    url = "postgresql://me:hush-canary@127.0.0.1:1/nothing"
    for command in (("current",), ("upgrade",), ("check",), ("clean",)):
        done = stratkernel("db", *command, "--database", url)
        assert done.code == 1
        assert "hush-canary" not in done.out + done.err
        assert "cannot be reached" in done.err


def test_db_check_of_sound_tables_ends_with_0_and_of_others_with_1(stratkernel: Any, url: str) -> None:
    stratkernel("db", "upgrade")
    sound = stratkernel("db", "check")
    assert sound.code == 0
    assert sound.out.endswith(": revision 0001, all as it should be\n")
    execute(url, "DROP INDEX ix_strategy_runs_batch")
    found = stratkernel("db", "check")
    assert found.code == 1
    assert found.out == "strategy_runs: the index ix_strategy_runs_batch is missing\n"


def test_db_backup_makes_a_database_of_its_own(stratkernel: Any, home: Path, tmp_path: Path) -> None:
    stratkernel("db", "upgrade")
    add_run_with_signals(f"sqlite:///{home / 'stratkernel.db'}", 5)
    target = tmp_path / "copy.db"
    done = stratkernel("db", "backup", str(target))
    assert done.code == 0
    assert f"to {target} ({target.stat().st_size:,} bytes)" in done.out
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM strategy_signals").fetchone() == (5,)
    again = stratkernel("db", "backup", str(target))
    assert again.code == 2
    assert "exists already" in again.err


def test_db_clean_without_retention_keeps_everything(stratkernel: Any, storage: Storage, runs: Any) -> None:
    done = stratkernel("db", "clean")
    assert done.code == 0
    assert done.out.startswith('no "retention" is set, so all runs are kept')
    assert len(storage.strategies.runs()) == 4


def test_db_clean_dry_run_tells_what_would_go_and_why(
    stratkernel: Any, home: Path, storage: Storage, runs: list[str]
) -> None:
    write_json(home / "settings.json", {"retention": {"sweep": {"max_runs": 2}, "run": {"max_age_days": 1}}})
    young = made_run(7, started_at=datetime.max.replace(tzinfo=UTC))
    storage.strategies.save_run(young)
    dry = stratkernel("db", "clean", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.splitlines() == [
        "  1 of kind sweep: beyond the newest 2",
        f"{storage.title}: 1 run and 3 signals would be deleted",
    ]
    assert len(storage.strategies.runs()) == 5


def test_db_clean_deletes_what_its_dry_run_told_and_keeps_the_starred(
    stratkernel: Any, home: Path, storage: Storage, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_RETENTION", '{"sweep": {"max_age_days": 365}}')
    done = stratkernel("db", "clean")
    first, last = done.out.splitlines()
    assert first == "  3 of kind sweep: older than 365 days"
    assert last.startswith(f"{storage.title}: 3 runs and 9 signals deleted, ")
    assert last.endswith(" bytes given back")
    assert [run.starred for run in storage.strategies.runs()] == [True]
    assert "0 runs and 0 signals deleted" in stratkernel("db", "clean").out


def test_live_table_keeps_its_checksum_through_all_that_is_done_beside_it(
    stratkernel: Any, url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_RETENTION", '{"sweep": {"max_runs": 0}}')
    make_live_signals(url)
    before = live_checksum(url)
    assert stratkernel("db", "upgrade").code == 0
    assert live_checksum(url) == before
    runs = [made_run(number, kind=RunKind.SWEEP) for number in range(3)]
    with open_storage(Kernel(), url) as storage:
        for run in runs:
            storage.strategies.save_run(run, made_signals(run, 4))
        storage.candles.write(made_candles(10))
        assert storage.strategies.delete_runs([runs[0].run_id]) == 1
        storage.candles.delete(storage.candles.series()[0].series)
    assert live_checksum(url) == before
    assert "2 runs and 8 signals deleted" in stratkernel("db", "clean").out
    assert live_checksum(url) == before
    assert stratkernel("db", "check").code == 0
    assert stratkernel("db", "downgrade", "base", "--yes").code == 0
    assert live_checksum(url) == before
    assert stratkernel("db", "upgrade").code == 0
    assert live_checksum(url) == before


def test_db_copy_moves_everything_and_again_adds_nothing(
    stratkernel: Any, storage: Storage, url: str, runs: list[str], tmp_path: Path
) -> None:
    storage.candles.write(made_candles(100))
    target = f"sqlite:///{tmp_path / 'target.db'}"
    done = stratkernel("db", "copy", url, target)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("candles of TEST 1h: 100 rows, 100 new, sha256 ")
    assert "112 of 112 rows were new, all hashes are equal" in done.out
    with open_storage(Kernel(), target) as copied:
        assert everything(copied) == everything(storage)
    assert "0 of 112 rows were new" in stratkernel("db", "copy", url, target).out
    back = stratkernel("db", "copy", target, url)
    assert "0 of 112 rows were new" in back.out


@pytest.mark.postgresql
def test_db_copy_moves_from_sqlite_to_postgresql(
    stratkernel: Any, home: Path, postgres_url: str, tmp_path: Path
) -> None:
    source = f"sqlite:///{tmp_path / 'source.db'}"
    with open_storage(Kernel(), source) as storage:
        run = replace(made_run(1), batch="b")
        storage.strategies.save_run(run, made_signals(run, 50, {"rsi": [1 / (i + 1) for i in range(50)]}))
        storage.candles.write(made_candles(100))
        before = everything(storage)
    assert stratkernel("db", "copy", source, postgres_url).code == 0
    with open_storage(Kernel(), postgres_url) as copied:
        assert everything(copied) == before


def test_db_copy_of_a_database_onto_itself_is_refused(
    stratkernel: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.db"
    stratkernel("db", "upgrade", "--database", f"sqlite:///{file}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.db").symlink_to(file)
    same = [
        "sqlite:///a.db",
        "sqlite+pysqlite:///./a.db",
        f"sqlite:///{file}?timeout=1",
        "sqlite:///link.db",
    ]
    for other in same:
        done = stratkernel("db", "copy", f"sqlite:///{file}", other)
        assert done.code == 2
        assert "both sides are" in done.err


def test_db_copy_from_what_is_not_there_is_refused_and_makes_nothing(
    stratkernel: Any, home: Path, tmp_path: Path
) -> None:
    done = stratkernel("db", "copy", f"sqlite:///{tmp_path / 'no.db'}", f"sqlite:///{tmp_path / 'to.db'}")
    assert done.code == 2
    assert "nothing to copy, it has no tables of stratkernel" in done.err
    assert not list(tmp_path.glob("*.db"))
