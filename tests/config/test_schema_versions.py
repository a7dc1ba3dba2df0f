"""Older documents are lifted step by step, newer ones refused."""

from typing import Any

import pytest

from stratkernel_config.errors import DocumentError
from stratkernel_config.versions import CURRENT_VERSION, STEPS, upgraded


def test_upgraded_from_one_gives_words_their_objects() -> None:
    old = {"schema_version": 1, "gaps": "reset", "display": "price", "tags": "slow, calm,", "name": "a"}
    assert upgraded(old, "made") == {
        "schema_version": 2,
        "gaps": {"policy": "reset"},
        "display": {"pane": "price"},
        "tags": ["slow", "calm"],
        "name": "a",
    }


def test_upgraded_leaves_what_it_was_given_as_it_is() -> None:
    old = {"schema_version": 1, "gaps": "reset"}
    upgraded(old, "made")
    assert old == {"schema_version": 1, "gaps": "reset"}


def test_upgraded_of_the_newest_version_changes_nothing() -> None:
    document = {"schema_version": CURRENT_VERSION, "gaps": {"policy": "fill"}, "tags": ["x"]}
    assert upgraded(document, "made") == document


def test_upgraded_runs_the_steps_in_their_order_from_the_documents_version() -> None:
    def step(name: str) -> Any:
        return lambda raw: {**raw, "done": [*raw.get("done", []), name]}

    steps = [step("one to two"), step("two to three"), step("three to four")]
    assert upgraded({"schema_version": 2}, "made", steps) == {
        "schema_version": 4,
        "done": ["two to three", "three to four"],
    }


def test_upgraded_refuses_a_newer_version_and_names_both() -> None:
    with pytest.raises(DocumentError) as refused:
        upgraded({"schema_version": CURRENT_VERSION + 5}, "a.json")
    assert str(refused.value) == (
        f"a.json: $.schema_version: expected at most version {CURRENT_VERSION}, the newest that this "
        f"stratkernel knows; upgrade stratkernel, got version {CURRENT_VERSION + 5}"
    )


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True, None, [1]])
def test_upgraded_refuses_what_is_no_version(version: Any) -> None:
    with pytest.raises(DocumentError, match=r"\$\.schema_version: expected a version from 1 to"):
        upgraded({"schema_version": version}, "a.json")


def test_upgraded_refuses_a_document_without_a_version() -> None:
    with pytest.raises(DocumentError, match="got nothing"):
        upgraded({"name": "a"}, "a.json")


def test_there_is_a_step_for_every_older_version() -> None:
    assert len(STEPS) == CURRENT_VERSION - 1
