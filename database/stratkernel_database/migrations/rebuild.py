"""Changes that SQLite makes only by copying a table into a new one."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from alembic.operations import BatchOperations

from stratkernel_database.models import NAMING


@contextmanager
def altering(table: str) -> Iterator[BatchOperations]:
    """Alter a table: in place where the database can, else by a copy that takes its place.

    Named CHECK constraints, foreign keys, indexes and WITHOUT ROWID come along. Rows of other tables that
    refer to this one stay, since migrations run with foreign keys off and check them at their end.
    """
    with op.batch_alter_table(table, naming_convention=NAMING) as batch:
        yield batch
