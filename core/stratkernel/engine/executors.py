"""Which executor does batch work: chosen by the scheme of its URL."""

from stratkernel.contracts.executor import Executor
from stratkernel.kernel.errors import AmbiguousNameError, PluginContractError, StratkernelError, UsageError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import EXECUTOR
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.registry import Item


def open_executor(kernel: Kernel, url: str) -> Executor:
    """The executor of a URL; `local` alone is a URL too. Raises as `executor_for` and its `from_url` do."""
    item = executor_for(kernel, url)
    with guard(item.title, f"to open {url}", passing=StratkernelError):
        executor = item.cls.from_url(url)
    if not isinstance(executor, Executor):
        raise PluginContractError(f"{item.title} opened a {type(executor).__name__}, expected an Executor")
    return executor


def executor_for(kernel: Kernel, url: str) -> Item:
    """Who provides the executor of a URL's scheme; what stratkernel provides itself goes before plugins.

    Raises:
        UsageError: no executor has the scheme; says which there are.
        AmbiguousNameError: several plugins have it; names them.
    """
    scheme = url.partition("://")[0]
    items = kernel.items(EXECUTOR)
    found = [item for item in items if scheme in item.cls.schemes]
    found = [item for item in found if item.record.distribution == PROJECT] or found
    if len(found) > 1:
        who = " and ".join(item.title for item in found)
        raise AmbiguousNameError(
            f"{scheme} is the executor of {who}; switch one off with STRATKERNEL_DISABLE"
        )
    if not found:
        known = ", ".join(sorted(name for item in items for name in item.cls.schemes))
        raise UsageError(f"no executor does the work of {url!r}; expected one of: {known}")
    return found[0]
