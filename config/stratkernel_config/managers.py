"""`StrategyManager` and `IndicatorManager`: a user's documents, from templates to the trash."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic

from stratkernel_config.catalogue import Catalogue, Installed
from stratkernel_config.checking import Checked, check_document
from stratkernel_config.documents import dump_json, load_json
from stratkernel_config.errors import (
    ConfigError,
    DocumentError,
    NameTakenError,
    Problem,
    StaleDocumentError,
    UnknownDocumentError,
)
from stratkernel_config.models import D, IndicatorDocument, StrategyDocument, in_order
from stratkernel_config.names import checked_name
from stratkernel_config.requirements import compatible_range
from stratkernel_config.store import DocumentStore, Stored
from stratkernel_config.templates import Template, collect_templates, pick_template
from stratkernel_config.versions import CURRENT_VERSION, upgraded


@dataclass(frozen=True, slots=True)
class SavedDocument(Generic[D]):
    """A valid document on disk. `content_hash` is what `update` wants to see again."""

    checked: Checked[D]
    raw: Mapping[str, Any]
    path: Path
    content_hash: str

    @property
    def document(self) -> D:
        return self.checked.document

    @property
    def version_on_disk(self) -> int:
        """The schema version of the file, which may be older than the document's."""
        return int(self.raw["schema_version"])


@dataclass(frozen=True, slots=True)
class ListedDocument(Generic[D]):
    """A line of a listing: a valid document, or what is wrong with the file.

    `subject` is the strategy or indicator, as far as the file says one.
    """

    name: str
    path: Path
    saved: SavedDocument[D] | None
    errors: tuple[Problem, ...]
    subject: str | None

    @property
    def valid(self) -> bool:
        return self.saved is not None


class DocumentManager(Generic[D]):
    """The documents of one kind in a project home; every method is one transaction.

    Every method that takes a name raises `ConfigError` for one that is not allowed.
    """

    model: type[D]
    folder: ClassVar[str]

    def __init__(self, home: Path, catalogue: Catalogue) -> None:
        base = home / "config" / self.folder
        self.catalogue = catalogue
        self.store = DocumentStore(home, base / f"user_{self.folder}", base / "trash")
        self.templates_folder = base / "templates"

    def list(self) -> Sequence[ListedDocument[D]]:
        """All documents, sorted by name; an invalid file is listed with all of its errors."""
        listed = []
        for name in self.store.names():
            stored = None
            try:
                stored = self.store.read_listed(name)
                saved = self._check(stored, name)
                listed.append(ListedDocument(name, saved.path, saved, (), saved.document.subject))
            except ConfigError as error:
                path, subject = self.store.folder / f"{name}.json", self._subject(stored)
                listed.append(ListedDocument(name, path, None, problems_of(error, path), subject))
        return listed

    def get(self, name: str) -> SavedDocument[D]:
        """One document.

        Raises:
            UnknownDocumentError: there is none of this name.
            DocumentError: it is not valid.
        """
        name = checked_name(name)
        try:
            return self._check(self.store.read(name), name)
        except UnknownDocumentError as error:
            near = difflib.get_close_matches(name, self.store.names(), n=1)
            raise UnknownDocumentError(
                f"{error}" + (f"; did you mean {near[0]!r}?" if near else "")
            ) from None

    def load(self, path: Path) -> Checked[D]:
        """A document anywhere on disk, by its path. Raises as `get` does."""
        return check_document(self.model, load_json(path), str(path), self.catalogue)

    def validate(self, name: str) -> tuple[Problem, ...]:
        """Everything that is wrong with a document; nothing when it is valid."""
        try:
            self.get(name)
        except DocumentError as error:
            return error.problems
        return ()

    def templates(self) -> Sequence[Template[D]]:
        """The documents that the installed plugins bring along, sorted by name."""
        return collect_templates(self.model, self.catalogue)

    def template(self, name: str) -> Template[D]:
        """One template, by its name or by `distribution:name`. Raises `UnknownDocumentError`."""
        return pick_template(name, self.model.kind, self.templates())

    def create(
        self, name: str, template: str, parameters: Mapping[str, Any] | None = None, **fields: Any
    ) -> SavedDocument[D]:
        """A new document from a template, with some parameters and fields changed.

        It names its strategy or indicator in full and says which releases of the plugin it needs.

        Raises:
            UnknownDocumentError: no such template.
            NameTakenError: there is a document of this name.
            DocumentError: a parameter or field is not valid.
        """
        source = self.template(template)
        raw = dict(source.raw)
        raw["parameters"] = {**raw.get("parameters", {}), **(parameters or {})}
        raw |= {**fields, "name": name}
        raw[self.model.kind] = source.installed.qualified
        raw["requires"] = required_ranges(source.installed)
        return self.save(raw)

    def save(self, document: D | Mapping[str, Any]) -> SavedDocument[D]:
        """Save a new document under its own name.

        Raises:
            NameTakenError: there is a document of this name.
            DocumentError: it is not valid.
        """
        raw = _as_raw(document)
        name = checked_name(str(raw.get("name", "")))
        raw["name"] = name
        with self.store.transactions.locked():
            self._require_free(name)
            self._check_new(raw, name)
            return self._check(self.store.write(name, raw), name)

    def update(self, name: str, document: D | Mapping[str, Any], *, expected_hash: str) -> SavedDocument[D]:
        """Save a changed document, if the file still is the one that was read.

        Raises:
            StaleDocumentError: it is not: somebody saved meanwhile; says what would have been changed.
            DocumentError: the changed document is not valid.
        """
        name, raw = checked_name(name), _as_raw(document)
        with self.store.transactions.locked():
            stored = self.store.read(name)
            if stored.content_hash != expected_hash:
                raise StaleDocumentError(_conflict(stored, raw))
            self._check_new(raw, name)
            return self._check(self.store.write(name, raw), name)

    def rename(self, name: str, new_name: str) -> SavedDocument[D]:
        """Give a document another name. Raises as `get` and `save` do."""
        name, new_name = checked_name(name), checked_name(new_name)
        with self.store.transactions.locked():
            raw = {**self.get(name).raw, "name": new_name}
            if self.store.holder(new_name) != name or name == new_name:
                self._require_free(new_name)  # but a change of capitals is no clash with itself
            stored = self.store.move(name, new_name, in_order(raw))
            return self._check(stored, new_name)

    def duplicate(self, name: str, new_name: str) -> SavedDocument[D]:
        """Save a copy under another name. Raises as `get` and `save` do."""
        return self.save({**self.get(name).raw, "name": new_name})

    def delete(self, name: str) -> Path:
        """Move a document, valid or not, to the trash; gives where it is now."""
        name = checked_name(name)
        with self.store.transactions.locked():
            return self.store.put_into_trash(name)

    def restore(self, name: str) -> SavedDocument[D]:
        """Take back the document of this name that was deleted last. Raises as `save` does."""
        name = checked_name(name)
        with self.store.transactions.locked():
            stored = self.store.trashed(name)
            self._require_free(name)
            raw = stored.parse()
            saved = check_document(self.model, raw, str(stored.path), self.catalogue, name=name)
            written = self.store.write(name, raw)
            stored.path.unlink()
            return SavedDocument(saved, raw, written.path, written.content_hash)

    def upgrade(self, name: str) -> tuple[int, SavedDocument[D]]:
        """Write a document of an older schema version in the newest; gives the version that it had."""
        saved = self.get(name)
        if saved.version_on_disk == CURRENT_VERSION:
            return CURRENT_VERSION, saved
        raw = upgraded(saved.raw, str(saved.path))
        return saved.version_on_disk, self.update(name, raw, expected_hash=saved.content_hash)

    def _require_free(self, name: str) -> None:
        self.store.require_free(name)
        if name in {installed.name for installed in self.catalogue.items(self.model.kind)}:
            raise NameTakenError(
                f"{name!r} is the name of an installed {self.model.kind}, and would stand for both; "
                f"take another, for example 'my-{name}'"
            )

    def _subject(self, stored: Stored | None) -> str | None:
        """What a file that is not valid says it is of."""
        try:
            raw = stored.parse() if stored is not None else None
        except ConfigError:
            return None
        said = raw.get(self.model.kind) if isinstance(raw, dict) else None
        return said if isinstance(said, str) else None

    def _check(self, stored: Stored, name: str) -> SavedDocument[D]:
        raw = stored.parse()
        checked = check_document(self.model, raw, str(stored.path), self.catalogue, name=name)
        return SavedDocument(checked, raw, stored.path, stored.content_hash)

    def _check_new(self, raw: Mapping[str, Any], name: str) -> None:
        check_document(self.model, raw, f"{self.model.kind} {name!r}", self.catalogue, name=name)


