"""Runs a PostgreSQL server until its standard input ends, so that no way of dying leaves one behind.

Run as a program: `postgres_guard.py FOLDER UID COMMAND...`; UID is -1 for the caller's own. When whoever
started it closes the pipe or dies, the server is stopped and the folder removed.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path


def main(folder: str, uid: int, command: list[str]) -> int:
    identity = {} if uid < 0 else {"user": uid, "group": Path(folder).stat().st_gid, "extra_groups": []}
    with Path(folder, "log").open("ab") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **identity
        )
        sys.stdin.buffer.read()
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)  # at once: nobody needs the files any more
        code = server.wait()
    shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
