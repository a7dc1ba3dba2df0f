"""Entry points become records: sorted, chosen before import, conflicts found, broken metadata survived."""

import sys
import unicodedata
from pathlib import Path

import pytest

from plugin_modules import STRATEGY_PLUGIN
from stratkernel import Kernel, PluginSelection
from stratkernel.kernel import discovery
from stratkernel.kernel.errors import UnknownNameError
from stratkernel.kernel.kinds import STRATEGY
from stratkernel.kernel.records import PluginRecord, PluginState
from stratkernel.testing import fake_distribution


def found(name: str, kernel: Kernel | None = None) -> list[PluginRecord]:
    """The records of the entry points of this name."""
    return [record for record in (kernel or Kernel()).records if record.name == name]


def one(name: str, kernel: Kernel | None = None) -> PluginRecord:
    (record,) = found(name, kernel)
    return record


def strategy_plugin(
    folder: Path, distribution: str, entry: str, version: str = "1.0", module: str | None = None
) -> None:
    module = module or distribution.replace("-", "_")
    fake_distribution(
        folder,
        distribution,
        version,
        entry_points={entry: module},
        modules={f"{module}.py": STRATEGY_PLUGIN},
    )


def test_plugin_in_an_entry_point_is_active(packages: Path) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet", "2.1")
    kernel = Kernel()
    record = one("quiet", kernel)
    assert (record.distribution, record.version, record.target) == ("acme-quiet", "2.1", "acme_quiet")
    assert record.state is PluginState.ACTIVE
    assert record.provides == {"strategies": ()}
    assert kernel.resolve(STRATEGY, "quiet").qualified == "acme-quiet:quiet"
    assert record.provides == {"strategies": ("quiet",)}


def test_records_are_sorted_by_name_and_distribution(packages: Path) -> None:
    for distribution, entry in (("b-dist", "zz"), ("a-dist", "zz"), ("c-dist", "aa")):
        strategy_plugin(packages, distribution, entry)
    records = [(record.name, record.distribution) for record in Kernel().records]
    assert records == sorted(records)
    assert {("aa", "c-dist"), ("zz", "a-dist"), ("zz", "b-dist")} <= set(records)


def test_distribution_names_are_normalised(packages: Path) -> None:
    strategy_plugin(packages, "Acme_Quiet.Things", "quiet", module="acme_quiet")
    assert one("quiet").distribution == "acme-quiet-things"


