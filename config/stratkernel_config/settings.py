"""What the settings file says of plugins: read before any is imported, so nothing heavy is needed.

`stratkernel_config.user_settings` has all settings.
"""

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
    path, plugins = _plugins(home)
    names = plugins.get("disabled", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ConfigError(f"{path}: plugins.disabled: expected a list of plugin names, got {names!r:.80}")
    return frozenset(names)


def preferred_providers(home: Path | None = None) -> dict[str, str]:
    """`plugins.preferred` of the settings file: for a bare name, the distribution that it means.

    Raises:
        ConfigError: the file is there and cannot be used.
    """
    path, plugins = _plugins(home)
    pairs = plugins.get("preferred", {})
    if not (isinstance(pairs, dict) and all(isinstance(name, str) for name in pairs.values())):
        raise ConfigError(f"{path}: plugins.preferred: expected names and distributions, got {pairs!r:.80}")
    return pairs


def _plugins(home: Path | None) -> tuple[Path, dict[str, Any]]:
    path = (home or project_home()) / "settings.json"
    if not path.is_file():
        return path, {}
    settings = _object(load_json(path), path, "the whole file")
    return path, _object(settings.get("plugins", {}), path, "plugins")


def _object(value: Any, path: Path, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {place}: expected an object, got {value!r:.80}")
    return value
