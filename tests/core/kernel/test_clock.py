"""The clock of this machine."""

from datetime import UTC

from stratkernel.kernel.clock import Clock, SystemClock


def test_system_clock_is_aware_and_never_runs_backwards() -> None:
    clock: Clock = SystemClock()
    assert clock.utc_now().tzinfo is UTC
    assert clock.utc_now() <= clock.utc_now()
    assert clock.monotonic() <= clock.monotonic()


def test_system_clock_moves_on_while_it_sleeps() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > before
