"""`db check` sees what Alembic sees, and what it does not: CHECKs, keys, WITHOUT ROWID, orphans."""

from pathlib import Path

import pytest

from made_migrations import add_run_with_signals, execute, opened, prepared, set_revision, table_names
from stratkernel_database.migrate import DatabaseMigrations
from stratkernel_database.models import market_data, market_series, metadata

INDEX = "ix_strategy_signals_strategy_name_symbol_timeframe_timestamp"


def check(url: str) -> list[str]:
    return DatabaseMigrations(url).check()


@pytest.fixture
def url(database_url: str) -> str:
    prepared(database_url)
    return database_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    prepared(url)
    return url


def test_check_of_an_index_that_was_dropped_names_it(url: str) -> None:
    execute(url, f"DROP INDEX {INDEX}")
    assert check(url) == [f"strategy_signals: the index {INDEX} is missing"]


def test_check_of_columns_tables_and_indexes_says_what_is_missing_or_too_much(url: str) -> None:
    execute(
        url,
        "ALTER TABLE market_series ADD COLUMN more INTEGER",
        "ALTER TABLE strategy_runs DROP COLUMN error",
        "CREATE INDEX mine ON market_series (symbol)",
        "DROP TABLE quarantined_candles",
    )
    assert set(check(url)) == {
        "market_series.more: the column should not be there",
        "strategy_runs.error: the column is missing",
        "market_series: the index mine should not be there",
        "quarantined_candles: the table is missing",
    }


def test_check_leaves_nothing_behind_and_sees_no_tables_of_others(url: str) -> None:
    execute(url, "CREATE TABLE signals (id INTEGER PRIMARY KEY)", "CREATE INDEX live ON signals (id)")
    before = table_names(url)
    assert check(url) == []
    assert table_names(url) == before


def test_check_counts_candles_that_belong_to_no_series(url: str) -> None:
    candles = [
        {"series": series, "open_time": i, "open": 1, "high": 1, "low": 1, "close": 1, "volume": 0}
        for series, count in ((1, 2), (8, 3))
        for i in range(count)
    ]
    known = {"venue": "v", "symbol": "s", "timeframe": "1h", "calendar": "24x7"}
    known |= {"calendar_given": False, "omits_empty": False}
    with opened(url) as database, database.dialect.writing(database.engine) as connection:
        connection.execute(market_series.insert().values(id=1, **known))
        connection.execute(market_data.insert(), candles)
    assert check(url) == ["market_data: 3 candles belong to series 8, which is not in market_series"]


@pytest.mark.postgresql
def test_check_of_a_check_constraint_that_was_dropped_or_changed_names_it(postgres_url: str) -> None:
    prepared(postgres_url)
    execute(
        postgres_url,
        "ALTER TABLE strategy_signals DROP CONSTRAINT ck_strategy_signals_confidence",
        "ALTER TABLE strategy_runs DROP CONSTRAINT ck_strategy_runs_kind",
        "ALTER TABLE strategy_runs ADD CONSTRAINT ck_strategy_runs_kind CHECK (kind <> '')",
    )
    (runs, signals) = check(postgres_url)
    assert runs.startswith(
        "strategy_runs: the CHECK ck_strategy_runs_kind is (kind::text <> ''::text), expected"
    )
    assert signals.startswith(
        "strategy_signals: the CHECK ck_strategy_signals_confidence is not there, expected"
    )


@pytest.mark.postgresql
def test_check_of_a_type_and_a_null_that_were_changed_says_both_sides(postgres_url: str) -> None:
    prepared(postgres_url)
    execute(
        postgres_url,
        "ALTER TABLE strategy_runs ALTER COLUMN venue TYPE TEXT",
        "ALTER TABLE strategy_runs ALTER COLUMN venue DROP NOT NULL",
    )
    assert check(postgres_url) == [
        "strategy_runs.venue: its type is TEXT(), expected String(length=200)",
        "strategy_runs.venue: its nullable is True, expected False",
    ]


def test_check_of_a_sqlite_table_made_anew_sees_constraints_key_and_rowid(sqlite_url: str) -> None:
    (made,) = execute(sqlite_url, "SELECT sql FROM sqlite_master WHERE name = 'strategy_signals'")
    indexes = execute(
        sqlite_url, "SELECT sql FROM sqlite_master WHERE tbl_name = 'strategy_signals' AND type = 'index'"
    )
    other = made[0].replace("WITHOUT ROWID", "").replace("BETWEEN 0 AND 1", "BETWEEN 0 AND 2")
    other = other.replace(
        "(run, timestamp, signal_type, revision)", "(run, signal_type, timestamp, revision)"
    )
    execute(sqlite_url, "DROP TABLE strategy_signals", other, *(row[0] for row in indexes if row[0]))
    key = ["run", "timestamp", "signal_type", "revision"]
    between = "(confidence BETWEEN 0 AND {})"
    assert check(sqlite_url) == [
        f"strategy_signals: the CHECK ck_strategy_signals_confidence is {between.format(2)}, expected "
        + between.format(1),
        f"strategy_signals: its primary key is {[key[0], key[2], key[1], key[3]]}, expected {key}",
        "strategy_signals: has its own row numbers, expected rows in the order of its key alone",
    ]


def test_check_of_signals_without_their_run_counts_them(sqlite_url: str) -> None:
    add_run_with_signals(sqlite_url, 4)
    execute(sqlite_url, "COMMIT", "PRAGMA foreign_keys = OFF", "DELETE FROM strategy_runs", "BEGIN")
    assert check(sqlite_url) == ["strategy_signals: 4 rows refer to no row of strategy_runs"]


def test_s6_check_of_a_damaged_file_says_so(sqlite_url: str, tmp_path: Path) -> None:
    add_run_with_signals(sqlite_url, 4000)
    execute(sqlite_url, "COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)", "BEGIN")
    file = tmp_path / "runs.db"
    content = bytearray(file.read_bytes())
    content[-20_000:-10_000] = b"\xff" * 10_000
    file.write_bytes(content)
    found = check(sqlite_url)
    assert found
    assert all(sentence.startswith("the file is damaged: ") for sentence in found)


def test_check_of_older_tables_asks_for_the_upgrade(url: str) -> None:
    DatabaseMigrations(url).downgrade("base")
    (sentence,) = check(url)
    assert sentence.endswith("run `stratkernel db upgrade`")


def test_check_believes_the_tables_more_than_their_revision(url: str) -> None:
    head = DatabaseMigrations(url).head
    DatabaseMigrations(url).downgrade("base")
    with opened(url) as database, database.dialect.writing(database.engine) as connection:
        metadata.tables["market_series"].create(connection)
    execute(url, f"INSERT INTO stratkernel_schema_version VALUES ('{head}')")  # noqa: S608 - our own text
    set_revision(url, head)
    missing = {f"{name}: the table is missing" for name in metadata.tables if name != "market_series"}
    assert missing <= set(check(url))
