"""Open times that are written out: which form they have, and what they mean."""

import re
from typing import Any, Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.source import UNREADABLE_TIME
from stratkernel.kernel.errors import DataError
from stratkernel.sources.instants import (
    DATES_NOTE,
    TimeContext,
    Times,
    epoch_times,
    from_ticks,
    naive_times,
)
from stratkernel.sources.numbers import KEPT_TEXTS, as_array

_DATE: Final = r"[0-9]{4}[-/](0[1-9]|1[0-2])[-/](0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)?"
_ZONE: Final = r" ?(Z|z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)"
_FORMS: Final = {
    "date": f"^{_DATE}$",
    "naive": f"^{_DATE}[Tt ]{_CLOCK}$",
    "aware": f"^{_DATE}[Tt ]{_CLOCK}{_ZONE}$",
    "twelve": f"^{_DATE} (0[1-9]|1[0-2])-[AP]M$",
    "number": r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$",
}
_COMPACT_DATE: Final = r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$"
_DATE_WIDTH: Final = len("2024-01-31")
_SHORTEST_STAY: Final = 60 * 86_400_000_000
"""Clocks change twice a year; offsets that change more often are a mixture."""


def read_text_times(column: Any, context: TimeContext) -> Times:
    """A string column of dates, date-times with or without zone, or epochs; one form in all rows.

    Raises:
        UsageError: see `naive_times`.
        DataError: most of it are no times, or the forms or the zones are mixed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    quick = _all_alike(column, context)
    if quick is not None:
        return quick
    text = pc.utf8_trim_whitespace(column)
    if pc.all(pc.match_substring_regex(text, _COMPACT_DATE)).as_py():
        text = pc.replace_substring_regex(text, r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3")
    forms = {name: _matches(text, regex) for name, regex in _FORMS.items()}
    counts = {name: int(np.count_nonzero(mask)) for name, mask in forms.items()}
    if sum(counts.values()) * 2 <= len(text):
        raise DataError(_unreadable(column, forms, context))
    present = [name for name, count in counts.items() if count]
    if "number" in present and counts["number"] * 2 < sum(counts.values()):
        present.remove("number")  # a stray number among dates is damage, not another way to write them
    if len(present) > 1:
        raise DataError(_mixture(column, {name: forms[name] for name in present}, context))
    form = present[0]
    rows = np.flatnonzero(forms[form])
    line = context.line[rows]
    part = text.filter(pa.array(forms[form])) if len(rows) < len(text) else text
    inner = TimeContext(context.where, line, context.tz, context.layout_tz, context.unit)
    times = _read_form(form, part, inner)
    micros = np.full(len(text), UNREADABLE_TIME, dtype=np.int64)
    micros[rows] = times.micros
    lost = np.flatnonzero(micros == UNREADABLE_TIME)[:KEPT_TEXTS].tolist()
    texts = {row: column[row].as_py() or "" for row in lost}
    return Times(micros, texts, times.notes, times.local)


def _all_alike(column: Any, context: TimeContext) -> Times | None:
    """The common case, by arrow's own strict parsers, which are ten times as fast as telling forms apart."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = column[0].as_py() if len(column) and not column.null_count else ""
    form = next((name for name, regex in _FORMS.items() if re.match(regex, first)), "")
    if not form or re.match(_COMPACT_DATE, first):
        return None
    try:
        if form == "number":
            return epoch_times(column.cast(pa.int64()), context)
        ending = "Z" if first.endswith("Z") else first[-6:]
        if form == "aware" and pc.all(pc.ends_with(column, ending)).as_py():
            ticks = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            return Times(from_ticks(ticks, 1), {}, (_zone_note(ending),))
        shortest, longest = pc.min_max(pc.binary_length(column)).as_py().values()
        if form in {"date", "naive"}:
            micros = from_ticks(column.cast(pa.timestamp("us")).cast(pa.int64()), 1)
            if longest == _DATE_WIDTH:
                return Times(micros, {}, (DATES_NOTE,))
            if shortest > _DATE_WIDTH:
                return naive_times(micros, lambda row: str(column[row].as_py()), context)
    except pa.ArrowInvalid:
        pass
    return None


def _zone_note(offset: str) -> str:
    return f"times: with the zone {'UTC' if offset in {'Z', '+00:00'} else offset}"


def _matches(text: Any, regex: str) -> BoolArray:
    import pyarrow.compute as pc

    mask: BoolArray = as_array(pc.match_substring_regex(text, regex).fill_null(False))  # noqa: FBT003 - pyarrow's
    return mask


