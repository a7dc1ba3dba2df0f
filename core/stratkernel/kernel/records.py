"""What is known of each plugin that was found, whether it works or not."""

from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint
from types import ModuleType

from stratkernel.kernel.errors import describe


class PluginState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    FAILED = "failed"
    INCOMPATIBLE = "incompatible"
    CONFLICT = "conflict"


@dataclass(slots=True)
class PluginRecord:
    """One entry point: who ships it, its state, what it provides, why it does not work.

    `provides` maps the plural names of kinds to the names of items, empty until the hook was called.
    """

    name: str
    distribution: str
    version: str
    target: str
    state: PluginState = PluginState.ACTIVE
    provides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reason: str = ""
    error: BaseException | None = None
    module: ModuleType | None = None
    entry_point: EntryPoint | None = None

    @property
    def title(self) -> str:
        """How messages name the plugin: `plugin 'rsi' (stratkernel-rsi 0.1.0)`."""
        return f"plugin '{self.name}' ({self.distribution} {self.version})"

    @property
    def trouble(self) -> str:
        """Title, state and reason: what is said of a plugin that is out of service."""
        return f"{self.title} is {self.state}: {self.reason}"

    @property
    def healthy(self) -> bool:
        return self.state in {PluginState.ACTIVE, PluginState.DISABLED}

    def withdraw(self, state: PluginState, reason: str) -> None:
        """Take the plugin out of service."""
        self.state, self.reason = state, reason

    def fail(self, error: BaseException, doing: str = "") -> None:
        """Take the plugin out of service for what it raised, and keep the cause."""
        self.withdraw(PluginState.FAILED, f"{doing}{describe(error)}")
        self.error = error
