"""Fixtures of the kernel's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin_modules import on_path
from stratkernel import Kernel


@pytest.fixture
def empty() -> Kernel:
    """A kernel without plugins."""
    return Kernel(discover=False)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` for fake distributions."""
    yield from on_path(tmp_path, monkeypatch)
