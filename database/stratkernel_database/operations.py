"""An open database of this package: its repositories, units of work and cleaning up."""

from contextlib import AbstractContextManager
from datetime import datetime

from stratkernel.contracts.retention import CleanReport, RetentionPolicy
from stratkernel.contracts.storage import Storage
from stratkernel_database import retention
from stratkernel_database.connection import Database
from stratkernel_database.repositories.checkpoints import CheckpointRepository
from stratkernel_database.repositories.market import MarketDataRepository
from stratkernel_database.repositories.strategy import StrategyRepository


class DatabaseOperations(Storage):
    """Runs, signals, candles and checkpoints of one database, behind one set of connections."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.title = database.title
        self.strategies = StrategyRepository(database)
        self.candles = MarketDataRepository(database)
        self.checkpoints = CheckpointRepository(database)

    def unit_of_work(self) -> AbstractContextManager[None]:
        return self.database.unit_of_work()

    def clean(
        self, policy: RetentionPolicy, *, now: datetime, dry_run: bool = False, batch: int = 10_000
    ) -> CleanReport:
        return retention.clean(self.database, policy, now=now, dry_run=dry_run, batch=batch)

    def reclaim(self) -> int:
        return retention.reclaim(self.database)[0]

    def close(self) -> None:
        self.database.close()
