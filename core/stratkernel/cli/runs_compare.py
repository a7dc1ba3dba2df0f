"""`stratkernel runs compare`: what two stored runs have in common, and where they differ."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.config_support import add_json, print_json, print_table
from stratkernel.cli.session import open_kernel

if TYPE_CHECKING:
    from stratkernel.contracts.stored import RunRecord, StoredSignals

_SHOWN: Final = 20
_PROVENANCE: Final = (
    *("strategy", "strategy_name", "parameters", "venue", "symbol", "timeframe", "origin", "first", "last"),
    *("candles", "gaps", "extra_timeframes", "exits", "costs", "plugins", "engine_version", "data_hash"),
    *("kind", "status", "error"),
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    from stratkernel.cli.run_argument import HELP

    parser.add_argument("first", metavar="A", help=HELP)
    parser.add_argument("second", metavar="B", help="another one")
    add_json(parser, "one JSON object")
    add_database_argument(parser)


def compare(arguments: argparse.Namespace) -> int:
    """Compare two stored runs: what they differ in, their metrics, the signals that only one of them has."""
    from stratkernel.cli.database import database_of
    from stratkernel.cli.run_argument import find_run
    from stratkernel.contracts.stored import SignalQuery

    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        runs = database.storage.strategies
        one, other = (find_run(runs, name) for name in (arguments.first, arguments.second))
        signals = [runs.signals(SignalQuery(run_ids=(record.run_id,))) for record in (one, other)]
    difference = compare_signals(*signals)
    if arguments.json:
        print_json(_document(one, other, difference))
    else:
        _print(one, other, difference)
    return 0


@dataclass(frozen=True, slots=True)
class SignalDifference:
    """Signals of two runs by time and type: how many are equal, which only one has, which differ."""

    equal: int
    only_a: list[dict[str, Any]]
    only_b: list[dict[str, Any]]
    differing: list[dict[str, Any]]


def compare_signals(a: "StoredSignals", b: "StoredSignals") -> SignalDifference:
    """Match the current signals of two runs by time and type."""
    ours, theirs = _by_key(a), _by_key(b)
    both = [key for key in ours if key in theirs]
    return SignalDifference(
        equal=sum(ours[key] == theirs[key] for key in both),
        only_a=[_signal(key, ours[key]) for key in ours if key not in theirs],
        only_b=[_signal(key, theirs[key]) for key in theirs if key not in ours],
        differing=[
            {**_named(key), "a": _values(ours[key]), "b": _values(theirs[key])}
            for key in both
            if ours[key] != theirs[key]
        ],
    )


_Key = tuple[int, int]
_Value = tuple[float, float]


def _by_key(signals: "StoredSignals") -> dict[_Key, _Value]:
    keys = zip(signals.timestamp.tolist(), signals.types.tolist(), strict=True)
    values = zip(signals.price.tolist(), signals.confidence.tolist(), strict=True)
    return dict(zip(keys, values, strict=True))


def _named(key: _Key) -> dict[str, Any]:
    from stratkernel.contracts.signals import SignalType
    from stratkernel.contracts.timeframes import iso

    return {"timestamp": iso(key[0]), "type": SignalType(key[1]).name}


def _values(value: _Value) -> dict[str, float]:
    return {"price": value[0], "confidence": value[1]}


def _signal(key: _Key, value: _Value) -> dict[str, Any]:
    return {**_named(key), **_values(value)}


def _document(one: "RunRecord", other: "RunRecord", difference: SignalDifference) -> dict[str, Any]:
    from stratkernel.cli.run_views import run_dict

    a, b = run_dict(one), run_dict(other)
    return {
        "a": a["run_id"],
        "b": b["run_id"],
        "differences": {name: {"a": a[name], "b": b[name]} for name in _PROVENANCE if a[name] != b[name]},
        "metrics": {
            name: {"a": x, "b": y, "difference": None if x is None or y is None else y - x}
            for name, x, y in _side_by_side(one.metrics, other.metrics)
        },
        "signals": {
            "equal": difference.equal,
            "only_a": difference.only_a,
            "only_b": difference.only_b,
            "differing": difference.differing,
        },
    }


def _side_by_side(
    a: Mapping[str, float | int | None], b: Mapping[str, float | int | None]
) -> Iterator[tuple[str, float | int | None, float | int | None]]:
    for name in dict.fromkeys([*a, *b]):
        yield name, a.get(name), b.get(name)


def _print(one: "RunRecord", other: "RunRecord", difference: SignalDifference) -> None:
    from stratkernel.cli.run_output import format_metric
    from stratkernel.cli.run_saving import short_id
    from stratkernel.cli.run_views import run_dict

    a, b = run_dict(one), run_dict(other)
    heading = ("", f"A {short_id(one)}", f"B {short_id(other)}")
    rows = [row for name in _PROVENANCE for row in _differences(name.replace("_", " "), a[name], b[name])]
    print_table(heading, rows or [("all that decides them", "is", "the same")])
    print()
    metrics = list(_side_by_side(one.metrics, other.metrics))
    print_table(
        ("METRIC", *heading[1:]),
        [(name.replace("_", " "), format_metric(name, x), format_metric(name, y)) for name, x, y in metrics],
    )
    print(f"\n{difference.equal:,} signals are the same")
    _print_signals("only in A", difference.only_a)
    _print_signals("only in B", difference.only_b)
    _print_signals("in both, with another price or confidence", difference.differing)


def _differences(name: str, a: Any, b: Any) -> Iterator[tuple[str, str, str]]:
    """A row where two values differ; of objects a row for each entry that does."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys([*a, *b]):
            yield from _differences(f"{name} {key}", a.get(key), b.get(key))
    elif a != b:
        yield name, _cell(a), _cell(b)


def _cell(value: Any) -> str:
    text = "-" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def _print_signals(what: str, signals: list[dict[str, Any]]) -> None:
    print(f"{len(signals):,} {what}")
    for signal in signals[:_SHOWN]:
        values = signal.get("a", signal)
        line = f"    {signal['timestamp']}  {signal['type']:<11}  {_priced(values)}"
        print(line + (f"  against  {_priced(signal['b'])}" if "b" in signal else ""))
    if len(signals) > _SHOWN:
        print(f"    and {len(signals) - _SHOWN:,} more; --json lists all")


def _priced(values: dict[str, float]) -> str:
    return f"price {values['price']:.10g}  confidence {values['confidence']:.2f}"


COMMANDS: Final = {"compare": (_arguments, compare)}
