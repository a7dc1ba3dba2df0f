"""Documents of one kind in one folder: read, written, put into the trash. It knows not what is in them."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stratkernel_config.documents import parse_json, read_bytes
from stratkernel_config.errors import NameTakenError, UnknownDocumentError
from stratkernel_config.files import sync_folder, write_json
from stratkernel_config.names import checked_name, document_path, require_inside
from stratkernel_config.transaction import Transactions

_SUFFIX: Final = ".json"
_TRASHED: Final = re.compile(r"(?P<name>.+)\.(?P<number>[0-9]{1,9})\.json")


def content_hash(data: bytes) -> str:
    """What identifies the content of a file: the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of a document's file."""

    path: Path
    data: bytes

    @property
    def content_hash(self) -> str:
        return content_hash(self.data)

    def parse(self) -> Any:
        """The JSON value. Raises `DocumentError`."""
        return parse_json(self.data, str(self.path))


class DocumentStore:
    """The files of one folder and its trash. Writers work within `transactions.locked()`;
    readers need not wait."""

    def __init__(self, root: Path, folder: Path, trash: Path) -> None:
        self.root = root
        self.transactions = Transactions(root)
        self.folder = folder
        self.trash = trash

    def names(self) -> list[str]:
        """The names of all documents, sorted; files that are no documents are passed over.

        Raises:
            ConfigError: a symbolic link leads the folder out of the root.
        """
        require_inside(self.root, self.folder)
        self.transactions.recover()
        try:
            found = os.listdir(self.folder)  # noqa: PTH208 - names are wanted, and paths cost
        except (FileNotFoundError, NotADirectoryError):
            return []
        shown = (name for name in found if name.endswith(_SUFFIX) and not name.startswith("."))
        return sorted(name.removesuffix(_SUFFIX) for name in shown)

    def path(self, name: str) -> Path:
        """Where a document is, or would be. Raises `ConfigError` for a name that is not allowed."""
        return document_path(self.folder, name)

    def read(self, name: str) -> Stored:
        """The bytes of a document.

        Raises:
            UnknownDocumentError: there is none of this name.
            ConfigError: it cannot be read, or is a symbolic link.
        """
        require_inside(self.root, self.folder)
        self.transactions.recover()
        path = self.path(name)
        if not path.exists():
            raise UnknownDocumentError(f"no document {name!r} in {self.folder}")
        return Stored(path, read_bytes(path, follow=False))

    def read_listed(self, name: str) -> Stored:
        """As `read`, for a name that `names` gave just now."""
        path = self.folder / f"{checked_name(name)}.json"
        return Stored(path, read_bytes(path, follow=False))

    def holder(self, name: str) -> str | None:
        """The document that has this name already, in capitals or not."""
        composed = checked_name(name).casefold()
        return next((each for each in self.names() if each.casefold() == composed), None)

    def require_free(self, name: str) -> None:
        """Raises `NameTakenError` where a document bears the name, `ConfigError` where it is not allowed."""
        holder = self.holder(name)
        if holder is not None:
            raise NameTakenError(f"{self.path(holder)}: there is a document of this name already")

    def write(self, name: str, raw: Mapping[str, Any]) -> Stored:
        """Write a document, keeping what it replaces as `<name>.json.bak`; call it within a transaction."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return Stored(path, write_json(path, raw))

    def move(self, old: str, new: str, raw: Mapping[str, Any]) -> Stored:
        """Write a document under another name and remove the old one, both or neither."""
        self.transactions.commit({self.path(new): raw}, removes=[self.path(old)])
        return self.read(new)

    def put_into_trash(self, name: str) -> Path:
        """Move a document to the trash; several of the same name are kept there, numbered."""
        stored = self.read(name)
        require_inside(self.root, self.trash)
        self.trash.mkdir(parents=True, exist_ok=True)
        target = self.trash / f"{name}.{max(self._numbers(name), default=0) + 1}.json"
        stored.path.replace(target)
        sync_folder(self.trash)
        sync_folder(self.folder)
        return target

    def trashed(self, name: str) -> Stored:
        """The document of this name that was deleted last. Raises `UnknownDocumentError`."""
        require_inside(self.root, self.trash)
        numbers = self._numbers(checked_name(name))
        if not numbers:
            raise UnknownDocumentError(f"no document {name!r} in the trash, {self.trash}")
        path = self.trash / f"{name}.{max(numbers)}.json"
        return Stored(path, read_bytes(path, follow=False))

    def _numbers(self, name: str) -> list[int]:
        paths = self.trash.glob("*.json") if self.trash.is_dir() else ()
        matches = [_TRASHED.fullmatch(path.name) for path in paths]
        return [int(match["number"]) for match in matches if match and match["name"] == name]
