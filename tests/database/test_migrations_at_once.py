"""Several processes and threads may open a database at the same moment: one migrates, the others wait."""

from functools import partial
from pathlib import Path

import pytest

from made_migrations import SECOND, add_run_with_signals, execute, made_history, prepared
from migrating_at_once import call_in_threads, open_in_processes
from postgres import PostgresServer
from stratkernel_database.migrate import DatabaseMigrations
from stratkernel_database.migrations import REVISIONS

ROUNDS = 6


def sqlite_urls(folder: Path, count: int = ROUNDS) -> list[str]:
    return [f"sqlite:///{folder / f'{number}.db'}" for number in range(count)]


def test_four_processes_that_make_a_sqlite_database_at_once_all_succeed(tmp_path: Path) -> None:
    urls = sqlite_urls(tmp_path)
    assert open_in_processes(urls) == []
    assert [DatabaseMigrations(url).current() for url in urls] == [REVISIONS[-1]] * ROUNDS
    assert DatabaseMigrations(urls[0]).check() == []


def test_four_processes_that_upgrade_a_sqlite_database_at_once_make_one_copy(tmp_path: Path) -> None:
    urls = sqlite_urls(tmp_path)
    for url in urls:
        prepared(url)
        add_run_with_signals(url, 100)
    history = made_history(
        tmp_path, "with altering('strategy_runs') as t: t.alter_column('error', type_=sa.String(9))"
    )
    assert open_in_processes(urls, history) == []
    assert [DatabaseMigrations(url, history).current() for url in urls] == [SECOND] * ROUNDS
    assert len(list(tmp_path.glob("*.backup"))) == ROUNDS
    for url in urls:
        assert execute(url, "SELECT count(*) FROM strategy_signals") == [(100,)]


def test_four_processes_that_migrate_a_postgresql_database_at_once_all_succeed(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    names = [postgres_server.create() for _ in range(ROUNDS)]
    urls = [postgres_server.url_of(name) for name in names]
    history = made_history(tmp_path, "op.add_column('strategy_runs', sa.Column('extra', sa.Integer()))")
    try:
        assert open_in_processes(urls) == []
        assert DatabaseMigrations(urls[0]).check() == []
        assert open_in_processes(urls, history) == []
        assert [DatabaseMigrations(url, history).current() for url in urls] == [SECOND] * ROUNDS
    finally:
        for name in names:
            postgres_server.drop(name)


def test_four_threads_that_make_different_databases_at_once_all_succeed(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        urls = sqlite_urls(folder, 4)
        assert call_in_threads([partial(prepared, url) for url in urls]) == []
        assert [DatabaseMigrations(url).check() for url in urls] == [[]] * 4


@pytest.mark.parametrize("threads", [4])
def test_threads_that_make_the_same_database_at_once_all_succeed(database_url: str, threads: int) -> None:
    assert call_in_threads([partial(prepared, database_url)] * threads) == []
    assert DatabaseMigrations(database_url).check() == []
