"""What this package must know of the strategies and indicators that are installed; core tells it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

Kind = Literal["strategy", "indicator"]


class Installed(Protocol):
    """One strategy or indicator of one plugin."""

    @property
    def name(self) -> str:
        """The bare name."""

    @property
    def qualified(self) -> str:
        """`distribution:name`."""

    @property
    def distribution(self) -> str:
        """Who ships it."""

    @property
    def version(self) -> str:
        """The distribution's version."""

    def fill(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, defaults filled in, as JSON values.

        Raises:
            pydantic.ValidationError: what the plugin's own model says against them.
            CatalogueError: the plugin failed.
        """

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the parameters."""

    def templates(self) -> Sequence[Mapping[str, Any]]:
        """The documents that the plugin brings along.

        Raises:
            CatalogueError: the plugin failed.
        """

    def needs(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Distributions, and their versions, without which it does not run with these parameters."""


class Catalogue(Protocol):
    """The strategies and indicators of one environment."""

    @property
    def timeframes(self) -> Sequence[str]:
        """The timeframes that there are."""

    def items(self, kind: Kind) -> Sequence[Installed]:
        """Everything of a kind."""

    def find(self, kind: Kind, name: str) -> Installed:
        """One by its bare or qualified name.

        Raises:
            CatalogueError: not installed, or ambiguous; says what there is and what to do.
        """

    def version_of(self, distribution: str) -> str | None:
        """The version of a distribution, `None` where it is not installed."""
