"""Documents that a plugin brings along as files of its package."""

import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from stratkernel_config.documents import MAX_BYTES, parse_json
from stratkernel_config.errors import ConfigError


def packaged_templates(module: str, kind: str, name: str) -> Sequence[Mapping[str, Any]]:
    """The files `templates/*.json` in the package of a module that name this strategy or indicator.

    Sorted by file name; none for a module that belongs to no package, or whose package has no such folder.

    Raises:
        ConfigError: a file that cannot be read or is no JSON object.
    """
    package = getattr(sys.modules.get(module), "__package__", None)
    folder = files(package) / "templates" if package else None
    if folder is None or not folder.is_dir():
        return []
    found = []
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".json"):
            with file.open("rb") as stream:
                document = parse_json(stream.read(MAX_BYTES + 1), str(file))
            if not isinstance(document, dict):
                raise ConfigError(f"{file}: expected an object, got {type(document).__name__}")
            if document.get(kind) == name:
                found.append(document)
    return found
