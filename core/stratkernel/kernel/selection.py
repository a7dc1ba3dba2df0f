"""Which plugins may be loaded: decided before any of their code is imported."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stratkernel.kernel.errors import did_you_mean
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.names import normalised
from stratkernel.kernel.records import PluginRecord

ALLOW_LIST: Final = "STRATKERNEL_PLUGINS"
"""The variable that names the only plugins to load."""


@dataclass(frozen=True, slots=True)
class PluginSelection:
    """Allow and disable lists, of names of plugins or distributions.

    `disabled` maps where a list is written (messages quote it) to its names. The root distribution's
    own plugins are never switched off: without them there is nothing to run. `preferred` says which
    distribution a bare name of an item means where several provide it.
    """

    no_plugins: bool = False
    allowed: Collection[str] | None = None
    disabled: Mapping[str, Collection[str]] = field(default_factory=dict)
    preferred: Mapping[str, str] = field(default_factory=dict)

    def reason_to_disable(self, record: PluginRecord) -> str:
        """Why a plugin must not be loaded, or nothing when it may."""
        if record.distribution == PROJECT:
            return ""
        if self.no_plugins:
            return "switched off by --no-plugins or STRATKERNEL_NO_PLUGINS"
        if self.allowed is not None and not _names(record) & _normalised(self.allowed):
            return f"not in {ALLOW_LIST}"
        for where, names in self.disabled.items():
            if _names(record) & _normalised(names):
                return f"switched off by {where}"
        return ""

    def warnings(self, records: Iterable[PluginRecord]) -> list[str]:
        """Names in the lists that no plugin or distribution bears, or that cannot be switched off."""
        records = list(records)
        own = {name for record in records if record.distribution == PROJECT for name in _names(record)}
        known = {name for record in records for name in _names(record)}
        found = []
        for where, names in {ALLOW_LIST: self.allowed or (), **self.disabled}.items():
            for name in sorted(names):
                if normalised(name) not in known:
                    hint = did_you_mean(name, known)
                    found.append(f"{where} names '{name}', but no plugin or distribution is called so.{hint}")
                elif where != ALLOW_LIST and normalised(name) in own:
                    found.append(f"{where} names '{name}', which is {PROJECT}'s own and stays in service")
        return found


def _names(record: PluginRecord) -> set[str]:
    return _normalised((record.name, record.distribution))


def _normalised(names: Iterable[str]) -> set[str]:
    return {normalised(name) for name in names}
