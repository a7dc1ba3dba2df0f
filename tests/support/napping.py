"""Work that takes its time, for processes that are killed meanwhile."""

import os
import time


def napping_pid(seconds: float) -> int:
    """The process that slept."""
    time.sleep(seconds)  # noqa: TID251 - a stand-in for work
    return os.getpid()
