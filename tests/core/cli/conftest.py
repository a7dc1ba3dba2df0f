"""Fixtures of the command line's tests."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugin_modules import on_path
from stratkernel.cli import main
from stratkernel.testing.candles import candles_from_close, random_walk


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Stratkernel = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project home; no variable of the caller's environment reaches the command."""
    for name in [name for name in os.environ if name.startswith("STRATKERNEL_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("STRATKERNEL_HOME", str(folder))
    return folder


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` for fake distributions."""
    folder = tmp_path / "packages"
    folder.mkdir()
    yield from on_path(folder, monkeypatch)


@pytest.fixture
def stratkernel(home: Path, capsys: pytest.CaptureFixture[str]) -> Stratkernel:
    """Run a command in this process."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(arguments)
        output = capsys.readouterr()
        return Outcome(code, output.out, output.err)

    return call


@pytest.fixture
def database(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database that the commands use by default: a file, unless a test says otherwise."""
    url = f"sqlite:///{home.as_posix()}/kept.db"
    if getattr(request, "param", "sqlite") == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    monkeypatch.setenv("STRATKERNEL_DATABASE_URL", url)
    return url


@pytest.fixture
def strategies(home: Path) -> Path:
    return home / "config" / "strategies" / "user_strategies"


@pytest.fixture
def candles(tmp_path: Path) -> str:
    path = tmp_path / "candles.csv"
    candles_from_close(random_walk(600, seed=2)).frame.to_csv(path)
    return str(path)


@pytest.fixture
def mine(stratkernel: Any) -> None:
    """A document `my-ema`."""
    assert stratkernel("config", "new", "my-ema", "--template", "ema-crossover-swing").code == 0
