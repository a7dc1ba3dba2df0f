"""What stratkernel's own modules log while a command runs."""

import logging
from pathlib import Path
from typing import Any

import pytest

from stratkernel.cli import program
from stratkernel.cli.log_lines import LOGGER

log = logging.getLogger("stratkernel.database")


@pytest.fixture
def chatty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command `plugins` logs a line of each level, and does nothing else."""

    def speak(arguments: Any) -> int:
        log.debug("looked")
        log.info("opened %s", "it")
        log.warning("held by another;\nattempt %d of %d", 2, 6)
        try:
            raise ValueError("odd")
        except ValueError:
            log.exception("went wrong")
        return 0

    module = program.import_module("stratkernel.cli.plugins")
    monkeypatch.setattr(module, "execute", speak)


def test_log_of_a_command_is_a_line_each_with_the_prefix(stratkernel: Any, chatty: None) -> None:
    done = stratkernel("plugins")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "stratkernel: held by another; attempt 2 of 6",
        "stratkernel: went wrong: ValueError: odd",
    ]


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_log_level_of_the_settings_decides_what_is_shown(
    stratkernel: Any, chatty: None, monkeypatch: pytest.MonkeyPatch, level: str, lines: int
) -> None:
    monkeypatch.setenv("STRATKERNEL_LOG_LEVEL", level)
    assert len(stratkernel("plugins").err.splitlines()) == lines


def test_log_shows_warnings_where_the_settings_cannot_be_read(
    stratkernel: Any, chatty: None, home: Path
) -> None:
    (home / "settings.json").write_text('{"log_level": "loud"}')
    assert len(stratkernel("plugins").err.splitlines()) == 2


def test_log_of_the_process_is_as_before_when_a_command_is_over(stratkernel: Any, chatty: None) -> None:
    logger = logging.getLogger(LOGGER)
    before = (logger.level, list(logger.handlers))
    stratkernel("plugins")
    assert (logger.level, logger.handlers) == before
