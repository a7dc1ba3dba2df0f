"""S3: the server hangs up, or is gone for a while."""

from collections.abc import Callable

import pytest

from postgres import PostgresServer
from storage_steps import RUN, STEPS, open_url, states_of
from stratkernel import Storage, StorageError
from stratkernel.testing.storage.samples import everything, made_candles

pytestmark = pytest.mark.postgresql


def test_connection_that_was_cut_between_writes_is_made_anew(
    postgres_server: PostgresServer, postgresql_url: str
) -> None:
    with open_url(postgresql_url) as storage:
        for step in STEPS:
            assert postgres_server.disconnect(postgresql_url) > 0
            step(storage)
    with open_url(postgresql_url) as storage:
        left = everything(storage)
        storage.candles.delete(storage.candles.series()[0].series)
        assert left == states_of(storage)[-1]


def test_connection_that_is_cut_within_a_unit_leaves_nothing_of_it(
    postgres_server: PostgresServer, postgresql_url: str
) -> None:
    with open_url(postgresql_url) as storage:
        states = states_of(storage, STEPS[:1])
        with pytest.raises(StorageError):
            _unit(storage, lambda: postgres_server.disconnect(postgresql_url))
        assert everything(storage) == states[1]
        _unit(storage, lambda: 0)
        assert storage.strategies.run(RUN.run_id).starred


def _unit(storage: Storage, cut: Callable[[], int]) -> None:
    with storage.unit_of_work():
        storage.strategies.star(RUN.run_id)
        cut()
        storage.candles.write(made_candles(5))


def test_unit_whose_connection_was_cut_does_not_go_on_in_another_one(
    postgres_server: PostgresServer, postgresql_url: str
) -> None:
    """Who catches the error within the unit must not have the rest of it stored alone."""
    with open_url(postgresql_url) as storage:
        states = states_of(storage, STEPS[:1])
        with pytest.raises(StorageError), storage.unit_of_work():
            _star_cut_and_go_on(storage, lambda: postgres_server.disconnect(postgresql_url))
        assert everything(storage) == states[1]


def _star_cut_and_go_on(storage: Storage, cut: Callable[[], int]) -> None:
    storage.strategies.star(RUN.run_id)
    cut()
    with pytest.raises(StorageError):
        storage.candles.write(made_candles(5))
    storage.candles.write(made_candles(3, symbol="REST"))


def test_server_that_is_not_there_is_a_plain_error() -> None:
    with pytest.raises(StorageError, match="cannot be reached"):
        open_url("postgresql://nobody:secret@127.0.0.1:1/none")


def test_error_about_a_server_does_not_tell_the_password() -> None:
    with pytest.raises(StorageError) as raised:
        open_url("postgresql://nobody:canary-secret@127.0.0.1:1/none")
    assert "canary-secret" not in str(raised.value)
    assert "canary-secret" not in str(raised.value.__cause__)
