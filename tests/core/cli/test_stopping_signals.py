"""Signals during long work: the first asks, the second ends; handlers are put back."""

import os
import signal

import pytest

from stratkernel.cli.stopping import stopping
from stratkernel.kernel.errors import PluginError
from stratkernel.kernel.guard import guard


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_first_signal_asks_and_the_second_ends(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with stopping(at_once=False) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
    assert "what is finished is kept" in capsys.readouterr().err


def test_stopping_at_once_ends_with_the_first_signal() -> None:
    with pytest.raises(KeyboardInterrupt), stopping(at_once=True):
        os.kill(os.getpid(), signal.SIGTERM)


def test_stopping_a_plugin_that_raises_keyboardinterrupt_is_no_interrupt() -> None:
    with (
        stopping(at_once=True),
        pytest.raises(PluginError, match="KeyboardInterrupt"),
        guard("acme", "at work"),
    ):
        raise KeyboardInterrupt


def test_stopping_a_signal_while_a_plugin_is_at_work_is_one() -> None:
    with pytest.raises(KeyboardInterrupt), stopping(at_once=True), guard("acme", "at work"):
        os.kill(os.getpid(), signal.SIGINT)
