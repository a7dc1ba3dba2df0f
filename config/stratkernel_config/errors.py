"""What can be wrong with a document or a file."""

from collections.abc import Iterable
from dataclasses import dataclass


class ConfigError(Exception):
    """A document or settings file that cannot be used; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: in which file, where in it, what was expected and what was got.

    `place` is `line:column` or a JSON path such as `$.parameters.period`; empty for the whole file.
    """

    file: str
    place: str
    expected: str
    got: str

    def __str__(self) -> str:
        separator = "" if not self.place else ": " if self.place.startswith("$") else ":"
        return f"{self.file}{separator}{self.place}: expected {self.expected}, got {self.got}"

    def to_dict(self) -> dict[str, str]:
        """The four texts and the whole sentence, for JSON output."""
        return {
            "file": self.file,
            "place": self.place,
            "expected": self.expected,
            "got": self.got,
            "message": str(self),
        }


class DocumentError(ConfigError):
    """A document that is not valid: all of its problems at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnknownDocumentError(ConfigError):
    """No document or template of this name."""


class NameTakenError(ConfigError):
    """A document of this name is there already, or the name is an installed item's own."""


class StaleDocumentError(ConfigError):
    """The document on disk is not the one that was read: somebody else has saved meanwhile."""


class CatalogueError(ConfigError):
    """What a document names is not installed, is ambiguous, or its plugin fails."""


def shown(value: object, limit: int = 80) -> str:
    """A value of a document for a message: short, on one line, nothing that a terminal would obey."""
    text = "null" if value is None else repr(value)
    text = {"True": "true", "False": "false"}.get(text, text)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= limit else f"{text[:limit]}..."
