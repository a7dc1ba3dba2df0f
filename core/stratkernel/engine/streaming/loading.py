"""Candles of a source in chunks: read by whoever reads the location, admitted by the gate."""

from datetime import datetime
from pathlib import Path

from stratkernel.contracts.admission_report import BadCandles
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.source import RawChunks, SourceRequest
from stratkernel.engine.candle_source import source_for
from stratkernel.engine.streaming.chunks import CHUNK_ROWS, check_rows
from stratkernel.engine.streaming.gate import AdmittedChunks
from stratkernel.kernel.errors import PluginContractError, StratkernelError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.manager import Kernel

_DATASET = ".parquet"


def load_chunks(
    kernel: Kernel,
    request: SourceRequest,
    *,
    now: datetime,
    rows: int = CHUNK_ROWS,
    policy: BadCandles = BadCandles.REJECT,
    calendar: Calendar | None = None,
) -> AdmittedChunks:
    """The candles of a Parquet file, of a folder of such files or of another source that reads in parts.

    Raises:
        UsageError: no source reads the location in parts, or something must be said that it cannot infer.
        DataError: it cannot be read.
        PluginError: the source failed, or gave something else than parts.
    """
    check_rows(rows)
    location = request.location
    folder = "://" not in location and Path(location).expanduser().is_dir()
    item = source_for(kernel, location + _DATASET if folder else location)
    with guard(item.title, f"to read {location}", passing=StratkernelError):
        raw = item.cls().chunks(request, rows)
    if not isinstance(raw, RawChunks):
        raise PluginContractError(f"{item.title} gave {type(raw).__name__}, expected RawChunks")
    return AdmittedChunks(raw, policy=policy, now=now, calendar=calendar)
