"""`--save`: a run and its signals into the database."""

from typing import TYPE_CHECKING

from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.stored import RunRecord, SignalWrite

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage

SHORT_ID = 8
"""Letters of a run's id that people are shown."""


def save_run(storage: "Storage", record: RunRecord, signals: SignalTable) -> str:
    """Store a run and its signals in one transaction; gives what to tell the user.

    Raises:
        StorageError: it cannot be written; nothing of it was.
    """
    return saved_line(record, storage.strategies.save_run(record, signals))


def saved_line(record: RunRecord, write: SignalWrite) -> str:
    """What became of a run that was saved."""
    name = f"run {short_id(record)}"
    if write.new_run:
        return f"saved as {name}"
    changes = {"new": write.inserted, "revised": write.revised}
    told = ", ".join(f"{count:,} {what} signals" for what, count in changes.items() if count)
    return f"is stored already as {name}" + (f"; {told}" if told else "")


def short_id(record: RunRecord) -> str:
    """The beginning of a run's id, enough to name it among a few thousand."""
    return str(record.run_id)[:SHORT_ID]
