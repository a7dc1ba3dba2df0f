"""Bundles: documents in one file, to be sent to somebody else."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stratkernel_config.catalogue import Catalogue
from stratkernel_config.checking import check_document, validation_problems
from stratkernel_config.documents import canonical_json, load_json
from stratkernel_config.errors import ConfigError, DocumentError, NameTakenError, Problem, shown
from stratkernel_config.managers import DocumentManager
from stratkernel_config.names import checked_name
from stratkernel_config.requirements import compatible_range, is_range, pip_line, satisfies

BUNDLE_VERSION: Final = 1
Collision = Literal["refuse", "rename", "overwrite", "skip"]
Ask = Callable[[str, str], Collision]
"""Told the kind and the name of a document that is there already."""


class RequiredRelease(BaseModel):
    """The release that a bundle was made with, and those that should do as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: str = Field(max_length=100)
    range: str = Field(max_length=200)


class Bundle(BaseModel):
    """What a bundle's file holds; `hash` is over everything else in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bundle_version: int = Field(ge=1, le=BUNDLE_VERSION)
    hash: str
    requires: dict[str, RequiredRelease] = Field({}, max_length=200)
    strategies: list[dict[str, Any]] = []
    indicators: list[dict[str, Any]] = []

    def documents(self, folder: str) -> Sequence[dict[str, Any]]:
        """The documents of one kind, by the name of its folder."""
        return self.strategies if folder == "strategies" else self.indicators


@dataclass(frozen=True, slots=True)
class PlannedImport:
    """What an import does with one document."""

    kind: str
    name: str
    new_name: str
    action: Literal["new", "renamed", "overwritten", "skipped"]
    raw: Mapping[str, Any]
    path: Path


def make_bundle(chosen: Iterable[tuple[DocumentManager[Any], str]]) -> dict[str, Any]:
    """A bundle of valid documents, with what they need.

    Raises:
        UnknownDocumentError, DocumentError: one is not there, or not valid.
    """
    content: dict[str, Any] = {
        "bundle_version": BUNDLE_VERSION,
        "requires": {},
        "strategies": [],
        "indicators": [],
    }
    needs: dict[str, str] = {}
    for manager, name in chosen:
        saved = manager.get(name)
        content[manager.folder].append(dict(saved.raw))
        needs |= saved.checked.installed.needs(saved.document.parameters)
    content["requires"] = {
        name: {"version": version, "range": compatible_range(version)}
        for name, version in sorted(needs.items())
    }
    return {"bundle_version": BUNDLE_VERSION, "hash": bundle_hash(content), **content}


def bundle_hash(bundle: Mapping[str, Any]) -> str:
    """`sha256:...` over the canonical JSON of everything but the hash."""
    content = {key: value for key, value in bundle.items() if key != "hash"}
    return f"sha256:{hashlib.sha256(canonical_json(content)).hexdigest()}"


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and verify its hash.

    Raises:
        DocumentError: it is no bundle, is newer than this program, or was changed since it was made.
    """
    raw, where = load_json(path), str(path)
    if not isinstance(raw, dict) or "bundle_version" not in raw:
        expected = "a bundle made by `stratkernel config export`"
        raise DocumentError([Problem(where, "$", expected, shown(raw))])
    version = raw["bundle_version"]
    if type(version) is int and version > BUNDLE_VERSION:
        expected = (
            f"at most version {BUNDLE_VERSION}, the newest that this stratkernel knows; upgrade stratkernel"
        )
        raise DocumentError([Problem(where, "$.bundle_version", expected, f"version {version}")])
    try:
        bundle = Bundle.model_validate(raw)
    except ValidationError as error:
        known = list(Bundle.model_fields)
        raise DocumentError(validation_problems(error, where, known=known)) from None
    made = bundle_hash(raw)
    if bundle.hash != made:
        expected = f"{made}, the hash of what is in it (it was changed or damaged since it was made)"
        raise DocumentError([Problem(where, "$.hash", expected, shown(bundle.hash))])
    return bundle


