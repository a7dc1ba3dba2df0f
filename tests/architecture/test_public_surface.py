"""What plugin authors may import: `stratkernel`, `stratkernel.primitives`, `stratkernel.rolling`."""

import ast
import importlib
from pathlib import Path

import pytest

import stratkernel

PUBLIC_MODULES = ("stratkernel.primitives", "stratkernel.rolling", "stratkernel.testing")
MADE_HERE = {"API_VERSION", "__version__", "hookimpl"}
"""Names that `import stratkernel` brings at once; all others are loaded when first used."""


def test_all_is_sorted_and_without_doubles() -> None:
    assert stratkernel.__all__ == sorted(set(stratkernel.__all__))


def test_all_is_what_the_homes_provide() -> None:
    assert set(stratkernel.__all__) == set(stratkernel._HOME_OF) | MADE_HERE
    names = [name for names in stratkernel._HOMES.values() for name in names.split()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", stratkernel.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"from stratkernel import {name}", namespace)  # noqa: S102 - as an author writes it
    assert namespace[name] is getattr(stratkernel, name)


def test_names_for_type_checkers_are_the_names_at_run_time(repository: Path) -> None:
    tree = ast.parse((repository / "core/stratkernel/__init__.py").read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    for_checkers = {
        (node.module, alias.name)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    at_run_time = {(f"stratkernel.{home}", name) for name, home in stratkernel._HOME_OF.items()}
    assert for_checkers == at_run_time


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'stratkernel' has no attribute 'Nonsense'"):
        stratkernel.Nonsense  # noqa: B018 - asking is the test


def test_dir_shows_the_public_names() -> None:
    assert dir(stratkernel) == stratkernel.__all__


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_module_declares_its_names(module: str) -> None:
    found = importlib.import_module(module)
    assert len(found.__all__) == len(set(found.__all__))
    for name in found.__all__:
        assert getattr(found, name) is not None


@pytest.mark.parametrize(
    "name", [name for name in stratkernel.__all__ if name[0].isupper() and name != "API_VERSION"]
)
def test_every_public_class_says_what_it_is(name: str) -> None:
    thing = getattr(stratkernel, name)
    if isinstance(thing, type):
        assert (thing.__doc__ or "").strip()


def plugin_files(repository: Path) -> list[Path]:
    return sorted(path for folder in ("plugins", "examples") for path in (repository / folder).rglob("*.py"))


def test_plugins_import_the_public_surface_only(repository: Path) -> None:
    files = plugin_files(repository)
    assert files
    for file in files:
        for module in imported_modules(file):
            if module.split(".")[0] in {"stratkernel", "stratkernel_config"}:
                assert module in ("stratkernel", *PUBLIC_MODULES), (
                    f"{file.relative_to(repository)} imports {module}"
                )


def test_plugin_modules_import_nothing_heavy_at_their_top(repository: Path) -> None:
    for file in repository.glob("plugins/*/*/plugin.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tops = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {getattr(node, "module", None) or node.names[0].name for node in tops}
        assert modules <= {"collections.abc", "typing", "stratkernel"}, file


def imported_modules(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "stratkernel":
                found |= {
                    f"stratkernel.{alias.name}"
                    for alias in node.names
                    if not hasattr(stratkernel, alias.name)
                }
    return found
