"""Which source reads what: schemes, suffixes, and plugins that claim the same."""

from typing import Any

import pytest

from plugin_modules import giving
from stratkernel import DataSource, Kernel, PluginContractError, RawCandles, SourceRequest, UsageError
from stratkernel.engine.candle_source import source_for
from stratkernel.kernel.errors import AmbiguousNameError
from stratkernel.kernel.kinds import DATA_SOURCE


def source(name: str, **attributes: Any) -> type[DataSource]:
    def load(self: DataSource, request: SourceRequest) -> RawCandles:
        raise AssertionError("only chosen, never asked")

    return type(name.title(), (DataSource,), {"name": name, "load": load, **attributes})


def kernel_with(*sources: type[DataSource], distribution: str = "acme") -> Kernel:
    kernel = Kernel(discover=False)
    for each in sources:
        kernel.register(giving(DATA_SOURCE, [each]), each.name, distribution=f"{distribution}-{each.name}")
    return kernel


def test_source_is_chosen_by_scheme_or_longest_suffix() -> None:
    kernel = kernel_with(
        source("feed", schemes=("feed",)),
        source("zipped", suffixes=(".csv.gz",)),
        source("any_gz", suffixes=(".gz",)),
    )
    assert source_for(kernel, "feed://x.csv.gz").name == "feed"
    assert source_for(kernel, "A.CSV.GZ").name == "zipped"
    assert source_for(kernel, "a.gz").name == "any_gz"


def test_source_that_two_plugins_claim_is_ambiguous_and_names_both() -> None:
    kernel = kernel_with(source("one", suffixes=(".x",)), source("two", suffixes=(".x",)))
    with pytest.raises(
        AmbiguousNameError, match=r"'one' \(acme-one 0\) and data source 'two' \(acme-two 0\)"
    ):
        source_for(kernel, "a.x")


def test_p12_suffix_of_stratkernel_itself_cannot_be_taken_over(kernel: Kernel) -> None:
    taken = Kernel()
    taken.register(giving(DATA_SOURCE, [source("aaa", suffixes=(".csv",))]), "aaa", distribution="acme")
    assert source_for(taken, "a.csv").record.distribution == "stratkernel"


def test_source_with_suffixes_that_are_no_tuple_is_named() -> None:
    kernel = kernel_with(source("listing", suffixes=[".foo"]))
    with pytest.raises(PluginContractError, match=r"data source 'listing' .* expected a tuple of texts"):
        source_for(kernel, "a.csv")


def test_location_that_nobody_reads_says_what_is_read() -> None:
    kernel = kernel_with(source("feed", schemes=("feed",), suffixes=(".x",)))
    with pytest.raises(UsageError, match=r"expected one of: \.x, feed://"):
        source_for(kernel, "a.csv")
