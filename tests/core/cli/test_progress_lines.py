"""Progress: lines with rate and time left where nobody watches, a bar on a terminal, nothing when quiet."""

import sys

import pytest

from stratkernel.cli.progress import progress
from stratkernel.kernel.clock import SystemClock


class Watch(SystemClock):
    """A clock that is moved by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    with progress("runs", clock=watch) as report:
        for second in range(0, 41, 2):
            watch.now = 100.0 + second
            report(200 + 5 * second, 1_000, 3 if second > 20 else 0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "stratkernel: 250 of 1,000 runs, 5.0/s, 150 s left",
        "stratkernel: 300 of 1,000 runs, 5.0/s, 140 s left",
        "stratkernel: 350 of 1,000 runs, 5.0/s, 130 s left, 3 failed",
        "stratkernel: 400 of 1,000 runs, 5.0/s, 120 s left, 3 failed",
    ]


def test_progress_on_a_terminal_is_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("runs") as report:
        report(3, 10, 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "3/10" in captured.err
    assert "1 failed" in captured.err


def test_progress_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    with progress("runs", quiet=True, clock=watch) as report:
        watch.now += 60.0
        report(1, 2, 0)
    assert capsys.readouterr().err == ""
