"""K1, K2: writers are killed at any time and at each call; what they were told is kept, all or nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import killed_writers
from stratkernel_config.documents import parse_json

KILLS = 50


def run_writers(*arguments: str) -> dict[str, Any]:
    """What the program of writers saw."""
    program = Path(killed_writers.__file__)
    environment = {**os.environ, "PYTHONPATH": str(program.parent)}
    done = subprocess.run(
        [sys.executable, str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return dict(parse_json(done.stdout.encode(), "the writers"))


def test_writer_killed_at_any_time_loses_nothing_that_it_was_told(
    tables_url: str, assert_intact: Callable[[str], None]
) -> None:
    seen = run_writers("random", tables_url, str(KILLS))
    assert_intact(tables_url)
    assert seen["killed"] == KILLS
    assert seen["acknowledged"] >= KILLS
    assert (seen["lost"], seen.get("partial", 0), seen.get("miscounted", 0)) == (0, 0, 0)
    assert seen["exact"]


def test_writer_killed_at_each_call_leaves_all_or_nothing(
    tables_url: str, assert_intact: Callable[[str], None]
) -> None:
    seen = run_writers("each", tables_url)
    assert_intact(tables_url)
    assert seen["killed"] > 20
    assert (seen["partial"], seen["unfinished"], seen["uncommitted"]) == (0, 0, 0)