def missing_releases(bundle: Bundle, catalogue: Catalogue) -> list[str]:
    """For each distribution that is missing or of another release: what there is, and what to type."""
    lines = []
    for name, release in bundle.requires.items():
        if not (name.replace("-", "").replace("_", "").replace(".", "").isalnum() and name.isascii()):
            raise ConfigError(f"$.requires: {shown(name)} is no name of a distribution")
        if not is_range(release.range):
            raise ConfigError(f"$.requires.{name}: {shown(release.range)} is no range of versions")
        got = catalogue.version_of(name)
        if got is None or not satisfies(got, release.range):
            there = "not installed" if got is None else f"installed is {got}"
            lines.append(f"{name} {release.version}: {there}\n    {pip_line(name, release.range)}")
    return lines


def import_bundle(
    path: Path,
    managers: Sequence[DocumentManager[Any]],
    *,
    collision: Collision | Ask = "refuse",
    dry_run: bool = False,
) -> list[PlannedImport]:
    """Import all documents of a bundle, or none; gives what was done, or would be.

    Raises:
        DocumentError: it is no sound bundle, or a document in it is not valid.
        ConfigError: something is missing; says what to install.
        NameTakenError: a document of a name is there, and `collision` is "refuse".
    """
    bundle = read_bundle(path)
    catalogue = managers[0].catalogue
    missing = missing_releases(bundle, catalogue)
    if missing:
        raise ConfigError(f"{path}: nothing was imported; what is missing:\n  " + "\n  ".join(missing))
    transactions = managers[0].store.transactions
    if dry_run:
        return _plan(bundle, path, managers, collision)
    with transactions.locked():
        plan = _plan(bundle, path, managers, collision)
        writes = {step.path: step.raw for step in plan if step.action != "skipped"}
        if writes:
            transactions.commit(writes)
    return plan


def _plan(
    bundle: Bundle, path: Path, managers: Sequence[DocumentManager[Any]], collision: Collision | Ask
) -> list[PlannedImport]:
    """What to do with each document; every problem and every refused name at once."""
    plan: list[PlannedImport] = []
    problems: list[Problem] = []
    taken: list[str] = []
    for manager in managers:
        used = {name.casefold(): name for name in manager.store.names()}
        for number, raw in enumerate(bundle.documents(manager.folder)):
            where = f"{path}: $.{manager.folder}[{number}]"
            try:
                check_document(manager.model, raw, where, manager.catalogue)
                step = _step(manager, raw, used, collision)
            except DocumentError as error:
                problems += error.problems
            except NameTakenError as error:
                taken.append(str(error))
            else:
                used[step.new_name.casefold()] = step.new_name
                plan.append(step)
    if problems:
        raise DocumentError(problems)
    if taken:
        advice = "say --rename, --overwrite or --skip"
        raise NameTakenError(f"{path}: nothing was imported; {advice}:\n  " + "\n  ".join(taken))
    return plan


def _step(
    manager: DocumentManager[Any], raw: Mapping[str, Any], used: Mapping[str, str], collision: Collision | Ask
) -> PlannedImport:
    kind, name = manager.model.kind, checked_name(raw["name"])
    holder = used.get(name.casefold())
    own = {installed.name for installed in manager.catalogue.items(kind)}
    if holder is None and name not in own:
        return PlannedImport(kind, name, name, "new", raw, manager.store.path(name))
    wanted = collision if isinstance(collision, str) else collision(kind, name)
    if wanted == "skip":
        return PlannedImport(kind, name, name, "skipped", raw, manager.store.path(name))
    if wanted == "overwrite" and holder is not None:
        path = manager.store.path(holder)
        return PlannedImport(kind, name, holder, "overwritten", {**raw, "name": holder}, path)
    if wanted == "rename":
        new = next(each for n in count(2) if (each := _numbered(name, n)).casefold() not in used)
        return PlannedImport(kind, name, new, "renamed", {**raw, "name": new}, manager.store.path(new))
    whose = "the name of an installed one" if holder is None else "there already"
    raise NameTakenError(f"{kind} {name!r} is {whose}")


def _numbered(name: str, number: int) -> str:
    suffix = f"-{number}"
    return f"{name[: 64 - len(suffix)].rstrip('.')}{suffix}"
