"""Everything that may happen to documents and files: each fault of the catalogue by its number, J1 to J12."""

import json
import os
import random
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from made_catalogue import made_catalogue, template
from stratkernel_config.bundles import bundle_hash, import_bundle
from stratkernel_config.documents import MAX_BYTES, dump_json, parse_json
from stratkernel_config.errors import ConfigError, DocumentError, StaleDocumentError
from stratkernel_config.files import STALE_SECONDS, replacing, write_json
from stratkernel_config.managers import IndicatorManager, StrategyManager

FUZZED = 10_000
BATCH = 100


def folder_of(home: Path) -> Path:
    folder = home / "config" / "strategies" / "user_strategies"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def refusal(manager: StrategyManager, data: bytes) -> str:
    """What is said of a file with this content; the document beside it must still be there."""
    folder = folder_of(manager.store.root)
    (folder / "bad.json").write_bytes(data)
    listed = {each.name: each for each in manager.list()}
    assert listed["good"].valid
    assert not listed["bad"].valid
    return "\n".join(str(error) for error in listed["bad"].errors)


@pytest.fixture
def beside_good(manager: StrategyManager) -> StrategyManager:
    manager.create("good", "cross-calm")
    return manager


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither fork nor SIGKILL")
def test_j1_a_hundred_kills_during_saves_leave_no_corrupt_and_no_torn_document(
    home: Path, repository: Path
) -> None:
    program = repository / "tests" / "support" / "killed_savers.py"
    done = subprocess.run(
        [sys.executable, program, home, "100"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)  # noqa: TID251 - the program's own output
    assert seen.get("corrupt", 0) == 0
    assert seen.get("torn", 0) == 0
    assert seen["killed"] == 100
    assert seen["whole"] > 200
    assert seen["saves"] > 0


def test_j1_temporaries_of_dead_processes_are_swept_and_young_ones_left(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    old, young, other = (
        tmp_path / f".{name}.{letter * 32}.json" for name, letter in (("a", "0"), ("a", "1"), ("b", "2"))
    )
    for each in (old, young, other):
        each.write_text("half", encoding="utf-8")
    for each in (old, other):
        past = each.stat().st_mtime - STALE_SECONDS - 60
        os.utime(each, (past, past))
    write_json(path, {})
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([young.name, other.name, "a.json"])


def test_j1_the_content_before_the_last_save_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for number in range(3):
        write_json(path, number)
    assert (path.read_text(), (tmp_path / "a.json.bak").read_text()) == ("2\n", "1\n")


def test_j1_a_failing_save_keeps_content_and_backup(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    write_json(path, 2)
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        write_json(path, float("nan"))
    with pytest.raises(OSError, match="disk full"), replacing(path, backup=True):
        raise OSError("disk full")
    assert (path.read_text(), (tmp_path / "a.json.bak").read_text()) == ("2\n", "1\n")
    assert len(list(tmp_path.iterdir())) == 2


def test_j2_the_second_of_two_editors_is_refused_with_a_difference(beside_good: StrategyManager) -> None:
    ui = vim = beside_good.get("good")
    vim.path.write_bytes(dump_json({**vim.raw, "tags": ["vim"]}))
    with pytest.raises(StaleDocumentError, match="somebody else has saved it") as refused:
        beside_good.update("good", {**ui.raw, "tags": ["ui"]}, expected_hash=ui.content_hash)
    assert '-    "vim"' in str(refused.value)
    assert beside_good.get("good").document.tags == ["vim"]


def test_j2_of_many_savers_at_once_that_read_the_same_one_wins(
    home: Path, beside_good: StrategyManager
) -> None:
    read = beside_good.get("good")

    def save(number: int) -> bool:
        manager = StrategyManager(home, made_catalogue())
        try:
            manager.update("good", {**read.raw, "tags": [str(number)]}, expected_hash=read.content_hash)
        except StaleDocumentError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(save, range(16)))
    assert won.count(True) == 1
    assert beside_good.get("good").document.tags == [str(won.index(True))]


def test_j3_a_file_that_is_replaced_while_it_is_read_is_the_old_or_the_new_one(
    beside_good: StrategyManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = beside_good.get("good")
    real = os.read

    def read_slowly(handle: int, size: int) -> bytes:
        data = real(handle, min(size, 20))
        if data:
            write_json(saved.path, {**saved.raw, "description": "y" * 900})
        return data

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", read_slowly)
        assert beside_good.get("good").raw == saved.raw
    assert beside_good.get("good").document.description == "y" * 900


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", ":1:1: expected value, got the end"),
        (b"\xff\xfe{\x00}\x00", ": expected UTF-8; save the file as UTF-8"),
        ('{"name": "caf\u00e9"}'.encode("latin-1"), ": expected UTF-8"),
        (b'{\r\n"a": 1,\r\n"b" 2}', ":3:5: expected ':' delimiter"),
        (b'{"a": 1,}', ":1:"),
        (b'{\n// why\n"a": 1}', ":2:1: expected property name enclosed in double quotes, got '// why'"),
    ],
    ids=["empty", "utf-16", "latin-1", "crlf", "trailing comma", "comment"],
)  # fmt: skip
def test_j4_a_file_that_is_no_json_is_told_by_line_and_column(
    beside_good: StrategyManager, data: bytes, place: str
) -> None:
    assert f"bad.json{place}" in refusal(beside_good, data)


def test_j4_a_byte_order_mark_and_windows_line_ends_are_no_fault(
    manager: StrategyManager, home: Path
) -> None:
    text = json.dumps(template("a"), indent=1).replace("\n", "\r\n")
    (folder_of(home) / "a.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert manager.get("a").document.name == "a"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_j5_numbers_that_are_none_are_refused(beside_good: StrategyManager, number: str) -> None:
    said = refusal(beside_good, f'{{"a": "NaN 1e999",\n "level": {number}}}'.encode())
    assert (
        f"bad.json:2:11: expected a number{' below 1.8e308' if 'e' in number else ''}, got {number}" in said
    )


def test_j6_a_key_that_stands_twice_is_refused(beside_good: StrategyManager) -> None:
    said = refusal(beside_good, b'{"a": {"b": 1},\n "b": 2, "c": ["a"], "b": 3}')
    assert "bad.json:2:22: expected each key once in an object, got 'b' twice" in said


@pytest.mark.parametrize("depth", [33, 1_000, 100_000])
def test_j7_deep_nesting_is_refused(beside_good: StrategyManager, depth: int) -> None:
    assert "expected at most 32 levels of nesting" in refusal(beside_good, b"[" * depth + b"]" * depth)


def test_j8_a_file_that_is_too_large_is_refused_before_it_is_parsed(beside_good: StrategyManager) -> None:
    many = b"{" + b",".join(b'"%d":1' % n for n in range(200_000)) + b"}"
    assert len(many) > MAX_BYTES
    assert "expected at most 1,048,576 bytes, got more" in refusal(beside_good, many)
    keys = b"{" + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}"
    assert "expected at most 10,000 keys, got more" in refusal(beside_good, keys)


def test_j9_numbers_of_thousands_of_digits_and_lone_surrogates_are_refused(
    beside_good: StrategyManager,
) -> None:
    assert "expected numbers of a sensible length" in refusal(beside_good, b'{"a": ' + b"1" * 5_000 + b"}")
    assert "got a lone surrogate" in refusal(beside_good, b'{"a": "x\\ud800"}')
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        dump_json({"a": "\ud800"})


def test_j10_wrong_types_keys_and_bounds_are_told_all_at_once_with_their_paths(
    beside_good: StrategyManager,
) -> None:
    raw = template("bad", parameters={"fast": 10**12, "slow": "x" * 900_000}, tags={}, unknown=1)
    said = refusal(beside_good, json.dumps(raw).encode()).splitlines()
    places = [line.partition(".json: ")[2].partition(":")[0] for line in said]
    assert sorted(places) == ["$.parameters.fast", "$.parameters.slow", "$.tags", "$.unknown"]
    assert max(map(len, said)) < 500


@pytest.mark.parametrize(
    "change",
    [
        {f"key-{n}": 1 for n in range(9_000)},
        {"parameters": {f"key-{n}": 1 for n in range(9_000)}},
        {"requires": {f"acme-{n}": ">=1" for n in range(9_000)}},
        {"requires": {"acme-cross": ">=" + "1." * 200_000}},
        {"extra_timeframes": ["9h"] * 100_000},
        {"tags": [1] * 100_000},
        {"strategy": "\x1b[31m" + "x" * 500_000},
        {"timeframe": "1" * 500_000 + "h"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_j10_huge_documents_are_refused_in_messages_of_a_sensible_length(
    beside_good: StrategyManager, change: dict[str, Any]
) -> None:
    said = refusal(beside_good, json.dumps({**template("bad"), **change}).encode())
    assert max(map(len, said.splitlines())) < 600
    assert said.isprintable() or set(said) - set(filter(str.isprintable, said)) == {"\n"}


def test_j11_links_inside_the_folder_are_listed_but_not_followed(
    beside_good: StrategyManager, home: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(dump_json(template("link")))
    (folder_of(home) / "link.json").symlink_to(outside)
    listed = {each.name: each for each in beside_good.list()}
    assert "a symbolic link, which is not followed" in str(listed["link"].errors[0])
    for act in (beside_good.get, beside_good.delete, beside_good.validate):
        with pytest.raises(ConfigError, match="a symbolic link"):
            act("link")
    before = outside.read_bytes()
    with pytest.raises(ConfigError):
        beside_good.save(template("link"))
    assert outside.read_bytes() == before


def test_j11_a_lock_that_is_a_link_harms_nothing_outside(
    manager: StrategyManager, home: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious", encoding="utf-8")
    (home / "config").mkdir(parents=True)
    (home / "config" / ".lock").symlink_to(outside)
    with pytest.raises(ConfigError, match=r"\.lock: a symbolic link"):
        manager.create("a", "cross-calm")
    assert outside.read_text(encoding="utf-8") == "precious"


def test_j11_a_folder_that_leads_out_of_the_home_is_refused(
    manager: StrategyManager, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (home / "config" / "strategies").mkdir(parents=True)
    (home / "config" / "strategies" / "user_strategies").symlink_to(tmp_path / "outside")
    for act in (manager.list, lambda: manager.create("a", "cross-calm"), lambda: manager.get("a")):
        with pytest.raises(ConfigError, match="outside of"):
            act()
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "con", "x" * 300, "%2e%2e", "a\u202e", "a.", "\0"]
)
def test_j11_names_that_are_no_names_reach_no_file(
    beside_good: StrategyManager, tmp_path: Path, name: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    acts: list[Any] = [
        lambda: beside_good.create(name, "cross-calm"),
        lambda: beside_good.get(name),
        lambda: beside_good.delete(name),
        lambda: beside_good.restore(name),
        lambda: beside_good.rename("good", name),
        lambda: beside_good.duplicate("good", name),
        lambda: beside_good.update(name, template(name), expected_hash=""),
    ]
    for act in acts:
        with pytest.raises(ConfigError):
            act()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_j12_the_settings_file_is_its_owners_alone(
    manager: StrategyManager, indicators: IndicatorManager, home: Path
) -> None:
    from stratkernel_config.project import make_home

    make_home(home, (manager, indicators))
    assert stat.S_IMODE((home / "settings.json").stat().st_mode) == 0o600


def mutated(name: str, chance: random.Random) -> bytes:
    """A document or a part of one with something done to it."""
    hostile: list[Any] = [
        None, True, -1, 0, 1e308, 10**30, "", "../x", "\u202e", "a" * 200, [], {}, [[]], {"a": {}}, "cross",
    ]  # fmt: skip
    raw: Any = template(
        name, timeframe="1h", tags=["x"], gaps={"policy": "fill"}, requires={"acme-cross": ">=1"}
    )
    for _ in range(chance.randint(0, 3)):
        place = chance.choice([raw, raw["parameters"] if isinstance(raw.get("parameters"), dict) else raw])
        key = chance.choice([*place, "fast", "level", "\u0000", "schema_version", "extra_timeframes"])
        place[key] = deepcopy(chance.choice(hostile))
        if chance.random() < 0.2:
            place.pop(chance.choice(list(place)), None)
    data = bytearray(json.dumps(raw).encode())
    for _ in range(chance.choice([0, 0, 0, 1, 1, 3])):
        start = chance.randrange(len(data))
        snippet = chance.choice(
            [b"", b"\xff", b"{", b"]", b'"', b"NaN", b"1e999", b"\\ud800", b",", data[:40]]
        )
        data[start : start + chance.randint(0, 9)] = snippet
    return bytes(data)


@settings(max_examples=FUZZED // BATCH, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**63))
def test_ten_thousand_fuzzed_documents_and_bundles_give_a_result_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret depends on it
    home = tmp_path_factory.mktemp("fuzz") / "home"
    managers = StrategyManager(home, made_catalogue()), IndicatorManager(home, made_catalogue())
    folder = folder_of(home)
    for number in range(BATCH):
        data = mutated(f"d{number}", chance)
        (folder / f"d{number}.json").write_bytes(data)
        if number % 4 == 0:
            _import_fuzzed(home.parent / "bundle.json", data, managers, dry_run=number % 20 > 0)
    listed = managers[0].list()
    assert all(each.valid != bool(each.errors) for each in listed)
    assert {each.valid for each in listed} == {True, False}
    assert {path.name for path in home.parent.iterdir()} <= {"home", "bundle.json"}


def _import_fuzzed(path: Path, document: bytes, managers: Any, *, dry_run: bool) -> None:
    """The document in a bundle whose hash is right, where it is JSON at all."""
    try:
        bundle = {"bundle_version": 1, "strategies": [parse_json(document, "x")]}
        path.write_bytes(json.dumps({**bundle, "hash": bundle_hash(bundle)}).encode())
    except ConfigError:
        path.write_bytes(document)
    with suppress(ConfigError):
        import_bundle(path, managers, collision="rename", dry_run=dry_run)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_dump_json_is_read_back_as_it_was(value: Any) -> None:
    assert parse_json(dump_json(value), "made") == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_parse_json_of_any_bytes_is_a_value_or_a_document_error(data: bytes) -> None:
    with suppress(DocumentError):
        assert parse_json(data, "made") == json.loads(data.decode("utf-8-sig"))  # noqa: TID251 - the peer


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*template(), "gaps", "tags", "requires", "extra_timeframes"]), JSON))
def test_any_values_of_known_keys_are_valid_or_a_document_error(change: dict[str, Any]) -> None:
    from stratkernel_config.checking import check_document
    from stratkernel_config.models import StrategyDocument

    raw = {**template(), **change}
    with suppress(DocumentError):
        checked = check_document(StrategyDocument, raw, "made", made_catalogue())
        assert checked.document.name == raw["name"]