def test_distribution_twice_on_the_path_is_found_once(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet", "2.0")
    strategy_plugin(packages / "older", "acme-quiet", "quiet", "1.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages / "older")])
    assert one("quiet").version == "2.0"


def test_module_without_entry_point_is_no_plugin(packages: Path) -> None:
    (packages / "stratkernel_lurking.py").write_text("raise AssertionError('imported')", encoding="utf-8")
    assert not found("lurking")


# conflicts


def test_one_name_in_two_distributions_loads_neither(packages: Path) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet")
    strategy_plugin(packages, "other-quiet", "quiet", "3")
    kernel = Kernel()
    records = found("quiet", kernel)
    assert [record.state for record in records] == [PluginState.CONFLICT] * 2
    assert [record.module for record in records] == [None, None]
    for record in records:
        assert "acme-quiet 1.0 (acme_quiet) and other-quiet 3 (other_quiet)" in record.reason
        assert "uninstall or disable one" in record.reason
    assert not {"acme_quiet", "other_quiet"} & set(sys.modules)
    with pytest.raises(UnknownNameError, match="claimed by acme-quiet"):
        kernel.resolve(STRATEGY, "quiet")


@pytest.mark.parametrize("which", ["acme-quiet", "other-quiet"])
def test_conflict_is_solved_by_disabling_one_distribution(packages: Path, which: str) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet")
    strategy_plugin(packages, "other-quiet", "quiet")
    kernel = Kernel(PluginSelection(disabled={"a list": [which]}))
    states = {record.distribution: record.state for record in found("quiet", kernel)}
    assert states.pop(which) is PluginState.DISABLED
    assert list(states.values()) == [PluginState.ACTIVE]


def test_name_of_the_root_distribution_cannot_be_taken(packages: Path) -> None:
    strategy_plugin(packages, "acme-sources", "Sources")
    kernel = Kernel()
    assert one("sources", kernel).state is PluginState.ACTIVE
    assert one("sources", kernel).distribution == "stratkernel"
    stranger = one("Sources", kernel)
    assert stranger.state is PluginState.CONFLICT
    assert "the name is stratkernel's own and cannot be taken" in stranger.reason


# what P12 lists: case, composed and compatibility forms, within and between distributions
SAME_NAMES = [
    ("quiet", "QUIET"),
    ("cafe\u0301", "caf\u00e9"),
    ("\ufb01nal", "final"),
    ("stra\u00dfe", "STRASSE"),
]


@pytest.mark.parametrize("names", SAME_NAMES, ids=[unicodedata.normalize("NFD", b) for _, b in SAME_NAMES])
@pytest.mark.parametrize("distributions", [("acme-one", "acme-two"), ("acme-one", "acme-one")])
def test_p12_names_that_differ_in_form_only_are_a_conflict(
    packages: Path, names: tuple[str, str], distributions: tuple[str, str]
) -> None:
    if len(set(distributions)) == 1:
        fake_distribution(
            packages,
            distributions[0],
            entry_points={names[0]: "acme_first", names[1]: "acme_second"},
            modules={"acme_first.py": STRATEGY_PLUGIN, "acme_second.py": STRATEGY_PLUGIN},
        )
    else:
        for distribution, name in zip(distributions, names, strict=True):
            strategy_plugin(packages, distribution, name)
    records = [record for record in Kernel().records if record.distribution in distributions]
    assert [record.state for record in records] == [PluginState.CONFLICT] * 2
    for record in records:
        assert distributions[0] in record.reason
        assert distributions[1] in record.reason


# broken metadata


def test_entry_points_that_are_no_text_fail_their_distribution_only(packages: Path) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet")
    fake_distribution(packages, "acme-garbage", entry_points={}, modules={})
    (packages / "acme_garbage-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe\x00garbage")
    kernel = Kernel()
    assert one("quiet", kernel).state is PluginState.ACTIVE
    assert one("sources", kernel).state is PluginState.ACTIVE
    broken = one("acme-garbage", kernel)
    assert broken.state is PluginState.FAILED
    assert broken.reason.startswith("its entry_points.txt cannot be read: UnicodeDecodeError")


def test_entry_points_without_a_module_fail_their_distribution_only(packages: Path) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet")
    fake_distribution(packages, "acme-garbage", entry_points={}, modules={})
    text = packages / "acme_garbage-1.0.dist-info" / "entry_points.txt"
    text.write_text("[stratkernel]\nno equals sign here\n", encoding="utf-8")
    kernel = Kernel()
    assert one("quiet", kernel).state is PluginState.ACTIVE
    assert one("acme-garbage", kernel).state is PluginState.FAILED


@pytest.mark.parametrize("metadata", [None, b"", b"\xff\xfe\x00", b"Version: 3\n"])
def test_distribution_without_readable_metadata_is_still_listed(
    packages: Path, metadata: bytes | None
) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet")
    file = packages / "acme_quiet-1.0.dist-info" / "METADATA"
    if metadata is None:
        file.unlink()
    else:
        file.write_bytes(metadata)
    record = one("quiet")
    assert record.state is PluginState.ACTIVE
    assert record.distribution == "unknown"


@pytest.mark.parametrize(
    "target", ["acme_quiet:missing", "acme_quiet:", ":", "no such module", "acme_quiet:x.y"]
)
def test_entry_point_that_leads_nowhere_fails(packages: Path, target: str) -> None:
    fake_distribution(
        packages, "acme-quiet", entry_points={"quiet": target}, modules={"acme_quiet.py": "x = 1\n"}
    )
    record = one("quiet")
    assert record.state is PluginState.FAILED
    assert (
        record.error is not None or "must name a module" in record.reason or "offers nothing" in record.reason
    )


def test_two_entry_points_to_one_module_keep_the_first(packages: Path) -> None:
    fake_distribution(
        packages,
        "acme-quiet",
        entry_points={"aa": "acme_quiet", "bb": "acme_quiet"},
        modules={"acme_quiet.py": STRATEGY_PLUGIN},
    )
    kernel = Kernel()
    assert one("aa", kernel).state is PluginState.ACTIVE
    assert one("bb", kernel).state is PluginState.FAILED
    assert "already registered" in one("bb", kernel).reason
    assert len(one("bb", kernel).reason.splitlines()) == 1


# imports that take long


def test_p10_slow_import_is_named_while_it_lasts(
    packages: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The module itself waits until the notice has been given, so nothing here depends on a speed."""
    monkeypatch.setattr(discovery, "SLOW_IMPORT_SECONDS", 0.01)
    said = _threads_done_before_import_ends(monkeypatch)
    fake_distribution(
        packages,
        "acme-slow",
        entry_points={"slow": "acme_slow"},
        modules={"acme_slow.py": f"import builtins\nbuiltins.{said}()\n" + STRATEGY_PLUGIN},
    )
    assert one("slow").state is PluginState.ACTIVE
    error = capfd.readouterr().err
    assert "still importing plugin 'slow' (acme-slow 1.0) after 0.01 s" in error
    assert "STRATKERNEL_DISABLE=slow" in error


def test_fast_import_is_not_named(packages: Path, capfd: pytest.CaptureFixture[str]) -> None:
    strategy_plugin(packages, "acme-quiet", "quiet")
    assert one("quiet").state is PluginState.ACTIVE
    assert capfd.readouterr().err == ""


def _threads_done_before_import_ends(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a builtin that waits for the timer of the running import."""
    import builtins
    import threading

    timers: list[threading.Timer] = []

    class KeptTimer(threading.Timer):
        def start(self) -> None:
            timers.append(self)
            super().start()

    monkeypatch.setattr(threading, "Timer", KeptTimer)
    name = "wait_for_slow_import_notice"

    def wait() -> None:
        timers[-1].join()

    monkeypatch.setattr(builtins, name, wait, raising=False)
    return name
