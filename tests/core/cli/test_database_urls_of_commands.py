"""`--database`: what is no URL, or a wrong one, is refused in words that show no password."""

from typing import Any

import pytest

from postgres import PostgresServer


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql:/me:hunter2@host/db", "is no URL"),
        ("me:hunter2@host/db", "is no URL"),
        ("oracle://me:hunter2@host/db", "no storage back-end opens oracle://"),
        ("postgresql://me:hunt@er2@127.0.0.1:1/db", "write it as %40"),
        ("postgresql://me:hunt?er2@127.0.0.1:1/db", "write it as %40"),
        ("postgresql://me:hunter2@host:port/db", "is no URL"),
        ("postgresql://me:hunter2@127.0.0.1:1/db?foo=bar", "unknown option 'foo'"),
        ("postgresql://me:hunter2@127.0.0.1:1/db?sslmod=require", "Did you mean 'sslmode'?"),
    ],
)
def test_wrong_url_is_a_usage_error_that_shows_no_password(stratkernel: Any, url: str, said: str) -> None:
    for command in (("runs", "list"), ("db", "current")):
        outcome = stratkernel(*command, "--database", url)
        assert (outcome.code, outcome.out) == (2, "")
        assert said in outcome.err
        assert "hunt" not in outcome.err
        assert "er2" not in outcome.err


@pytest.mark.parametrize(
    "url", ["postgresql:/me:hunter2@host/db", "me:hunter2@host/db", "postgresql://me:hunt@er2@host/db"]
)
def test_settings_show_no_part_of_a_password(
    stratkernel: Any, home: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_DATABASE_URL", url)
    outcome = stratkernel("settings")
    assert outcome.code == 0
    assert "***" in outcome.out
    assert "hunt" not in outcome.out + outcome.err
    assert "er2" not in outcome.out + outcome.err


@pytest.mark.postgresql
def test_url_that_begins_with_postgres_is_one_of_postgresql(stratkernel: Any, postgres_url: str) -> None:
    short = "postgres" + postgres_url.removeprefix("postgresql")
    assert stratkernel("db", "upgrade", "--database", short).code == 0
    assert "revision 0001" in stratkernel("db", "current", "--database", postgres_url).out


@pytest.mark.postgresql
def test_missing_database_of_a_server_says_how_to_make_it(
    stratkernel: Any, postgres_server: PostgresServer
) -> None:
    outcome = stratkernel("runs", "list", "--database", postgres_server.url_of("nowhere"))
    assert outcome.code == 1
    assert "does not exist on that server; make it with the server's createdb" in outcome.err
    assert "cannot be reached" not in outcome.err
