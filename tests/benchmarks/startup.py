"""CPU time of commands that must answer at once: `python tests/benchmarks/startup.py`.

Prints milliseconds of CPU (user + system, the least of several runs) over an interpreter that does
nothing. Goals: `--help` 100 ms, `plugins` 150 ms.
"""

import os
import resource
import subprocess
import sys
from typing import Final

RUNS: Final = 15
COMMANDS: Final = {"--version": None, "--help": 100, "plugins": 150, "plugins --json": None}
"""Commands and their goals in milliseconds."""


def child_milliseconds(arguments: list[str]) -> float:
    """CPU time of one run of this interpreter with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=os.environ, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure in turns, so that a busy spell of the machine falls on all alike."""
    programs = {"bare Python": ["-c", "pass"]}
    start = "import sys; from stratkernel.cli import main; sys.exit(main())"
    programs |= {command: ["-c", start, *command.split()] for command in COMMANDS}
    least = dict.fromkeys(programs, float("inf"))
    for _ in range(RUNS):
        for name, arguments in programs.items():
            least[name] = min(least[name], child_milliseconds(arguments))
    bare = least.pop("bare Python")
    print(f"{'bare Python':<16}{bare:6.0f} ms")
    for name, total in least.items():
        goal = COMMANDS[name]
        print(f"{name:<16}{total - bare:+6.0f} ms" + (f"   (goal {goal})" if goal else ""))


if __name__ == "__main__":
    main()
