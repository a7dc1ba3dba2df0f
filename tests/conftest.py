"""What every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from postgres import PostgresError, PostgresServer, test_server
from stratkernel import Kernel

# The same examples in every run; `HYPOTHESIS_PROFILE=search pytest ...` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-postgres", action="store_true", help="leave out what needs a PostgreSQL server")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgresql: needs a PostgreSQL server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--no-postgres`, leave out what needs a server."""
    if not config.getoption("--no-postgres"):
        return
    left_out = [
        item
        for item in items
        if item.get_closest_marker("postgresql") or "postgres_server" in getattr(item, "fixturenames", ())
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--no-postgres"):
        terminalreporter.write_line("PostgreSQL NOT tested (--no-postgres)", yellow=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, one for each process that runs tests; without one, tests that need it fail."""
    try:
        with test_server() as server:
            yield server
    except PostgresError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real candles that lie beside the checkout; not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real candles are not beside this checkout (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """A kernel with all plugins that are installed."""
    found = Kernel()
    found.collect_all()
    return found
