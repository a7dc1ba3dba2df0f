"""One tree of errors. A message says what, who, expected and got, and what to do.

`UsageError` is the caller's to mend (exit code 2); every other `StratkernelError` is a failure (1).
"""

from collections.abc import Iterable


class StratkernelError(Exception):
    """The root of all errors that this project raises on purpose."""


class UsageError(StratkernelError):
    """What was asked for cannot be done as it was asked."""


class ParameterError(UsageError):
    """Parameters that a strategy or an indicator does not accept."""


class UnknownNameError(UsageError):
    """A name that no active plugin provides."""


class AmbiguousNameError(UsageError):
    """A bare name that several distributions provide."""


class DataError(StratkernelError):
    """Candles that cannot be read or admitted."""


class PluginError(StratkernelError):
    """Code of a plugin failed; the cause is chained."""


class PluginContractError(PluginError):
    """A plugin gave something that its contract does not allow."""


class StateError(StratkernelError):
    """A saved state that does not belong to what should be resumed."""


class StorageError(StratkernelError):
    """A database that cannot be reached, read or written; nothing of the failed write is in it."""


class SchemaError(StorageError):
    """Tables that are older or newer than this version."""


class StorageBusyError(StorageError):
    """Others held the database for too long; trying again may work."""


class StorageFullError(StorageError):
    """There is no space left where the database lies."""


class CandleConflictError(DataError):
    """Candles that contradict stored ones."""


def describe(error: BaseException) -> str:
    """`Type: message` on one line, also for errors whose `__str__` raises or says nothing."""
    try:
        text = one_line(str(error))
    except BaseException as broken:  # noqa: BLE001 - a plugin's __str__ may raise anything
        text = f"<its __str__ raised {type(broken).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def one_line(text: str, limit: int = 500) -> str:
    """A stranger's text for a message: no line breaks, nothing that a terminal would obey, not too long."""
    line = " ".join(text.split())
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= limit else f"{line[:limit]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing when nothing is near."""
    from difflib import get_close_matches  # needed only when something went wrong

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
