"""The documentation does what it says: code blocks run, commands succeed, links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from types import ModuleType

import pytest

from stratkernel import Kernel, StrategyFactory, run_strategy
from stratkernel.cli import main
from stratkernel.kernel.kinds import STRATEGY
from stratkernel.testing.candles import candles_from_close, random_walk

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def run_blocks(page: Path) -> ModuleType:
    """All Python blocks of a page, one after the other in one module."""
    module = ModuleType(f"documented_{page.stem.lower()}")
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), vars(module))  # noqa: S102 - the project's own documentation
    return module


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
WITH_PLUGINS = [page for page in WITH_PYTHON if "@hookimpl" in page.read_text(encoding="utf-8")]
WITHOUT_PLUGINS = [page for page in WITH_PYTHON if page not in WITH_PLUGINS]
WITH_COMMANDS = [page for page in PAGES if any("$ stratkernel" in text for text in blocks(page, "console"))]


@pytest.mark.parametrize("page", WITHOUT_PLUGINS, ids=names(WITHOUT_PLUGINS))
def test_documented_code_runs(page: Path) -> None:
    assert vars(run_blocks(page))


@pytest.mark.parametrize("page", WITH_PLUGINS, ids=names(WITH_PLUGINS))
def test_documented_plugins_are_whole_and_their_strategies_run(page: Path) -> None:
    module = run_blocks(page)
    kernel = Kernel()
    record = kernel.register(module, "documented", distribution="acme-documented")
    kernel.collect_all()
    hooks = [name for name in vars(module) if name.startswith("stratkernel_")]
    assert hooks
    assert record.healthy, record.reason
    assert all(items for kind, items in record.provides.items() if kind != "observers")
    candles = candles_from_close(random_walk(2_000, seed=8))
    for name in record.provides["strategies"]:
        result = run_strategy(kernel, StrategyFactory(kernel).create(name), candles)
        assert len(result.signals) > 0
    assert kernel.items(STRATEGY)


def test_documented_page_of_plugins_has_an_example_of_every_hook() -> None:
    from stratkernel.kernel import hookspecs

    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    hooks = [name for name in vars(hookspecs) if name.startswith("stratkernel_")]
    assert len(hooks) == 8
    assert [name for name in hooks if f"def {name}(" not in page] == []


def test_readme_plugin_is_under_thirty_lines() -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) < 30


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=names(WITH_COMMANDS))
def test_documented_commands_succeed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRATKERNEL_HOME", str(tmp_path))
    candles_from_close(random_walk(500)).frame.to_csv("candles.csv")
    for text in blocks(page, "console"):
        output = None
        for line in text.splitlines():
            if line.startswith("$ export "):
                name, _, value = line.removeprefix("$ export ").partition("=")
                monkeypatch.setenv(name, value.replace("$PWD", str(tmp_path)))
            elif line.startswith("$ stratkernel "):
                command, _, note = line.partition("   # ")
                expected = re.match(r"exit (\d)", note)
                with without_distribution(note.partition(" without ")[2]):
                    code = main(shlex.split(command)[2:])
                captured = capsys.readouterr()
                output = plain(f"{captured.out}{captured.err}".replace(f"{tmp_path}/", ""))
                assert code == int(expected[1] if expected else 0), (line, output)
            elif output is not None:
                assert plain(line) in output, (line, output)


def plain(text: str) -> str:
    """Without the widths of columns and the breaks of lines."""
    return " ".join(text.split())


@contextmanager
def without_distribution(name: str) -> Iterator[None]:
    """Within, a distribution is not installed, as far as discovery and the catalogue can see."""

    def installed(group: str) -> list[EntryPoint]:
        found = entry_points(group=group)
        return [each for each in found if each.dist is None or each.dist.name != name]

    def version_of(distribution: str) -> str:
        if distribution == name:
            raise PackageNotFoundError(name)
        return version(distribution)

    with pytest.MonkeyPatch.context() as patch:
        if name:
            patch.setattr("stratkernel.kernel.discovery.entry_points", installed)
            patch.setattr("stratkernel.engine.catalogue.version", version_of)
        yield


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
