"""What a command printed, read back."""

from typing import Any

from stratkernel_config.documents import parse_json


def as_json(outcome: Any) -> Any:
    assert outcome.code == 0, outcome.err
    return parse_json(outcome.out.encode(), "stdout")
