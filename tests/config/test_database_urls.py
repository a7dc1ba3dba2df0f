"""No part of a password within a URL is shown, however the URL is written."""

import pytest

from stratkernel_config.urls import HIDDEN, redacted_url, scheme_of


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hunt@er2@host:1/db", "postgresql://me:***@host:1/db"),
        ("postgresql://me:hunt/er2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hunt?er2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@corp:hunter2@host/db", "postgresql://me@corp:***@host/db"),
        ("postgresql://:hunter2@host/db", "postgresql://:***@host/db"),
        ("postgresql://host/db?user=me&password=hunter2", "postgresql://host/db?user=me&password=***"),
        ("postgresql:/me:hunter2@host/db", HIDDEN),
        ("me:hunter2@host/db", HIDDEN),
        ("me:hunter2@host/db?next=http://x", HIDDEN),
        ("hunter2", HIDDEN),
    ],
)
def test_password_is_hidden_however_the_url_is_written(url: str, shown: str) -> None:
    assert redacted_url(url) == shown
    assert "hunt" not in shown
    assert "er2" not in shown


@pytest.mark.parametrize(
    "url",
    ["sqlite:////home/me/a@b:c/lab.db", "postgresql://me@host:5432/db", "postgresql://host:5432/db", ""],
)
def test_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert redacted_url(url) == url


def test_scheme_is_only_what_may_be_one() -> None:
    assert scheme_of("postgresql+psycopg://x") == "postgresql+psycopg"
    assert [scheme_of(text) for text in ("postgresql:/x", "me:pw@x://y", "://x", "nonsense")] == [None] * 4
