"""`Kernel`: the plugins of one environment, found, loaded and held. Constructed, never global."""

from collections import defaultdict
from copy import deepcopy
from types import ModuleType
from typing import TYPE_CHECKING

import pluggy

from stratkernel.kernel import hookspecs
from stratkernel.kernel.discovery import find_plugins, load_plugin
from stratkernel.kernel.errors import PluginError
from stratkernel.kernel.guard import contained, guard
from stratkernel.kernel.kinds import KINDS, OBSERVER_HOOK, Kind
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.names import folded
from stratkernel.kernel.records import PluginRecord, PluginState
from stratkernel.kernel.registration import register_module
from stratkernel.kernel.registry import Item, Registry
from stratkernel.kernel.selection import PluginSelection

if TYPE_CHECKING:
    from stratkernel.contracts.result import StrategyRun
    from stratkernel.contracts.signals import SignalTable


class Kernel:
    """Finds plugins by their entry points and answers what they provide.

    A plugin that fails is a record with a reason, never an exception; `require_healthy` is for those
    who want it to be one. `discover=False` starts empty: tests register their own modules.
    """

    def __init__(self, selection: PluginSelection | None = None, *, discover: bool = True) -> None:
        self.selection = selection or PluginSelection()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.records: list[PluginRecord] = find_plugins(self.selection) if discover else []
        """Every plugin that was found, sorted by name."""
        self.registry = Registry(self._manager, self.records, self.selection.preferred)
        for record in self.records:
            load_plugin(record, self._manager)

    def register(
        self, module: ModuleType, name: str, *, distribution: str = "local", version: str = "0"
    ) -> PluginRecord:
        """Add a plugin that no entry point names; for tests and notebooks.

        Raises:
            PluginError: the module is no plugin, or the name is taken.
        """
        record = PluginRecord(name, distribution, version, getattr(module, "__name__", "?"))
        holder = next((each for each in self.records if folded(each.name) == folded(name)), None)
        if holder is not None:
            raise PluginError(f"the plugin name '{name}' is taken by {holder.title}")
        with contained(record.fail):
            register_module(record, module, self._manager)
        if record.state is not PluginState.ACTIVE:
            raise PluginError(record.trouble) from record.error
        self.records.append(record)
        self.records.sort(key=lambda each: (each.name, each.distribution))
        self.registry.forget()
        return record

    def items(self, kind: Kind) -> tuple[Item, ...]:
        """All items of a kind that active plugins provide."""
        return self.registry.items(kind)

    def resolve(self, kind: Kind, name: str) -> Item:
        """Find one item by its bare or qualified name; see `Registry.resolve`."""
        return self.registry.resolve(kind, name)

    def collect_all(self) -> None:
        """Call every providing hook, so that the records list what each plugin provides."""
        for kind in KINDS:
            self.items(kind)

    def ambiguous_items(self) -> list[list[Item]]:
        """Items that share their bare name with others of their kind, together."""
        sharing: dict[tuple[str, str], list[Item]] = defaultdict(list)
        for kind in KINDS:
            for item in self.items(kind):
                sharing[kind.name, item.name].append(item)
        return [items for items in sharing.values() if len(items) > 1]

    def require_healthy(self) -> None:
        """Raise when a plugin is neither active nor disabled.

        Raises:
            PluginError: names each of them and its reason.
        """
        broken = [record.trouble for record in self.records if not record.healthy]
        if broken:
            raise PluginError(f"not every plugin works: {'; '.join(broken)}")

    def signals_generated(self, run: "StrategyRun", signals: "SignalTable") -> list[str]:
        """Tell the observers; gives what each failing one raised.

        Each gets copies of its own: what it does to them changes neither the result nor what others see.
        """
        failures: list[str] = []
        for record, implementation in self.registry.implementations(OBSERVER_HOOK):
            given = {"run": run, "signals": signals}
            try:
                with guard(record.title, "while it observed signals"):
                    implementation.function(*(deepcopy(given[name]) for name in implementation.argnames))
            except PluginError as error:
                failures.append(str(error))
        return failures