def _read_form(form: str, text: Any, context: TimeContext) -> Times:
    import pyarrow as pa
    import pyarrow.compute as pc

    if form == "number":
        # most epochs are whole: exact as int64, which float64 is not for nanoseconds
        try:
            values = text.cast(pa.int64())
        except pa.ArrowInvalid:
            values = text.cast(pa.float64())
        return epoch_times(values, context)
    if form == "twelve":
        return naive_times(_parse_twelve(text), lambda row: str(text[row].as_py()), context)
    iso = pc.replace_substring_regex(pc.replace_substring(text, "/", "-"), "[Tt]([0-9])", r" \1")
    iso = pc.replace_substring(iso, ",", ".")
    if form == "date":
        return Times(_parse_iso(iso), {}, (DATES_NOTE,))
    if form == "naive":
        return naive_times(_parse_iso(iso), lambda row: str(text[row].as_py()), context)
    return _aware(iso, text, context)


def _parse_iso(text: Any, *, aware: bool = False) -> IntArray:
    """Microseconds; `UNREADABLE_TIME` for days that no month has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # seven and more digits of a second are cut, not refused
    text = pc.replace_substring_regex(text, r"(\.[0-9]{6})[0-9]+", r"\1")
    try:
        found = text.cast(pa.timestamp("us", "UTC" if aware else None))
        return from_ticks(found.cast(pa.int64()), 1)
    except pa.ArrowInvalid:
        import pandas as pd

        parsed = pd.to_datetime(pd.Series(text.to_pylist()), errors="coerce", utc=True, format="ISO8601")
        # NaT is the same number as UNREADABLE_TIME
        return np.array(pd.DatetimeIndex(parsed).as_unit("us").asi8, dtype=np.int64)


def _parse_twelve(text: Any) -> IntArray:
    import pandas as pd

    parsed = pd.to_datetime(pd.Series(text.to_pylist()), errors="coerce", format="%Y-%m-%d %I-%p")
    return np.array(pd.DatetimeIndex(parsed).as_unit("us").asi8, dtype=np.int64)


def _aware(iso: Any, text: Any, context: TimeContext) -> Times:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.replace_substring_regex(iso, " ?(Z|z|UTC|GMT)$", "+00:00")
    plain = pc.replace_substring_regex(plain, " ?([+-][0-9]{2}):?([0-9]{2})?$", r"\1:\2")
    plain = pc.replace_substring_regex(plain, ":$", ":00")
    micros = _parse_iso(plain, aware=True)
    offsets = pc.utf8_slice_codeunits(plain, -6)
    different = pc.unique(offsets).to_pylist()
    if len(different) == 1:
        return Times(micros, {}, (_zone_note(different[0]),))
    codes = as_array(pc.index_in(offsets, value_set=pc.unique(offsets)).cast(pa.int64()))
    changes = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    span = int(abs(int(micros[-1]) - int(micros[0])))
    if len(different) > 2 or len(changes) > 1 + span // _SHORTEST_STAY or not _summer_time(different):
        row = int(changes[0])
        raise DataError(
            f"{context.where}: mixes time zones: line {context.line[row - 1]} has {text[row - 1]}, "
            f"line {context.line[row]} has {text[row]}; write all times in UTC"
        )
    return Times(micros, {}, (f"times: with the zones {' and '.join(different)} (summer time)",))


def _summer_time(offsets: list[str]) -> bool:
    minutes = [int(text[0] + "1") * (int(text[1:3]) * 60 + int(text[4:6])) for text in offsets]
    return max(minutes) - min(minutes) in {30, 60}


def _unreadable(column: Any, forms: dict[str, BoolArray], context: TimeContext) -> str:
    row = int(np.flatnonzero(~np.logical_or.reduce(list(forms.values())))[0])
    return (
        f"{context.where}: line {context.line[row]}: {column[row].as_py()!r:.80} is no open time; "
        "expected ISO 8601 (2024-01-31T00:00:00Z), a date (2024-01-31) or an epoch"
    )


def _mixture(column: Any, forms: dict[str, BoolArray], context: TimeContext) -> str:
    names = {
        "date": "bare dates",
        "naive": "date-times without zone",
        "aware": "date-times with zone",
        "twelve": "12-hour times",
        "number": "epochs",
    }
    examples = [(int(np.flatnonzero(mask)[0]), names[name]) for name, mask in forms.items()]
    found = " and ".join(
        f"{name} (line {context.line[row]}: {column[row].as_py().strip():.40})"
        for row, name in sorted(examples)
    )
    return f"{context.where}: mixes {found}; write all times in one form, best in UTC"
