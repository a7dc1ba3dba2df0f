"""Which symbol a file is of, and which of its rows."""

import re
from typing import Any, Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray
from stratkernel.kernel.errors import UsageError, did_you_mean
from stratkernel.sources.numbers import as_array

_LISTED: Final = 20


def choose_symbol(
    column: Any | None, wanted: str | None, stem: str, where: str
) -> tuple[str, BoolArray | None, str]:
    """The symbol, a mask of its rows (`None`: all), and a note on where the name comes from.

    Spelling is forgiven: BTC/USD, btcusd and BTC-USD are one symbol; the user's spelling wins.

    Raises:
        UsageError: several symbols and none wanted, or one that the file does not hold.
    """
    if column is None:
        if wanted:
            return wanted, None, f"symbol {wanted} (given)"
        return stem, None, f"symbol {stem} (the file's name; --symbol overrides)"
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    there = [name for name in pc.unique(texts).to_pylist() if name]
    if not there:
        return choose_symbol(None, wanted, stem, where)
    if wanted is None:
        if len(there) > 1:
            raise UsageError(
                f"{where}: holds {len(there):,} symbols; choose one with --symbol: {_listed(there)}"
            )
        return there[0], None, f"symbol {there[0]} (from the file)"
    same = [name for name in there if name == wanted] or [
        name for name in there if _bare(name) == _bare(wanted)
    ]
    if len(same) != 1:
        raise UsageError(
            f"{where}: holds no symbol {wanted!r}.{did_you_mean(wanted, there)} It holds: {_listed(there)}"
        )
    if len(there) == 1:
        return wanted, None, f"symbol {wanted} (given)"
    mask = np.asarray(as_array(pc.equal(texts, same[0]).fill_null(False)), dtype=np.bool_)  # noqa: FBT003 - pyarrow's
    return wanted, mask, f"symbol {wanted} (one of {len(there):,} in the file)"


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
