"""Where in a JSON text something stands. Slow, and asked only when something is wrong."""

import re
from collections.abc import Iterator
from typing import Final

_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def line_and_column(text: str, offset: int) -> str:
    """`line:column`, both from 1."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return f"{line}:{column}"


def place_of_word(text: str, word: str) -> str:
    """Where a number or a word stands first, outside of texts."""
    found = next((match.start() for match in _WORD.finditer(text) if match.group() == word), 0)
    return line_and_column(text, found)


def place_of_second_key(text: str) -> str:
    """Where a key stands for the second time in its object; keys are compared as they are written."""
    objects: list[set[str] | None] = []
    for offset, word, before in _words_of(text):
        if word == "{":
            objects.append(set())
        elif word == "[":
            objects.append(None)
        elif word in "}]" and objects:
            objects.pop()
        elif word.startswith('"') and before in "{,":
            keys = objects[-1] if objects else None
            if keys is None:
                continue
            if word in keys:
                return line_and_column(text, offset)
            keys.add(word)
    return "1:1"


def _words_of(text: str) -> Iterator[tuple[int, str, str]]:
    """Offset, word and the word before it."""
    before = ""
    for match in _WORD.finditer(text):
        yield match.start(), match.group(), before
        before = match.group()
