"""The built-in plugin `sources`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratkernel.kernel.markers import hookimpl

if TYPE_CHECKING:
    from stratkernel.contracts.source import DataSource


@hookimpl
def stratkernel_data_sources() -> Iterable[type["DataSource"]]:
    from stratkernel.sources.candle_file import CandleFileSource

    return [CandleFileSource]
