"""What stratkernel's own modules log, as lines of a command on stderr."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stratkernel.kernel.errors import describe, one_line

LOGGER: Final = "stratkernel"


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """Within, what is logged below `stratkernel` from the setting `log_level` on is one line each."""
    logger, handler = logging.getLogger(LOGGER), _OneLine()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _OneLine(logging.Handler):
    """Asks the settings for the level when there is something to say: most commands log nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._least: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._least is None:
            self._least = _level_of_settings()
        if record.levelno >= self._least:
            print(f"stratkernel: {one_line(_text_of(record))}", file=sys.stderr)


def _text_of(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return record.getMessage() + (f": {describe(error)}" if error is not None else "")


def _level_of_settings() -> int:
    """Warnings where the settings cannot be read; the command itself says what is wrong with them."""
    from stratkernel_config.errors import ConfigError
    from stratkernel_config.user_settings import load_settings

    try:
        name = load_settings().settings.log_level
    except (ConfigError, OSError):
        return logging.WARNING
    return logging.getLevelNamesMapping()[name.upper()]
