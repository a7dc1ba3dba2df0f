"""A new project home: its folders, its settings file, the templates of what is installed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from stratkernel_config.errors import ConfigError
from stratkernel_config.files import replacing, write_json
from stratkernel_config.managers import DocumentManager
from stratkernel_config.names import checked_name, require_inside
from stratkernel_config.schema import document_schema

SETTINGS_FILE: Final = "settings.json"
_README: Final = """\
# A project home of stratkernel

- `settings.json`: what `stratkernel settings` shows, as far as it is not the default.
- `config/strategies/user_strategies/`: your strategies, one JSON file each.
- `config/strategies/templates/`: what the installed plugins suggest, with the JSON Schema for editors.
- `config/indicators/`: the same for indicators on charts.

Begin with `stratkernel config templates`, then `stratkernel config new NAME --template TEMPLATE`.
Commands work here while `STRATKERNEL_HOME` names this folder. Do not edit templates: they are
written anew by `stratkernel init`.
"""


def make_home(home: Path, managers: Sequence[DocumentManager[Any]]) -> list[Path]:
    """Make what is missing of a project home, and export templates anew; gives what was written.

    Settings, a README and documents that are there stay as they are.

    Raises:
        ConfigError: there is a file where a folder must be, or a link leads out of the home.
    """
    try:
        return [*_own_files(home), *(path for manager in managers for path in export_templates(manager))]
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{error.filename}: a file stands where a folder must be") from None


def _own_files(home: Path) -> list[Path]:
    home.mkdir(parents=True, exist_ok=True)
    written = []
    settings, readme = home / SETTINGS_FILE, home / "README.md"
    if not settings.exists():
        write_json(settings, {"plugins": {"disabled": []}})
        settings.chmod(0o600)
        written.append(settings)
    if not readme.exists():
        with replacing(readme) as temporary:
            temporary.write_text(_README, encoding="utf-8")
        written.append(readme)
    return written


def export_templates(manager: DocumentManager[Any]) -> list[Path]:
    """Write all valid templates of a kind and their JSON Schema; gives the files.

    Of two with the same name, each file is called `distribution.name.json`.
    """
    folder, kind = manager.templates_folder, manager.model.kind
    for each in (folder, manager.store.folder):
        require_inside(manager.store.root, each)
        each.mkdir(parents=True, exist_ok=True)
    templates = [template for template in manager.templates() if template.checked is not None]
    names = [template.name for template in templates]
    files: dict[str, Mapping[str, Any]] = {}
    for template in templates:
        name = template.name if names.count(template.name) == 1 else template.qualified.replace(":", ".")
        files[checked_name(name)] = template.raw
    files[f"{kind}.schema"] = document_schema(manager.model, manager.catalogue)
    paths = []
    for name, raw in files.items():
        paths.append(folder / f"{name}.json")
        write_json(paths[-1], raw, backup=False)
    return paths
