"""Settings: the file `settings.json` in the project home."""

from pathlib import Path
from typing import Any

from stratkernel_config.documents import load_json
from stratkernel_config.errors import ConfigError
from stratkernel_config.home import project_home


def disabled_plugins(home: Path | None = None) -> frozenset[str]:
    """`plugins.disabled` of the settings file, names of plugins or distributions; none without a file.

    Raises:
        ConfigError: the file is there and cannot be used.
    """
    path = (home or project_home()) / "settings.json"
    if not path.is_file():
        return frozenset()
    settings = _object(load_json(path), path, "the whole file")
    plugins = _object(settings.get("plugins", {}), path, "plugins")
    names = plugins.get("disabled", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ConfigError(f"{path}: plugins.disabled: expected a list of plugin names, got {names!r:.80}")
    return frozenset(names)


def _object(value: Any, path: Path, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {place}: expected an object, got {value!r:.80}")
    return value
