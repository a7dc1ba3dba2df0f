"""Candles by reference: files, stored series, those made of a lower timeframe, and what cannot be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_candles import candle_file, reference
from stratkernel import Kernel, UsageError
from stratkernel.contracts.stored import Series
from stratkernel.engine.batch.workshop import CandleReference, Workshop, close_workshops, workshop_of
from stratkernel.engine.storage import open_storage


@pytest.fixture
def workshop(kernel: Kernel) -> Iterator[Workshop]:
    made = Workshop(kernel)
    yield made
    made.close()


@pytest.fixture
def url(tmp_path: Path, kernel: Kernel, workshop: Workshop) -> str:
    """A database with AAA 5m."""
    url = f"sqlite:///{(tmp_path / 'kept.db').as_posix()}"
    candles = workshop.candles(reference(candle_file(tmp_path, "AAA", rows=600, timeframe="5m")))
    with open_storage(kernel, url) as storage:
        storage.candles.write(candles)
    return url


def test_workshop_same_candles_of_a_file_and_of_the_database(
    tmp_path: Path, workshop: Workshop, url: str
) -> None:
    of_file = workshop.candles(reference(tmp_path / "AAA.parquet"))
    assert workshop.candles(CandleReference(Series("AAA", "5m"), url)).data_hash == of_file.data_hash
    made = workshop.candles(reference(tmp_path / "AAA.parquet", timeframe="1h"))
    assert made.timeframe.name == "1h"
    assert workshop.candles(CandleReference(Series("AAA", "1h"), url)).data_hash == made.data_hash


def test_workshop_candles_are_loaded_once_until_they_are_forgotten(
    tmp_path: Path, workshop: Workshop
) -> None:
    which = reference(candle_file(tmp_path, "AAA"))
    first = workshop.candles(which)
    assert workshop.candles(which) is first
    workshop.forget(which)
    assert workshop.candles(which) is not first


@pytest.mark.parametrize(("timeframe", "message"), [("5m", "not 5m"), ("90m", "unknown timeframe")])
def test_workshop_timeframe_that_cannot_be_made_of_a_file_is_refused(
    tmp_path: Path, workshop: Workshop, timeframe: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        workshop.candles(reference(candle_file(tmp_path, "AAA"), timeframe=timeframe))


def test_workshop_venue_candles_beside_a_file_are_refused(tmp_path: Path, workshop: Workshop) -> None:
    with pytest.raises(UsageError, match="import both into the database"):
        workshop.higher_candles(reference(candle_file(tmp_path, "AAA")), ["1d"])


def test_workshop_series_without_a_database_is_refused(workshop: Workshop) -> None:
    with pytest.raises(UsageError, match="which database"):
        workshop.candles(CandleReference(Series("AAA", "1h")))


def test_candle_reference_shows_no_password() -> None:
    which = CandleReference(Series("AAA", "1h"), "postgresql://me:secret@host/db")
    assert "secret" not in f"{which} {which!r}"


def test_workshop_of_a_process_is_made_once_and_let_go(kernel: Kernel) -> None:
    first = workshop_of(kernel.selection)
    assert workshop_of(kernel.selection) is first
    close_workshops()
    assert workshop_of(kernel.selection) is not first
    close_workshops()
