"""Saves that are killed: run as a program with the project home and a number of kills.

One process forks a saver after the other, reads the document while each saves, kills it, and prints as
JSON what it saw. Forking is cheap here because this program has one thread and everything imported.
"""

import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from made_catalogue import made_catalogue
from stratkernel_config.errors import ConfigError
from stratkernel_config.managers import StrategyManager

_LONG = "x" * 3000  # long enough that a write in place would be seen torn


def save_for_ever(home: Path) -> None:
    """Update one document again and again."""
    manager = StrategyManager(home, made_catalogue())
    number = 0
    while True:
        saved = manager.get("mine")
        number += 1
        raw = {**saved.raw, "description": f"{number} {_LONG} {number}"}
        manager.update("mine", raw, expected_hash=saved.content_hash)


def look(manager: StrategyManager, seen: Counter[str]) -> None:
    """Read the document as any other process would."""
    try:
        words = manager.get("mine").document.description.split()
    except ConfigError:
        seen["corrupt"] += 1
        return
    seen["torn" if words and (words[0] != words[-1] or words[1] != _LONG) else "whole"] += 1


def main(home: Path, kills: int) -> None:
    chance, seen = random.Random(5), Counter[str]()  # noqa: S311 - no secret depends on it
    manager = StrategyManager(home, made_catalogue())
    manager.create("mine", "cross-calm")
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            save_for_ever(home)
        for _ in range(chance.randint(1, 30)):
            look(manager, seen)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seen["killed" if os.WIFSIGNALED(status) else "ended"] += 1
        look(manager, seen)
    saved = manager.get("mine")
    manager.update("mine", {**saved.raw, "description": ""}, expected_hash=saved.content_hash)
    seen["saves"] = int((saved.document.description or "0").split()[0])
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
