"""Candle files to read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stratkernel.contracts.source import RawCandles, SourceRequest
from stratkernel.sources.candle_file import CandleFileSource

Load = Callable[..., RawCandles]
SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Read candles from text or bytes that a file of the name given holds."""

    def read(
        content: str | bytes,
        name: str = "x.csv",
        symbol: str | None = None,
        timeframe: str | None = None,
        **options: Any,
    ) -> RawCandles:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return CandleFileSource().load(SourceRequest(str(path), symbol, timeframe, options))

    return read


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real candles beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real candles in ../shared/data are not here")
    return SHARED
