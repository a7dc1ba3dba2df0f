"""Fixtures of the command line's tests."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from plugin_modules import on_path
from stratkernel.cli import main


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
