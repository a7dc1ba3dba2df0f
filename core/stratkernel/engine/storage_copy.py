"""Everything that one storage holds, into another of any kind; checked by hash, repeatable.

What is there already is left alone, so that an interrupted copy is taken up by doing it again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stratkernel.contracts.candle_digest import CandleDigest
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import canonical_json
from stratkernel.contracts.storage import CheckpointStorage, Storage
from stratkernel.contracts.stored import (
    Checkpoint,
    QuarantinedCandle,
    RunRecord,
    Series,
    SignalQuery,
    StoredSeries,
    StoredSignals,
)
from stratkernel.kernel.errors import StorageError


@dataclass(frozen=True, slots=True)
class Copied:
    """One thing that was copied: how many rows it has, how many of them were new, the hash of both sides."""

    what: str
    rows: int
    new: int
    hash: str


def copy_storage(source: Storage, target: Storage, tell: Callable[[Copied], None]) -> None:
    """Copy series, candles that were put aside, runs with their signals, and checkpoints.

    `tell` hears of each series and run when it is there and checked.

    Raises:
        CandleConflictError: the target has other candles for the same times.
        StorageError: the target does not give back what the source holds, or one of them fails.
    """
    for stored in source.candles.series():
        tell(_copy_series(source, target, stored))
    aside = source.candles.quarantined()
    if aside:
        tell(_copy_quarantine(target, aside, source.title))
    for record in reversed(source.strategies.runs()):  # the oldest first, as they came
        tell(_copy_run(source, target, record))


def _copy_series(source: Storage, target: Storage, stored: StoredSeries) -> Copied:
    series, inserted = stored.series, 0
    here, there = CandleDigest(), CandleDigest()
    marked_here, marked_there = hashlib.sha256(), hashlib.sha256()
    for part in _parts(source, series):
        inserted += target.candles.write(part).inserted
        here.update(part.open_time, part.columns)
        marked_here.update(_marks(part))
        if len(part):
            written = target.candles.read(series, int(part.open_time[0]), int(part.open_time[-1]) + 1)
            there.update(written.open_time, written.columns)
            marked_there.update(_marks(written))
    facts = _describe(target, stored) if stored.candles else True
    if here.hexdigest() != there.hexdigest() or marked_here.digest() != marked_there.digest() or not facts:
        raise StorageError(
            f"{target.title} does not give back the candles of {series} that {source.title} holds: it had "
            "others among them. Delete them there (`stratkernel data delete`), or copy to an empty database"
        )
    return Copied(f"candles of {series}", stored.candles, inserted, here.hexdigest())


def _describe(target: Storage, stored: StoredSeries) -> bool:
    """Take over what is known of a series; gives whether the target says the same then."""
    series = stored.series
    target.candles.describe(
        series,
        calendar=stored.calendar,
        calendar_given=stored.calendar_given,
        omits_empty=stored.omits_empty,
    )
    found = target.candles.series(symbol=series.symbol, timeframe=series.timeframe, venue=series.venue)
    return [_facts(each) for each in found] == [_facts(stored)]


def _facts(stored: StoredSeries) -> tuple[object, ...]:
    return stored.series, stored.calendar, stored.calendar_given, stored.omits_empty


def _copy_quarantine(target: Storage, aside: Sequence[QuarantinedCandle], title: str) -> Copied:
    """Candles that were put aside; the target may have more of them, and have seen them at other times."""
    new = target.candles.quarantine(aside)
    expected = {_identity(candle) for candle in aside}
    got = expected & {_identity(candle) for candle in target.candles.quarantined()}
    digests = [hashlib.sha256("\n".join(sorted(each)).encode()).hexdigest() for each in (expected, got)]
    if digests[0] != digests[1]:
        raise StorageError(
            f"{target.title} does not give back the candles put aside that {title} holds: "
            f"{len(expected) - len(got):,} of them have another reason or content there. Delete their series "
            "there (`stratkernel data delete`), or copy to an empty database"
        )
    return Copied("candles put aside", len(aside), new, digests[0])


def _identity(candle: QuarantinedCandle) -> str:
    series = candle.series
    return canonical_json(
        [series.venue, series.symbol, series.timeframe, candle.open_time, candle.reason, candle.content]
    )


def _parts(storage: Storage, series: Series) -> Iterator[Candles]:
    """The candles of a series; of an empty one a part without any, which makes the series known."""
    found = False
    for part in storage.candles.chunks(series):
        found = True
        yield part
    if not found:
        yield storage.candles.read(series)


def _marks(candles: Candles) -> bytes:
    marked = np.zeros(len(candles), dtype=np.bool_) if candles.marked is None else candles.marked
    return np.ascontiguousarray(marked).tobytes()


def _copy_run(source: Storage, target: Storage, record: RunRecord) -> Copied:
    query = SignalQuery(run_ids=(record.run_id,), current=False, with_metadata=True)
    signals = source.strategies.signals(query)
    checkpoints = list(_checkpoints(source.checkpoints, record))  # once: a live run makes new ones
    with target.unit_of_work():
        done = target.strategies.restore_run(record, signals)
        for checkpoint in checkpoints:
            target.checkpoints.save(checkpoint)
    expected = _hash(record, signals, checkpoints)
    got = _hash(
        target.strategies.run(record.run_id),
        target.strategies.signals(query),
        _checkpoints(target.checkpoints, record),
    )
    what = f"signals of run {str(record.run_id)[:8]} ({record.run.strategy_name} on {record.run.symbol})"
    if expected != got:
        raise StorageError(
            f"{target.title} does not give back the {what} that {source.title} holds: it had another "
            f"state of the run. Delete it there (`stratkernel runs delete {record.run_id}`), then copy again"
        )
    return Copied(what, len(signals), done.inserted, expected)


def _checkpoints(storage: CheckpointStorage, record: RunRecord) -> Iterator[Checkpoint]:
    """All checkpoints of a run, the newest first."""
    found = storage.load(record.run_id)
    while found is not None:
        yield found
        found = storage.load(record.run_id, before=found.open_time - 1)


def _hash(record: RunRecord, signals: StoredSignals, checkpoints: Iterable[Checkpoint]) -> str:
    """SHA-256 over a run, all that its signals say, in an order of their own, and its checkpoints."""
    digest = hashlib.sha256()
    metadata = signals.metadata or ()
    order = np.lexsort((signals.revision, signals.types, signals.timestamp))
    for column, kind in (
        (signals.timestamp, "<i8"),
        (signals.types, "<i1"),
        (signals.revision, "<i8"),
        (signals.price, "<f8"),
        (signals.confidence, "<f8"),
        (signals.flags, "<u1"),
    ):
        digest.update(np.ascontiguousarray(column[order], dtype=kind).data)
    run = record.run
    about = [
        str(record.run_id), record.kind, record.status, run.config_hash, dict(run.plugins), record.data_hash,
        list(record.span), record.candles, record.starred, record.batch, record.error, dict(record.metrics),
        dict(record.quality), dict(record.costs), record.started_at.isoformat(), record.engine_version,
        record.finished_at and record.finished_at.isoformat(), dict(record.timings), run.strategy,
        run.strategy_name, run.venue, run.symbol, run.timeframe, run.origin,
    ]  # fmt: skip
    digest.update(canonical_json([about, [signals.status[i] for i in order]]).encode())
    for i in order if metadata else ():
        digest.update(canonical_json(dict(metadata[i])).encode())
    for checkpoint in checkpoints:
        digest.update(canonical_json([checkpoint.open_time, checkpoint.saved_at.isoformat()]).encode())
        digest.update(checkpoint.state)
    return digest.hexdigest()
