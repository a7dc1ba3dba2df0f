"""What configuration learns of the installed strategies and indicators."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from plugin_modules import PlainStrategy, giving
from stratkernel import Kernel, PluginSelection
from stratkernel.engine.catalogue import KernelCatalogue
from stratkernel.kernel.kinds import STRATEGY
from stratkernel_config.checking import check_document
from stratkernel_config.errors import CatalogueError
from stratkernel_config.models import IndicatorDocument, StrategyDocument
from stratkernel_config.templates import collect_templates


@pytest.fixture(scope="module")
def catalogue(kernel: Kernel) -> KernelCatalogue:
    return KernelCatalogue(kernel)


def with_strategies(*classes: type) -> KernelCatalogue:
    kernel = Kernel(discover=False)
    kernel.register(giving(STRATEGY, list(classes)), "made", distribution="acme-made", version="3.1")
    return KernelCatalogue(kernel)


@pytest.mark.parametrize("name", ["ema_crossover", "stratkernel-ema:ema_crossover"])
def test_find_gives_one_by_its_bare_or_qualified_name(catalogue: KernelCatalogue, name: str) -> None:
    found = catalogue.find("strategy", name)
    assert (found.qualified, found.distribution) == ("stratkernel-ema:ema_crossover", "stratkernel-ema")
    filled = {"fast_period": 3, "slow_period": 26, "allow_short": False}
    assert found.fill({"fast_period": 3}) == {**filled, "trend_timeframe": None, "trend_period": None}


def test_find_of_an_unknown_name_is_a_catalogue_error(catalogue: KernelCatalogue) -> None:
    with pytest.raises(CatalogueError, match=r"unknown strategy 'emma_crossover'\. Did you mean"):
        catalogue.find("strategy", "emma_crossover")


def test_fill_raises_what_the_plugins_model_says(catalogue: KernelCatalogue) -> None:
    with pytest.raises(ValidationError, match="fast_period must be smaller than slow_period"):
        catalogue.find("strategy", "ema_crossover").fill({"fast_period": 30})


@pytest.mark.parametrize("plugin", ["ema_crossover", "rsi", "macd"])
def test_built_in_strategies_have_two_valid_templates_each(catalogue: KernelCatalogue, plugin: str) -> None:
    found = [each for each in collect_templates(StrategyDocument, catalogue) if each.installed.name == plugin]
    assert len(found) >= 2
    for each in found:
        assert each.checked is not None, each.errors
        assert each.checked.document.description
        assert each.checked.document.timeframe is None


def test_built_in_indicators_have_valid_templates(catalogue: KernelCatalogue) -> None:
    found = collect_templates(IndicatorDocument, catalogue)
    assert {each.installed.name for each in found} == {"ema", "macd", "rsi"}
    assert all(each.checked for each in found)


def test_needs_names_the_distributions_of_the_indicators_too(catalogue: KernelCatalogue) -> None:
    needs = catalogue.find("strategy", "ema_crossover").needs({})
    assert set(needs) == {"stratkernel", "stratkernel-ema"}


def test_version_of_knows_plugins_and_other_distributions(catalogue: KernelCatalogue) -> None:
    assert catalogue.version_of("Stratkernel_EMA") == catalogue.version_of("stratkernel-ema") == "0.1.0"
    assert catalogue.version_of("pydantic") is not None
    assert catalogue.version_of("acme-nothing") is None
    assert catalogue.version_of("") is None


def test_strategy_without_templates_has_none() -> None:
    assert with_strategies(PlainStrategy).find("strategy", "plain").templates() == []


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3), KeyError()])
def test_failing_plugin_is_a_catalogue_error_that_names_it(error: BaseException) -> None:
    class Broken(PlainStrategy):
        name = "broken"

        @classmethod
        def templates(cls) -> Any:
            raise error

        def get_required_indicators(self) -> Any:
            raise error

    item = with_strategies(Broken).find("strategy", "broken")
    for act in (item.templates, lambda: item.needs({})):
        with pytest.raises(CatalogueError, match=r"strategy 'broken' \(acme-made 3\.1\) failed"):
            act()


def test_templates_that_a_class_gives_itself_are_taken() -> None:
    class Own(PlainStrategy):
        name = "own"

        @classmethod
        def templates(cls) -> Any:
            return [{"schema_version": 2, "name": "own-one", "strategy": "own"}]

    (found,) = collect_templates(StrategyDocument, with_strategies(Own))
    assert found.checked is not None
    assert found.qualified == "acme-made:own-one"


def test_preferred_distribution_is_what_an_ambiguous_name_means() -> None:
    class Other(PlainStrategy):
        pass

    def made(**preferred: str) -> KernelCatalogue:
        kernel = Kernel(PluginSelection(preferred=preferred), discover=False)
        for name, cls in (("one", PlainStrategy), ("two", Other)):
            kernel.register(giving(STRATEGY, [cls]), name, distribution=f"acme-{name}")
        return KernelCatalogue(kernel)

    assert made(plain="Acme_Two").find("strategy", "plain").distribution == "acme-two"
    for preferred in ({}, {"plain": "acme-three"}, {"other": "acme-two"}):
        with pytest.raises(CatalogueError, match="is provided by"):
            made(**preferred).find("strategy", "plain")


def test_document_of_a_real_strategy_is_checked_against_its_own_parameters(
    catalogue: KernelCatalogue,
) -> None:
    raw = {"schema_version": 2, "name": "a", "strategy": "rsi", "parameters": {"oversold": 20.0}}
    assert check_document(StrategyDocument, raw, "a", catalogue).parameters["oversold"] == 20.0


def test_example_plugin_brings_a_valid_template(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(repository / "examples" / "stratkernel-donchian")
    kernel = Kernel(discover=False)
    kernel.register(import_module("stratkernel_donchian"), "donchian", distribution="stratkernel-donchian")
    (found,) = collect_templates(StrategyDocument, KernelCatalogue(kernel))
    assert found.checked is not None, found.errors
    assert found.name == "donchian-turtle"
    assert found.checked.parameters == {"period": 55}
