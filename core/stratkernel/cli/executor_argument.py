"""Which executor a command uses: `--executor`, else the settings; little work stays in this process."""

import argparse
import math
from typing import Final

SERIAL: Final = "serial"


def executor_url(arguments: argparse.Namespace, *, tasks: int) -> str:
    """The URL of the executor.

    Where nobody named one, a single task is done here: another process would cost more to start. With
    `--task-timeout` it is not: this process cannot end itself.

    Raises:
        UsageError: a time limit that is none, or for the executor `serial`.
        DocumentError: the settings are not valid.
    """
    from stratkernel.kernel.errors import UsageError
    from stratkernel_config.user_settings import load_settings

    limit: float | None = getattr(arguments, "task_timeout", None)
    if limit is not None and not 0.0 < limit < math.inf:
        raise UsageError(f"--task-timeout {limit:g}: expected a number of seconds above 0")
    loaded = load_settings({"executor": arguments.executor})
    url = loaded.settings.executor
    if loaded.origins["executor"] == "default" and tasks <= 1 and limit is None:
        return SERIAL
    if limit is not None and is_serial(url):
        raise UsageError(
            "--task-timeout needs workers that can be ended: --executor local or dask://HOST:PORT"
        )
    return url


def is_serial(url: str) -> bool:
    """Whether this process does the work itself."""
    return url.partition("://")[0] == SERIAL
