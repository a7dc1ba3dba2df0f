"""The executor `serial`: this process, one task after another."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import ClassVar, ParamSpec, Self, TypeVar

from stratkernel.contracts.executor import Executor
from stratkernel.kernel.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """`serial`: for work that is done before another process would have begun, and for debuggers.

    Interrupts of the keyboard end the task at work.
    """

    name: ClassVar[str] = "serial"
    schemes: ClassVar[tuple[str, ...]] = ("serial",)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """An executor. Raises `UsageError` where something follows the scheme."""
        if url.partition("://")[2]:
            raise UsageError(f"executor {url!r}: expected serial, and nothing after it")
        return cls()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future
