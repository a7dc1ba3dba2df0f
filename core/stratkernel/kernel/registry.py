"""The items that active plugins provide, by kind, collected on first use."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final

import pluggy

from stratkernel.kernel.errors import AmbiguousNameError, UnknownNameError, did_you_mean
from stratkernel.kernel.guard import contained
from stratkernel.kernel.kinds import Kind
from stratkernel.kernel.names import normalised
from stratkernel.kernel.records import PluginRecord, PluginState

ITEM_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Item:
    """One class that one plugin provides."""

    kind: Kind
    name: str
    cls: type[Any]
    record: PluginRecord

    @cached_property
    def qualified(self) -> str:
        """`distribution:name`, unique in an environment."""
        return f"{self.record.distribution}:{self.name}"

    @cached_property
    def title(self) -> str:
        """How messages name the item: `strategy 'rsi' (stratkernel-rsi 0.1.0)`."""
        return f"{self.kind.name} '{self.name}' ({self.record.distribution} {self.record.version})"


class Registry:
    """Items by kind and name.

    Each implementation of a hook is called and iterated by itself, so that a failing plugin takes
    nobody with it; what it raised stays in its record.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        records: Sequence[PluginRecord],
        preferred: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._manager = manager
        self._records = records
        self._preferred = preferred
        self._items: dict[str, tuple[Item, ...]] = {}
        self._resolved: dict[tuple[str, str], Item] = {}
        self._implementations: dict[str, list[tuple[PluginRecord, pluggy.HookImpl]]] = {}

    def forget(self) -> None:
        """Collect anew on next use (a plugin was registered)."""
        self._items.clear()
        self._resolved.clear()
        self._implementations.clear()

    def implementations(self, hook: str) -> list[tuple[PluginRecord, pluggy.HookImpl]]:
        """Who implements a hook and is in service, in the order of their names."""
        if hook not in self._implementations:
            by_name = {record.name: record for record in self._records if record.module is not None}
            found = getattr(self._manager.hook, hook).get_hookimpls()
            pairs = [(by_name[each.plugin_name], each) for each in found]
            self._implementations[hook] = sorted(pairs, key=lambda pair: pair[0].name)
        return [pair for pair in self._implementations[hook] if pair[0].state is PluginState.ACTIVE]

    def items(self, kind: Kind) -> tuple[Item, ...]:
        """All items of a kind, in the order of their plugins' names."""
        if kind.name not in self._items:
            self._items[kind.name] = tuple(self._collect(kind))
        return tuple(item for item in self._items[kind.name] if item.record.state is PluginState.ACTIVE)

    def resolve(self, kind: Kind, name: str) -> Item:
        """Find an item by its bare or qualified name.

        Raises:
            UnknownNameError: nobody provides it; says what there is, and why a plugin is missing.
            AmbiguousNameError: several plugins provide it; says how to name each.
        """
        known = self._resolved.get((kind.name, name))
        if known is not None and known.record.state is PluginState.ACTIVE:
            return known
        found = [item for item in self.items(kind) if name in (item.name, item.qualified)]
        if len(found) > 1 and name in self._preferred:
            wanted = normalised(self._preferred[name])
            found = [item for item in found if normalised(item.record.distribution) == wanted] or found
        if len(found) == 1:
            self._resolved[kind.name, name] = found[0]
            return found[0]
        raise (
            AmbiguousNameError(_ambiguous(kind, name, found))
            if found
            else UnknownNameError(self._unknown(kind, name))
        )

    def item_of(self, kind: Kind, cls: type) -> Item | None:
        """The item that a class was registered as, if it was."""
        return next((item for item in self.items(kind) if item.cls is cls), None)

    def _collect(self, kind: Kind) -> Iterator[Item]:
        for record, implementation in self.implementations(kind.hook):
            items: list[Item] = []
            problem = ""
            with contained(partial(record.fail, doing=f"hook {kind.hook} raised ")):
                items, problem = _checked(kind, record, implementation.function())
            if problem:
                record.withdraw(PluginState.FAILED, f"hook {kind.hook} {problem}")
            if record.state is PluginState.ACTIVE:
                record.provides[kind.plural] = tuple(item.name for item in items)
                yield from items

    def _unknown(self, kind: Kind, name: str) -> str:
        distribution, _, bare = name.rpartition(":")
        missing = [record for record in self._records if record.state is not PluginState.ACTIVE]
        for record in missing:
            if bare == record.name or distribution == record.distribution:
                return f"{kind.name} '{name}' is not available: {record.trouble}"
        names = sorted({item.name for item in self.items(kind)})
        text = f"unknown {kind.name} '{name}'.{did_you_mean(bare, names)} "
        text += f"Available: {', '.join(names)}." if names else f"No {kind.plural} are installed."
        if missing:
            text += f" Not in service: {'; '.join(record.trouble for record in missing)}."
        return text


def _ambiguous(kind: Kind, name: str, found: Sequence[Item]) -> str:
    who = " and ".join(item.record.title for item in found)
    ids = sorted({item.qualified for item in found})
    advice = f"use {' or '.join(map(repr, ids))}" if len(ids) == len(found) else "disable all of them but one"
    return f"{kind.name} '{name}' is provided by {who}; {advice}"


def _checked(kind: Kind, record: PluginRecord, given: object) -> tuple[list[Item], str]:
    """The items that an implementation gave, or what is wrong with them."""
    if isinstance(given, str | type) or not isinstance(given, Iterable):
        return (
            [],
            f"gave {_named(given)}, expected a list of classes that extend {kind.base_class().__name__}",
        )
    items: list[Item] = []
    for thing in given:
        problem = _problem(kind, thing, {item.name for item in items})
        if problem:
            return [], problem
        items.append(Item(kind, thing.name, thing, record))
    return items, ""


def _problem(kind: Kind, thing: Any, names: set[str]) -> str:
    base = kind.base_class()
    if not (isinstance(thing, type) and issubclass(thing, base)):
        return f"gave {_named(thing)}, expected classes that extend {base.__name__}"
    missing = sorted(getattr(thing, "__abstractmethods__", ()))
    if missing:
        return f"gave {thing.__name__}, which does not define {', '.join(missing)}"
    name = getattr(thing, "name", None)
    if not isinstance(name, str) or not ITEM_NAME.fullmatch(name):
        return (
            f"gave {thing.__name__} with the name {name!r:.60}, "
            "expected lower-case letters, digits and underscores, a letter first"
        )
    return f"gave two items of the name '{name}'" if name in names else ""


def _named(thing: object) -> str:
    return (
        f"the class {thing.__name__}" if isinstance(thing, type) else f"{type(thing).__name__} {thing!r:.60}"
    )
