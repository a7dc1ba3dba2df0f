"""CPU time of commands that must answer at once.

Milliseconds of CPU (user + system, the least of several runs) over an interpreter that does nothing.
Goals: `--help` 100 ms, `plugins` 150 ms.
"""

import os
import resource
import subprocess
import sys
from typing import Final

from tests.benchmarks.harness import markdown

RUNS: Final = 15
COMMANDS: Final = {"--version": None, "--help": 100, "plugins": 150, "plugins --json": None}
"""Commands and their goals in milliseconds."""


def child_milliseconds(arguments: list[str]) -> float:
    """CPU time of one run of this interpreter with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=os.environ, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def table() -> str:
    """Measured in turns, so that a busy spell of the machine falls on all alike."""
    programs = {"bare Python": ["-c", "pass"]}
    start = "import sys; from stratkernel.cli import main; sys.exit(main())"
    programs |= {command: ["-c", start, *command.split()] for command in COMMANDS}
    least = dict.fromkeys(programs, float("inf"))
    for _ in range(RUNS):
        for name, arguments in programs.items():
            least[name] = min(least[name], child_milliseconds(arguments))
    bare = least.pop("bare Python")
    rows = [("bare Python", f"{bare:.0f} ms", "-", "-")]
    for name, total in least.items():
        goal, over = COMMANDS[name], total - bare
        wanted = ("-", "-") if goal is None else (f"<= {goal} ms", "yes" if over <= goal else "NO")
        rows.append((f"stratkernel {name}", f"+{over:.0f} ms", *wanted))
    return markdown(("command", "CPU, least", "wanted", "reached"), rows)
