"""Older documents, lifted to the present format step by step; newer ones are refused."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from stratkernel_config.errors import DocumentError, Problem, shown

Step = Callable[[dict[str, Any]], dict[str, Any]]


def _words_to_objects(raw: dict[str, Any]) -> dict[str, Any]:
    """1 to 2: `gaps` and `display`, once a policy and a pane alone, take options; tags become a list."""
    if isinstance(raw.get("gaps"), str):
        raw["gaps"] = {"policy": raw["gaps"]}
    if isinstance(raw.get("display"), str):
        raw["display"] = {"pane": raw["display"]}
    if isinstance(raw.get("tags"), str):
        raw["tags"] = [tag.strip() for tag in raw["tags"].split(",") if tag.strip()]
    return raw


STEPS: Final[Sequence[Step]] = (_words_to_objects,)
"""`STEPS[n]` makes a document of version n + 1 one of version n + 2."""

CURRENT_VERSION: Final = 1 + len(STEPS)


def upgraded(raw: Mapping[str, Any], where: str, steps: Sequence[Step] = STEPS) -> dict[str, Any]:
    """A copy in the newest format.

    Raises:
        DocumentError: the version is missing, no version, or newer than this program knows.
    """
    newest = 1 + len(steps)
    version = raw.get("schema_version")
    if type(version) is not int or version < 1:
        got = shown(version) if "schema_version" in raw else "nothing"
        raise DocumentError([Problem(where, "$.schema_version", f"a version from 1 to {newest}", got)])
    if version > newest:
        expected = f"at most version {newest}, the newest that this stratkernel knows; upgrade stratkernel"
        raise DocumentError([Problem(where, "$.schema_version", expected, f"version {version}")])
    document = dict(raw)
    for step in steps[version - 1 :]:
        document = step(document)
    document["schema_version"] = newest
    return document
