"""Where live runs stand."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stratkernel.contracts.storage import CheckpointStorage
from stratkernel.contracts.stored import Checkpoint
from stratkernel_database.models import realtime_checkpoints as checkpoints
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.repositories.base import BaseRepository
from stratkernel_database.repositories.strategy import locked_key
from stratkernel_database.repositories.values import micros_of, moment_of


class CheckpointRepository(BaseRepository, CheckpointStorage):
    """Checkpoints in the table `realtime_checkpoints`; they go with their run."""

    def save(self, checkpoint: Checkpoint) -> None:
        saved_at = micros_of(checkpoint.saved_at, "saved_at")

        def work(connection: sa.Connection) -> None:
            row: dict[str, Sequence[Any]] = {
                "run": [locked_key(connection, checkpoint.run_id)],
                "open_time": [checkpoint.open_time],
                "state": [checkpoint.state],
                "saved_at": [saved_at],
            }
            self._dialect.upsert(connection, checkpoints, row)

        self._write(work)

    def load(self, run_id: UUID, before: int | None = None) -> Checkpoint | None:
        select = (
            sa.select(checkpoints.c.open_time, checkpoints.c.state, checkpoints.c.saved_at)
            .join(runs, runs.c.id == checkpoints.c.run)
            .where(runs.c.run_id == run_id, runs.c.deleted_at.is_(None))
            .order_by(checkpoints.c.open_time.desc())
            .limit(1)
        )
        if before is not None:
            select = select.where(checkpoints.c.open_time <= before)
        row = self._read(lambda connection: connection.execute(select).one_or_none())
        return None if row is None else Checkpoint(run_id, row.open_time, row.state, moment_of(row.saved_at))

    def prune(self, run_id: UUID, keep_from: int) -> int:
        key = sa.select(runs.c.id).where(runs.c.run_id == run_id).scalar_subquery()
        older = checkpoints.alias("other_checkpoints")
        newest = sa.select(sa.func.max(older.c.open_time)).where(older.c.run == key).scalar_subquery()
        dropped = sa.delete(checkpoints).where(
            checkpoints.c.run == key, checkpoints.c.open_time < keep_from, checkpoints.c.open_time < newest
        )
        return self._write(lambda connection: connection.execute(dropped).rowcount)
