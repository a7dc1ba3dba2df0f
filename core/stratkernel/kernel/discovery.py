"""From entry points to records: a broken plugin never stops the rest and never loses its cause."""

import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Final

import pluggy

from stratkernel.kernel.guard import contained
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.names import folded, normalised
from stratkernel.kernel.records import PluginRecord, PluginState
from stratkernel.kernel.registration import register_module
from stratkernel.kernel.selection import PluginSelection

SLOW_IMPORT_SECONDS: Final = 5.0
_UNKNOWN: Final = "unknown"


def find_plugins(selection: PluginSelection) -> list[PluginRecord]:
    """Read the entry points, sorted by name; nothing of a plugin is imported."""
    try:
        records = [_record(entry) for entry in entry_points(group=PROJECT)]
    except Exception:  # noqa: BLE001 - one unreadable file spoils the answer for all distributions
        records = list(_read_one_by_one())
    records.sort(key=lambda record: (record.name, record.distribution, record.target))
    for record in records:
        reason = selection.reason_to_disable(record)
        if reason:
            record.withdraw(PluginState.DISABLED, reason)
    _mark_conflicts([record for record in records if record.state is PluginState.ACTIVE])
    return records


def load_plugin(record: PluginRecord, manager: pluggy.PluginManager) -> None:
    """Import and register a plugin, if it may be loaded; whatever goes wrong ends up in its record."""
    entry = record.entry_point
    if entry is None or record.state is not PluginState.ACTIVE:
        return
    with contained(record.fail):
        with _slow_import_notice(record):
            module = entry.load()
        register_module(record, module, manager)


def _record(entry: EntryPoint) -> PluginRecord:
    name, version = _identity(entry.dist)
    return PluginRecord(entry.name, name, version, entry.value, entry_point=entry)


def _identity(distribution: Distribution | None) -> tuple[str, str]:
    """Normalised name and version; a distribution whose metadata is lost has neither."""
    if distribution is None:
        return _UNKNOWN, _UNKNOWN
    try:
        metadata = distribution.metadata
        return normalised(metadata["Name"]), metadata["Version"] or _UNKNOWN
    except Exception:  # noqa: BLE001 - lost or damaged metadata; releases of Python differ in what they raise
        return _UNKNOWN, _UNKNOWN


def _read_one_by_one() -> Iterator[PluginRecord]:
    """The plugins of the distributions that can be read, and a failed record for each that cannot."""
    seen: set[str] = set()
    for distribution in distributions():
        name, version = _identity(distribution)
        if name in seen and name != _UNKNOWN:
            continue  # shadowed by one that stands earlier on the path
        seen.add(name)
        record = PluginRecord(name, name, version, "entry_points.txt")
        try:
            yield from [_record(entry) for entry in distribution.entry_points.select(group=PROJECT)]
        except Exception as error:  # noqa: BLE001 - bytes that are no text, lines that are no entry points
            record.fail(error, "its entry_points.txt cannot be read: ")
            yield record


def _mark_conflicts(records: Iterable[PluginRecord]) -> None:
    """One name claimed twice: neither claim is loaded, but the root distribution's own is not given up."""
    claims: dict[str, list[PluginRecord]] = defaultdict(list)
    for record in records:
        claims[folded(record.name)].append(record)
    for claimants in claims.values():
        losers = [record for record in claimants if record.distribution != PROJECT]
        if len(claimants) == 1:
            continue
        who = " and ".join(
            f"{record.distribution} {record.version} ({record.target})" for record in claimants
        )
        advice = (
            "uninstall or disable one of the distributions"
            if losers == claimants
            else f"the name is {PROJECT}'s own and cannot be taken"
        )
        for record in losers:
            record.withdraw(PluginState.CONFLICT, f"the name '{record.name}' is claimed by {who}; {advice}")


@contextmanager
def _slow_import_notice(record: PluginRecord) -> Iterator[None]:
    """Name a plugin that has been importing for long, and how to do without it."""

    def notice() -> None:
        text = f"still importing {record.title} after {SLOW_IMPORT_SECONDS:g} s"
        hint = f"to do without it: STRATKERNEL_DISABLE={record.name}"
        print(f"stratkernel: {text}; {hint}", file=sys.stderr, flush=True)  # noqa: T201 - it cannot wait for a command to report it

    timer = threading.Timer(SLOW_IMPORT_SECONDS, notice)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
