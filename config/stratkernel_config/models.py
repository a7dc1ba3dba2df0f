"""The two kinds of documents: a strategy with its parameters, an indicator as a chart shows it."""

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from stratkernel_config.versions import CURRENT_VERSION

MAX_TEXT = 64
MAX_REQUIRED = 50
MAX_TIMEFRAMES = 20
Text = Annotated[str, Field(max_length=MAX_TEXT)]
REFERENCE = r"^([A-Za-z0-9][A-Za-z0-9._\-]*:)?[a-z][a-z0-9_]*$"
Reference = Annotated[str, Field(pattern=REFERENCE, max_length=200)]
TimeframeName = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}[mhdwM]$")]
GapPolicy = Literal["continue", "reset", "fill"]
HigherSource = Literal["resampled", "venue"]
OF_LIST, OF_OBJECT = "<list>", "<object>"
UNION_TAGS = frozenset({OF_LIST, OF_OBJECT})
"""Steps in the places of errors that are in no document."""


def _form(value: object) -> str:
    return OF_OBJECT if isinstance(value, dict) else OF_LIST


class StrictModel(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class Gaps(StrictModel):
    """What happens at missing candles."""

    policy: GapPolicy = Field("continue", description="go on and flag, start the warm-up anew, or fill")
    max_gap: int = Field(0, ge=0, le=1_000_000, description="gaps of up to this many candles are ignored")


class Exits(StrictModel):
    """When a position is left without a signal; fractions, 0.02 is 2 %."""

    stop_loss: float | None = Field(None, gt=0, lt=1, description="below the entry price, as a fraction")
    take_profit: float | None = Field(None, gt=0, le=100, description="above the entry price, as a fraction")
    trailing_stop: float | None = Field(
        None, gt=0, lt=1, description="below the best price since the entry, as a fraction"
    )
    max_bars: int | None = Field(None, ge=1, le=1_000_000, description="longest holding time, candles")


class Display(StrictModel):
    """How a chart shows an indicator."""

    pane: Literal["price", "own"] = Field("own", description="over the candles, or in a pane of its own")
    color: str | None = Field(None, pattern=r"^#[0-9a-fA-F]{6}$", description="of its lines, #rrggbb")
    width: float = Field(1.5, gt=0, le=10, description="of its lines, pixels")
    visible: bool = Field(default=True, description="whether it is shown at first")


class Document(StrictModel):
    """What both kinds have in common."""

    kind: ClassVar[Literal["strategy", "indicator"]]

    schema_version: int = Field(
        ge=CURRENT_VERSION,
        le=CURRENT_VERSION,
        description="version of this format",
        examples=[CURRENT_VERSION],
    )
    name: str = Field(min_length=1, max_length=64, description="the name of the document and its file")
    description: str = Field("", max_length=4000, description="for people")
    category: Text = Field("", description="as 'trend' or 'mean reversion'")
    parameters: dict[str, Any] = Field({}, description="those left out have the plugin's defaults")
    timeframe: TimeframeName | None = Field(None, description="of the candles", examples=["1h", "1d"])
    tags: list[Text] = Field([], max_length=50, description="words to find it by")
    requires: dict[str, Text] = Field(
        {},
        max_length=MAX_REQUIRED,
        description="distributions and their version ranges",
        examples=[{"stratkernel-ema": ">=0.1,<0.2"}],
    )

    @property
    def subject(self) -> str:
        """The strategy or indicator, as the document names it."""
        return str(getattr(self, self.kind))


ExtraTimeframes = Annotated[
    Annotated[list[TimeframeName], Field(max_length=MAX_TIMEFRAMES), Tag(OF_LIST)]
    | Annotated[dict[str, HigherSource], Field(max_length=MAX_TIMEFRAMES), Tag(OF_OBJECT)],
    Discriminator(_form),
]


class StrategyDocument(Document):
    """A strategy with its parameters, under a name of its own."""

    kind: ClassVar[Literal["strategy", "indicator"]] = "strategy"

    strategy: Reference = Field(
        description="name, or distribution:name", examples=["stratkernel-ema:ema_crossover"]
    )
    extra_timeframes: ExtraTimeframes = Field(
        [],
        description="higher ones that it reads, resampled from the candles; or each with its source",
        examples=[["1h"], {"1h": "resampled", "1d": "venue"}],
    )
    gaps: Gaps | None = Field(None, description="at missing candles; left out, the command decides")
    exits: Exits | None = Field(
        None,
        description="positions are also left at a stop, a target or after so many candles",
        examples=[{"stop_loss": 0.02, "take_profit": 0.05, "max_bars": 48}],
    )

    @property
    def timeframe_sources(self) -> dict[str, str]:
        """Where candles of each higher timeframe come from; those of a list are resampled."""
        given = self.extra_timeframes
        return dict(given) if isinstance(given, dict) else dict.fromkeys(given, "resampled")


class IndicatorDocument(Document):
    """An indicator as a chart shows it, under a name of its own."""

    kind: ClassVar[Literal["strategy", "indicator"]] = "indicator"

    indicator: Reference = Field(description="name, or distribution:name", examples=["stratkernel-rsi:rsi"])
    display: Display = Field(Display(), description="how a chart shows it")


D = TypeVar("D", bound=Document)

_ORDER = (
    *("schema_version", "name", "strategy", "indicator", "description", "category", "parameters"),
    *("timeframe", "extra_timeframes", "gaps", "exits", "display", "tags", "requires"),
)


def in_order(raw: dict[str, Any]) -> dict[str, Any]:
    """A document with its keys in the order in which documents are written."""
    return {key: raw[key] for key in (*_ORDER, *sorted(raw.keys() - set(_ORDER))) if key in raw}
