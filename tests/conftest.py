"""What every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from stratkernel import Kernel

# The same examples in every run; `HYPOTHESIS_PROFILE=search pytest ...` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


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
