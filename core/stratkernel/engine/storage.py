"""Which back-end opens a database: chosen by the scheme of its URL."""

from stratkernel.contracts.storage import Storage, StorageBackend
from stratkernel.kernel.errors import AmbiguousNameError, PluginContractError, StratkernelError, UsageError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import STORAGE_BACKEND
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.registry import Item
from stratkernel_config.urls import scheme_of


def open_storage(kernel: Kernel, url: str, *, migrate: bool | None = None) -> Storage:
    """The database of a URL, open; see `StorageBackend.open` for `migrate` and what it raises."""
    item = backend_for(kernel, url)
    backend: type[StorageBackend] = item.cls
    with guard(item.title, "to open its database", passing=StratkernelError):
        storage = backend.open(url, migrate=migrate)
    if not isinstance(storage, Storage):
        raise PluginContractError(f"{item.title} opened a {type(storage).__name__}, expected a Storage")
    return storage


def backend_for(kernel: Kernel, url: str) -> Item:
    """The back-end of a URL's scheme; `postgresql+psycopg` counts as `postgresql`.

    What stratkernel stores itself cannot be taken over by a plugin.

    Raises:
        UsageError: no back-end knows the scheme; says which there are.
        AmbiguousNameError: several plugins know it; names them.
        PluginContractError: a plugin's back-end declares its schemes wrongly.
    """
    scheme = scheme_of(url)
    items = kernel.items(STORAGE_BACKEND)
    found = [item for item in items if scheme and scheme.partition("+")[0] in _schemes(item)]
    found = [item for item in found if item.record.distribution == PROJECT] or found
    if len(found) > 1:
        who = " and ".join(item.title for item in found)
        raise AmbiguousNameError(f"{scheme}:// is opened by {who}; switch one off with STRATKERNEL_DISABLE")
    if not found:
        known = ", ".join(sorted(f"{name}://" for item in items for name in _schemes(item))) or "none"
        if scheme is None:
            raise UsageError(
                "what is given as database is no URL (it is not shown, a password may be in it); expected "
                f"one that begins with one of: {known}; as sqlite:///folder/name.db"
            )
        raise UsageError(f"no storage back-end opens {scheme}://; installed: {known}")
    return found[0]


def _schemes(item: Item) -> tuple[str, ...]:
    names = item.cls.schemes
    if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
        raise PluginContractError(f"{item.title}: schemes is {names!r:.60}, expected a tuple of texts")
    return names
