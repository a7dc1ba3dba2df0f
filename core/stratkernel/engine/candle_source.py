"""Which source reads a location: chosen by URL scheme or file suffix."""

from stratkernel.kernel.errors import AmbiguousNameError, PluginContractError, UsageError
from stratkernel.kernel.kinds import DATA_SOURCE
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.registry import Item


def source_for(kernel: Kernel, location: str) -> Item:
    """The data source of a URL's scheme or, where it has none, of the longest suffix that fits.

    What stratkernel reads itself cannot be taken over by a plugin.

    Raises:
        UsageError: no source reads it; says which suffixes and schemes are read.
        AmbiguousNameError: several plugins read it; names them.
        PluginContractError: a plugin's source declares its schemes or suffixes wrongly.
    """
    items = kernel.items(DATA_SOURCE)
    scheme = location.partition("://")[0] if "://" in location else ""
    found = [item for item in items if scheme and scheme in _declared(item, "schemes")]
    if not found and scheme in {"", "file"}:
        fitting = [(len(suffix), item) for item in items for suffix in _suffixes_of(item, location)]
        longest = max((length for length, _ in fitting), default=0)
        found = [item for length, item in fitting if length == longest]
    found = [item for item in found if item.record.distribution == PROJECT] or found
    if len(found) > 1:
        who = " and ".join(item.title for item in found)
        raise AmbiguousNameError(f"{location} is read by {who}; switch one off with STRATKERNEL_DISABLE")
    if not found:
        schemes = sorted(f"{name}://" for item in items for name in _declared(item, "schemes"))
        suffixes = sorted(suffix for item in items for suffix in _declared(item, "suffixes"))
        raise UsageError(f"no source reads {location}; expected one of: {', '.join([*suffixes, *schemes])}")
    return found[0]


def _suffixes_of(item: Item, location: str) -> list[str]:
    return [suffix for suffix in _declared(item, "suffixes") if location.lower().endswith(suffix)]


def _declared(item: Item, attribute: str) -> tuple[str, ...]:
    names = getattr(item.cls, attribute)
    if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
        raise PluginContractError(f"{item.title}: {attribute} is {names!r:.60}, expected a tuple of texts")
    return names
