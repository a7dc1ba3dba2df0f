"""What differs between the tables of a database and those that it should have."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from stratkernel_database.dialects.postgresql_partitions import PARTITION_KEY, partition_key
from stratkernel_database.dialects.schema import broken_references, damages, temporary_schema
from stratkernel_database.models import market_data, market_series, metadata
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals


def differences(connection: sa.Connection) -> list[str]:
    """Sentences; none where all is well. Leaves nothing behind when the transaction is rolled back."""
    damaged = damages(connection)
    if damaged:
        return damaged
    inspector = sa.inspect(connection)
    there = [table for table in metadata.sorted_tables if inspector.has_table(table.name)]
    key = partition_key(connection)
    found = [
        _sentence(change) for change in _by_alembic(connection) if key is None or not _is_by_design(change)
    ]
    if key not in {None, PARTITION_KEY}:
        found.append(f"{signals.name}: is partitioned by {key}, expected {PARTITION_KEY}")
    for table in there:
        found += _by_copy(connection, table)
    found += broken_references(connection, [table.name for table in there])
    if {market_data, market_series} <= set(there):
        found += [
            f"market_data: {count} candles belong to series {series}, which is not in market_series"
            for series, count in _orphans(connection, market_data.c.series, market_series.c.id)
        ]
    if key is not None and {runs, signals} <= set(there):
        found += [
            f"{signals.name}: {count} signals belong to run {run}, which is not in {runs.name}"
            for run, count in _orphans(connection, signals.c.run, runs.c.id)
        ]
    return found


def _by_alembic(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from stratkernel_database.migrations.scope import OPTIONS

    context = MigrationContext.configure(connection, opts=OPTIONS)
    for difference in compare_metadata(context, metadata):
        yield from difference if isinstance(difference, list) else [difference]


def _is_by_design(change: Sequence[Any]) -> bool:
    """Whether a change would bring the foreign key that signals in partitions do without."""
    return change[0] == "add_fk" and str(change[1].table.name) == signals.name


def _sentence(change: Sequence[Any]) -> str:
    """What one change, that Alembic would make to mend the database, says of it."""
    kind, *about = change
    match kind.split("_", 1):
        case ["modify", what]:
            _, table, column, _, is_now, should_be = about
            return f"{table}.{column}: its {what} is {is_now!r}, expected {should_be!r}"
        case [way, "column"]:
            thing = f"{about[1]}.{about[2].name}: the column"
        case [way, "table"]:
            thing = f"{about[0].name}: the table"
        case [way, what]:
            where, what = about[0].table.name, {"fk": "foreign key"}.get(what, what)
            thing = f"{where}: the {what} {about[0].name}"
        case _:
            return " ".join(map(str, change))
    return f"{thing} {'is missing' if way == 'add' else 'should not be there'}"


def _by_copy(connection: sa.Connection, table: sa.Table) -> Iterator[str]:
    """What Alembic does not compare, against a table made for it, since each database words things anew."""
    copy = table.to_metadata(
        sa.MetaData(), schema=temporary_schema(connection.dialect), name=f"stratkernel_expected_{table.name}"
    )
    connection.execute(sa.schema.CreateTable(copy, include_foreign_key_constraints=[]))
    inspector = sa.inspect(connection)  # anew: it remembers what it saw
    schema = copy.schema if connection.dialect.name == "sqlite" else None

    expected, got = (
        {str(check["name"]): check["sqltext"] for check in inspector.get_check_constraints(name, where)}
        for name, where in ((copy.name, schema), (table.name, None))
    )
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            yield f"{table.name}: the CHECK {name} is {_text(got, name)}, expected {_text(expected, name)}"
    keys = [
        inspector.get_pk_constraint(name, where)["constrained_columns"]
        for name, where in ((copy.name, schema), (table.name, None))
    ]
    if keys[0] != keys[1]:
        yield f"{table.name}: its primary key is {keys[1]}, expected {keys[0]}"
    options = [
        inspector.get_table_options(name, where).get("sqlite_with_rowid", True)
        for name, where in ((copy.name, schema), (table.name, None))
    ]
    if options[0] != options[1]:
        words = {True: "its own row numbers", False: "rows in the order of its key alone"}
        yield f"{table.name}: has {words[options[1]]}, expected {words[options[0]]}"
    copy.drop(connection)


def _text(checks: dict[str, str], name: str) -> str:
    return f"({checks[name]})" if name in checks else "not there"


def _orphans(
    connection: sa.Connection, child: sa.Column[int], parent: sa.Column[int]
) -> Iterator[tuple[int, int]]:
    """What rows refer to that is not there, and how many do."""
    orphans = (
        sa.select(child, sa.func.count())
        .where(child.not_in(sa.select(parent)))
        .group_by(child)
        .order_by(child)
    )
    yield from ((missing, count) for missing, count in connection.execute(orphans))
