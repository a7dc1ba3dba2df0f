"""Fixtures of the configuration's tests: no plugin takes part."""

from pathlib import Path

import pytest

from made_catalogue import MadeCatalogue, made_catalogue
from stratkernel_config.managers import IndicatorManager, StrategyManager


@pytest.fixture
def catalogue() -> MadeCatalogue:
    return made_catalogue()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def manager(home: Path, catalogue: MadeCatalogue) -> StrategyManager:
    return StrategyManager(home, catalogue)


@pytest.fixture
def indicators(home: Path, catalogue: MadeCatalogue) -> IndicatorManager:
    return IndicatorManager(home, catalogue)
