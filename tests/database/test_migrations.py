"""Tables are made, changed and taken back whole or not at all; what is not ours is left alone."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from made_migrations import (
    SECOND,
    add_run_with_signals,
    execute,
    live_checksum,
    made_history,
    make_live_signals,
    opened,
    prepared,
    set_revision,
    table_names,
)
from stratkernel.kernel.errors import SchemaError, StorageError, UsageError
from stratkernel_database.migrate import DatabaseMigrations, History
from stratkernel_database.migrations import REVISIONS
from stratkernel_database.models import VERSION_TABLE, metadata

HEAD = REVISIONS[-1]
FAILING = (
    "op.create_table('half', sa.Column('x', sa.Integer())); "
    "op.drop_table('market_data'); raise OSError('cut')"
)


def backups(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.backup"))


def test_revisions_told_without_alembic_are_those_of_its_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "stratkernel_database:migrations")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert [script.revision for script in scripts] == list(reversed(REVISIONS))


def test_upgrade_of_an_empty_database_makes_the_tables_of_the_models(database_url: str) -> None:
    migrations = DatabaseMigrations(database_url)
    assert migrations.current() is None
    assert migrations.upgrade() == list(REVISIONS)
    assert (migrations.current(), migrations.head) == (HEAD, HEAD)
    assert table_names(database_url) == {*metadata.tables, VERSION_TABLE}
    assert migrations.check() == []
    assert migrations.upgrade() == []
    assert migrations.backed_up is None


def test_downgrade_to_base_and_back_leaves_no_difference(database_url: str) -> None:
    migrations = DatabaseMigrations(database_url)
    migrations.upgrade()
    assert migrations.downgrade("base") == list(reversed(REVISIONS))
    assert migrations.current() is None
    assert table_names(database_url) == {VERSION_TABLE}
    assert migrations.downgrade("base") == []
    prepared(database_url)
    assert migrations.check() == []


def test_tables_of_the_models_with_the_revision_of_the_newest_have_no_difference(database_url: str) -> None:
    DatabaseMigrations(database_url).upgrade()
    with opened(database_url) as database, database.engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert DatabaseMigrations(database_url).check() == []


def test_tables_of_others_stay_as_they_are_through_upgrade_and_downgrade(database_url: str) -> None:
    make_live_signals(database_url)
    before = live_checksum(database_url)
    prepared(database_url)
    assert live_checksum(database_url) == before
    migrations = DatabaseMigrations(database_url)
    assert migrations.check() == []
    migrations.downgrade("base")
    assert live_checksum(database_url) == before
    assert table_names(database_url) == {"signals", "alembic_version", VERSION_TABLE}


def test_tables_of_our_names_that_others_made_are_refused(database_url: str) -> None:
    execute(database_url, "CREATE TABLE strategy_runs (mine INTEGER)", "INSERT INTO strategy_runs VALUES (5)")
    with pytest.raises(
        SchemaError, match=r"has tables strategy_runs that stratkernel did not make; name anot"
    ):
        prepared(database_url)
    assert table_names(database_url) == {"strategy_runs"}
    assert execute(database_url, "SELECT * FROM strategy_runs") == [(5,)]


def test_s7_newer_revision_is_refused_in_plain_words_and_nothing_changes(database_url: str) -> None:
    migrations = DatabaseMigrations(database_url)
    migrations.upgrade()
    set_revision(database_url, "7777")
    said = r"was made by a newer stratkernel: it has tables of revision 7777.*Upgrade stratkernel"
    for action in (
        lambda: prepared(database_url),
        lambda: prepared(database_url, migrate=True),
        migrations.upgrade,
        migrations.check,
        lambda: migrations.downgrade("base"),
    ):
        with pytest.raises(SchemaError, match=said):
            action()
    assert migrations.current() == "7777"
    assert table_names(database_url) == {*metadata.tables, VERSION_TABLE}


def test_s7_older_sqlite_is_upgraded_when_opened_after_a_copy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    prepared(url)
    add_run_with_signals(url, 3)
    history = made_history(tmp_path, "op.add_column('strategy_runs', sa.Column('extra', sa.Integer()))")
    prepared(url, history=history)
    assert DatabaseMigrations(url, history).current() == SECOND
    assert backups(tmp_path) == [f"runs.db.before-{SECOND}.backup"]
    copy = DatabaseMigrations(f"sqlite:///{tmp_path / backups(tmp_path)[0]}")
    assert (copy.current(), copy.check()) == (HEAD, [])
    assert execute(
        f"sqlite:///{tmp_path / backups(tmp_path)[0]}", "SELECT count(*) FROM strategy_signals"
    ) == [(3,)]


def test_copies_before_changes_never_replace_one_another(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a%25b.db'}"
    migrations = DatabaseMigrations(url)
    for _ in range(3):
        migrations.upgrade()
        migrations.downgrade("base")
    names = ("", "-2", "-3")
    assert backups(tmp_path) == sorted(f"a%b.db.before-base{number}.backup" for number in names)
    assert migrations.backed_up is not None
    assert migrations.backed_up.path.stat().st_size == migrations.backed_up.size > 0


@pytest.mark.postgresql
def test_s7_older_postgresql_is_upgraded_only_when_asked_to(postgres_url: str, tmp_path: Path) -> None:
    prepared(postgres_url)  # an empty one is
    history = made_history(tmp_path, "op.add_column('strategy_runs', sa.Column('extra', sa.Integer()))")
    said = rf"has tables of revision {HEAD}, this stratkernel works with revision {SECOND}; run `strat"
    with pytest.raises(SchemaError, match=said):
        prepared(postgres_url, history=history)
    assert DatabaseMigrations(postgres_url, history).current() == HEAD
    prepared(postgres_url, migrate=True, history=history)
    assert DatabaseMigrations(postgres_url, history).current() == SECOND


def test_database_without_tables_that_may_not_be_migrated_is_refused(database_url: str) -> None:
    with pytest.raises(SchemaError, match=r"has no tables of stratkernel yet.*run `stratkernel db upgrade`"):
        prepared(database_url, migrate=False)
    assert table_names(database_url) == set()


def test_migration_that_fails_in_the_middle_leaves_tables_and_rows_as_they_were(
    database_url: str, tmp_path: Path
) -> None:
    prepared(database_url)
    add_run_with_signals(database_url, 10)
    migrations = DatabaseMigrations(database_url, made_history(tmp_path, FAILING))
    with pytest.raises(OSError, match="cut"):
        migrations.upgrade()
    unchanged = DatabaseMigrations(database_url)
    assert (unchanged.current(), unchanged.check()) == (HEAD, [])
    assert "half" not in table_names(database_url)
    assert execute(database_url, "SELECT count(*) FROM strategy_signals") == [(10,)]


def test_migration_that_the_database_refuses_is_said_plainly(database_url: str, tmp_path: Path) -> None:
    prepared(database_url)
    migrations = DatabaseMigrations(
        database_url, made_history(tmp_path, "op.drop_column('market_data', 'no')")
    )
    with pytest.raises(StorageError, match=r"^the database .*no"):
        migrations.upgrade()
    assert DatabaseMigrations(database_url).check() == []


def test_rebuild_of_a_table_keeps_every_row_that_refers_to_it(database_url: str, tmp_path: Path) -> None:
    prepared(database_url)
    add_run_with_signals(database_url, 1000)
    change = (
        "with altering('strategy_runs') as t: t.alter_column('error', type_={})\n"
        "    with altering('strategy_signals') as t: t.alter_column('{}', new_column_name='{}')"
    )
    upgrade = change.format("sa.String(500)", "price", "paid")
    downgrade = change.format("sa.Text()", "paid", "price")
    migrations = DatabaseMigrations(database_url, made_history(tmp_path, upgrade, downgrade))
    assert migrations.upgrade() == [SECOND]
    count = "SELECT count(*) FROM strategy_signals s JOIN strategy_runs r ON r.id = s.run"
    assert execute(database_url, count) == [(1000,)]
    assert migrations.downgrade(HEAD) == [SECOND]
    assert execute(database_url, count) == [(1000,)]
    assert DatabaseMigrations(database_url).check() == []
    assert execute(database_url, "DELETE FROM strategy_runs", count) == [(0,)]  # references hold again


def test_migration_that_leaves_rows_that_refer_to_nothing_is_undone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    prepared(url)
    add_run_with_signals(url, 5)
    migrations = DatabaseMigrations(url, made_history(tmp_path, "op.execute('DELETE FROM strategy_runs')"))
    with pytest.raises(SchemaError, match=r"strategy_signals: 5 rows refer to no row of strategy_runs"):
        migrations.upgrade()
    assert execute(url, "SELECT count(*) FROM strategy_runs") == [(1,)]


def test_upgrade_and_downgrade_the_wrong_way_or_to_the_unknown_are_refused(
    database_url: str, tmp_path: Path
) -> None:
    history = made_history(tmp_path, "pass")
    migrations = DatabaseMigrations(database_url, history)
    assert migrations.upgrade(HEAD) == list(REVISIONS)
    assert migrations.upgrade() == [SECOND]
    with pytest.raises(
        UsageError, match=rf"has tables of revision {SECOND}; to get to {HEAD}: `db downgrade`"
    ):
        migrations.upgrade(HEAD)
    migrations.downgrade(HEAD)
    with pytest.raises(UsageError, match=rf"to get to {SECOND}: `db upgrade`"):
        migrations.downgrade(SECOND)
    with pytest.raises(UsageError, match=rf"^no revision 'nope'; there are: {HEAD}, {SECOND}"):
        migrations.upgrade("nope")


def test_migrations_of_a_file_that_is_not_there_make_none(tmp_path: Path) -> None:
    migrations = DatabaseMigrations(f"sqlite:///{tmp_path / 'no.db'}")
    assert migrations.current() is None
    assert migrations.check() == [f"the database {tmp_path / 'no.db'} is not there"]
    for refused in (lambda: migrations.downgrade("base"), lambda: migrations.backup(tmp_path / "copy")):
        with pytest.raises(UsageError, match=r"no\.db is not there"):
            refused()
    assert list(tmp_path.iterdir()) == []


def test_s5_database_in_a_folder_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot be opened .* its folder must exist"):
        prepared(f"sqlite:///{tmp_path / 'no' / 'runs.db'}")


def test_s6_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    file.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    before = file.read_bytes()
    with pytest.raises(StorageError, match=r"is no SQLite database"):
        prepared(f"sqlite:///{file}")
    assert file.read_bytes() == before
    assert backups(tmp_path) == []


def test_backup_copies_while_others_write_and_replaces_no_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    prepared(url)
    add_run_with_signals(url, 20)
    migrations, target = DatabaseMigrations(url), tmp_path / "copy.db"
    with opened(url) as database, database.dialect.writing(database.engine) as connection:
        connection.execute(sa.delete(metadata.tables["strategy_signals"]))
        made = migrations.backup(target)
    assert (made.path, made.size) == (target, target.stat().st_size)
    assert execute(f"sqlite:///{target}", "SELECT count(*) FROM strategy_signals") == [(20,)]
    with pytest.raises(UsageError, match="exists already"):
        migrations.backup(target)
    with pytest.raises(UsageError, match="no such folder"):
        migrations.backup(tmp_path / "no" / "copy.db")


@pytest.mark.postgresql
def test_backup_of_a_server_is_refused_with_what_to_do(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pg_dump"):
        DatabaseMigrations(postgres_url).backup(tmp_path / "copy")


def test_opening_a_database_that_is_up_to_date_does_not_import_alembic(database_url: str) -> None:
    prepared(database_url)
    script = (
        "import sys\n"
        "from stratkernel_database.connection import Database\n"
        "from stratkernel_database.migrate import prepare\n"
        "database = Database(sys.argv[1])\n"
        "prepare(database, sys.argv[1])\n"
        "database.close()\n"
        "print('alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, database_url], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_history_ranks_revisions_by_age() -> None:
    history = History(("a", "b"))
    assert [history.rank(revision) for revision in (None, "a", "b")] == [0, 1, 2]
    assert history.head == "b"
