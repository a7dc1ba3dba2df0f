"""The built-in plugin `executors`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratkernel.kernel.markers import hookimpl

if TYPE_CHECKING:
    from stratkernel.contracts.executor import Executor


@hookimpl
def stratkernel_executors() -> Iterable[type["Executor"]]:
    from stratkernel.executors.dask import DaskExecutor
    from stratkernel.executors.local import LocalExecutor
    from stratkernel.executors.serial import SerialExecutor

    return [LocalExecutor, SerialExecutor, DaskExecutor]