class StrategyManager(DocumentManager[StrategyDocument]):
    """A user's strategies, in `config/strategies/user_strategies/` of the project home."""

    model = StrategyDocument
    folder = "strategies"


class IndicatorManager(DocumentManager[IndicatorDocument]):
    """A user's presets of indicators for charts, in `config/indicators/user_indicators/`."""

    model = IndicatorDocument
    folder = "indicators"


def required_ranges(installed: Installed) -> dict[str, str]:
    """The distribution of an item and the releases that should do: what new documents require."""
    return {installed.distribution: compatible_range(installed.version)}


def problems_of(error: ConfigError, path: Path) -> tuple[Problem, ...]:
    """What an error says, as problems of a file."""
    if isinstance(error, DocumentError):
        return error.problems
    text = str(error).removeprefix(f"{path}: ")
    return (Problem(str(path), "", "a document that can be read", text),)


def _as_raw(document: Any) -> dict[str, Any]:
    """A document as it is written: what was said, not what was left to defaults."""
    raw = (
        dict(document)
        if isinstance(document, Mapping)
        else document.model_dump(mode="json", exclude_unset=True)
    )
    raw.setdefault("schema_version", CURRENT_VERSION)
    return in_order(raw)


def _conflict(stored: Stored, raw: Mapping[str, Any]) -> str:
    """Says how the file differs from what was to be saved."""
    on_disk = stored.data.decode("utf-8", errors="replace").splitlines()
    mine = dump_json(raw).decode().splitlines()
    lines = list(difflib.unified_diff(on_disk, mine, "on disk", "not saved", n=1, lineterm=""))
    text = "\n".join(lines[:40])
    return f"{stored.path}: somebody else has saved it since it was read; nothing was written\n{text}"
