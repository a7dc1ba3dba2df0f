"""The strategy that a command is given: an installed one, a document of the user's, a document's path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.engine.factory import StrategyFactory
from stratkernel.engine.gaps import GapPolicy
from stratkernel.kernel.errors import UnknownNameError, UsageError, did_you_mean
from stratkernel.kernel.kinds import STRATEGY
from stratkernel.kernel.registry import Item
from stratkernel_config.models import Gaps

if TYPE_CHECKING:
    from stratkernel.kernel.manager import Kernel
    from stratkernel_config.checking import Checked
    from stratkernel_config.models import StrategyDocument


@dataclass(frozen=True, slots=True)
class ChosenStrategy:
    """A strategy that is ready to run, and what its document says of candles."""

    strategy: BaseStrategy[Any]
    timeframe: str | None = None
    gaps: GapPolicy = "continue"
    max_gap: int = 0
    extra_timeframes: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, Any] = field(default_factory=dict)


def is_path(text: str) -> bool:
    """Whether this is a path rather than a name: it has a separator, or ends with `.json`."""
    return text.endswith(".json") or "/" in text or "\\" in text


def choose_strategy(kernel: "Kernel", text: str, parameters: Mapping[str, Any]) -> ChosenStrategy:
    """Find the strategy that a user named; `parameters` beat those of a document.

    Raises:
        UnknownNameError: neither an installed strategy nor a document is called so.
        UsageError: both are, or the document cannot be used here.
        DocumentError: the document is not valid; everything that is wrong with it.
    """
    checked = _document(kernel, text)
    if checked is None:
        return ChosenStrategy(StrategyFactory(kernel).create(text, parameters))
    document = checked.document
    strategy = StrategyFactory(kernel).create(
        checked.installed.qualified, {**document.parameters, **parameters}, strategy_name=document.name
    )
    gaps = document.gaps or Gaps()
    return ChosenStrategy(
        strategy,
        document.timeframe,
        gaps.policy,
        gaps.max_gap,
        document.timeframe_sources,
        {} if document.exits is None else document.exits.model_dump(exclude_none=True),
    )


def strategy_item(kernel: "Kernel", text: str) -> Item:
    """The installed strategy that a name or a document stands for; raises as `choose_strategy` does."""
    checked = _document(kernel, text)
    return kernel.resolve(STRATEGY, text if checked is None else checked.installed.qualified)


def _document(kernel: "Kernel", text: str) -> "Checked[StrategyDocument] | None":
    """The document that is meant, or `None` where an installed strategy is."""
    from stratkernel.cli.config_support import managers_of

    if ":" in text and not is_path(text):
        return None  # a qualified name
    manager = managers_of(kernel)["strategy"]
    if is_path(text):
        return manager.load(Path(text))
    names = manager.store.names()
    installed = {item.name for item in kernel.items(STRATEGY)}
    if text in names and text in installed:
        raise UsageError(
            f"{text!r} is an installed strategy and a document of yours; "
            f"say {kernel.resolve(STRATEGY, text).qualified!r} or {str(manager.store.path(text))!r}"
        )
    if text in names:
        return manager.get(text).checked
    if text not in installed and names:
        try:
            kernel.resolve(STRATEGY, text)
        except UnknownNameError as error:
            hint = did_you_mean(text, names)
            raise UnknownNameError(f"{error}{hint} Your documents: {', '.join(names)}.") from None
    return None
