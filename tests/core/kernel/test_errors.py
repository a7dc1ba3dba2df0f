"""Errors are one tree, and their texts are one line that no terminal obeys."""

import pytest

from stratkernel.kernel import errors
from stratkernel.kernel.errors import StratkernelError, describe, did_you_mean, one_line


def test_errors_are_one_tree() -> None:
    classes = [
        thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, Exception)
    ]
    assert StratkernelError in classes
    assert all(issubclass(cls, StratkernelError) for cls in classes)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("plain"), "ValueError: plain"),
        (ValueError(), "ValueError"),
        (ValueError("two\n  lines\tand tabs"), "ValueError: two lines and tabs"),
        (ValueError("\x1b[31mred\x07 \udcff"), "ValueError: ?[31mred? ?"),
    ],
)
def test_describe_gives_one_printable_line(error: Exception, said: str) -> None:
    assert describe(error) == said


@pytest.mark.parametrize("raised", [RuntimeError, SystemExit, RecursionError])
def test_describe_survives_a_str_that_raises(raised: type[BaseException]) -> None:
    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise raised("no")

    assert describe(UnspeakableError()) == f"UnspeakableError: <its __str__ raised {raised.__name__}>"


def test_describe_survives_a_str_that_gives_no_text() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            return 7  # noqa: PLE0307 - what the test is about

    assert describe(OddError()) == "OddError: <its __str__ raised TypeError>"


def test_one_line_cuts_what_is_long() -> None:
    assert one_line("x" * 501) == "x" * 500 + "..."
    assert one_line("x" * 500) == "x" * 500


def test_did_you_mean_guesses_only_what_is_near() -> None:
    assert did_you_mean("peroid", ["period", "level"]) == " Did you mean 'period'?"
    assert did_you_mean("zzz", ["period", "level"]) == ""
    assert did_you_mean("x", []) == ""
