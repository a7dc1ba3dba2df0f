"""The strict JSON loader."""

from pathlib import Path

import pytest

from stratkernel_config.documents import MAX_BYTES, MAX_DEPTH, MAX_KEYS, load_json, parse_json
from stratkernel_config.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, 2.5, "x", true, null]}', {"a": [1, 2.5, "x", True, None]}),
        (b"\xef\xbb\xbf{}", {}),
        ('"\u00e9\U0001f600"'.encode(), "\u00e9\U0001f600"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"12345678901234567890", 12345678901234567890),
    ],
)
def test_parse_json_gives_the_value(text: bytes, value: object) -> None:
    assert parse_json(text, "made") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "made:1:1: expected value, got the end"),
        (b'{"a": 1,}', "made:1:"),
        (b'{\n  "a": ?\n}', "made:2:8: expected value, got '?'"),
        (b"{} {}", "made:1:4: expected valid JSON (Extra data), got"),
        (b'{"a": 1, "a": 2}', "made:1:10: expected each key once in an object, got 'a' twice"),
        (
            b'[{"a": 1, "b": {"c": 1, "c": 1}}]',
            "made:1:25: expected each key once in an object, got 'c' twice",
        ),
        (b"[NaN]", "made:1:2: expected a number, got NaN"),
        (b"[-Infinity]", "made:1:2: expected a number, got -Infinity"),
        (b"[1e400]", "made:1:2: expected a number below 1.8e308, got 1e400"),
        (
            b"\xff\xfe{}",
            "made: expected UTF-8; save the file as UTF-8, got another encoding (byte 0 is not UTF-8)",
        ),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8)"),
        (b'["\\ud800"]', "made: expected text, got a lone surrogate"),
        (b'{"\\udfff": 1}', "made: expected text, got a lone surrogate"),
        (b"1" * 5000, "made: "),
    ],
)
def test_parse_json_refuses_what_is_not_strict(text: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_json(text, "made")
    assert said in str(refused.value)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_parse_json_refuses_deep_nesting(opening: bytes, closing: bytes) -> None:
    deepest = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
    assert parse_json(deepest, "made")
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(
            ConfigError, match=f"made: expected at most {MAX_DEPTH} levels of nesting, got more"
        ):
            parse_json(opening * depth + b"1" + closing * depth, "made")


def test_parse_json_refuses_too_many_keys() -> None:
    def with_keys(count: int) -> bytes:
        return b"{" + b",".join(b'"k%d":1' % number for number in range(count)) + b"}"

    assert len(parse_json(with_keys(MAX_KEYS), "made")) == MAX_KEYS
    with pytest.raises(ConfigError, match="expected at most 10,000 keys, got more"):
        parse_json(with_keys(MAX_KEYS + 1), "made")


def test_load_json_refuses_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b'"' + b"x" * MAX_BYTES + b'"')
    with pytest.raises(ConfigError, match="expected at most 1,048,576 bytes, got more"):
        load_json(path)


def test_load_json_names_file_and_place(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"a": 1\n"b": 2}', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_json(path)
    assert str(refused.value).startswith(f"{path}:2:1: expected ',' delimiter")


@pytest.mark.parametrize("kind", ["absent", "folder", "loop"])
def test_load_json_of_what_cannot_be_read_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    with pytest.raises(ConfigError, match=r"x\.json: cannot be read: "):
        load_json(path)
