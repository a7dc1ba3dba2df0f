"""Candles out of a source: read by whoever reads the location, admitted by the gate."""

from datetime import datetime

from stratkernel.contracts.admission import BadCandles, admit
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.source import RawCandles, SourceRequest
from stratkernel.engine.candle_source import source_for
from stratkernel.kernel.errors import PluginContractError, StratkernelError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.manager import Kernel


def load_source(
    kernel: Kernel,
    request: SourceRequest,
    *,
    now: datetime,
    policy: BadCandles = BadCandles.REJECT,
    calendar: Calendar | None = None,
) -> tuple[Candles, RawCandles]:
    """Admitted candles of a file or another source, and what it gave.

    Candles that are still open at `now` are left out.

    Raises:
        UsageError: no source reads the location, or something must be said that cannot be inferred.
        DataError: it cannot be read, or has bad candles.
        PluginError: the source failed, or gave something else than raw candles.
    """
    item = source_for(kernel, request.location)
    with guard(item.title, f"to read {request.location}", passing=StratkernelError):
        raw = item.cls().load(request)
    if not isinstance(raw, RawCandles):
        raise PluginContractError(f"{item.title} gave {type(raw).__name__}, expected RawCandles")
    return admit(raw, policy=policy, now=now, calendar=calendar), raw
