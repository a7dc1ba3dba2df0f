"""How long stored runs are kept, as `settings.json` says it."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", strict=True)


class RunLimits(_Model):
    """Of the runs of one kind; what is not said, or null, is no limit."""

    max_age_days: int | None = Field(None, ge=1, le=36_500, description="older runs go")
    max_runs: int | None = Field(None, ge=0, description="the newest so many stay")
    max_signals: int | None = Field(None, ge=0, description="the newest stay that have so many in all")


class Retention(_Model):
    """Limits for each kind of run; starred and running runs stay in any case."""

    run: RunLimits = Field(RunLimits(), description="single runs")
    batch: RunLimits = Field(RunLimits(), description="runs of a batch")
    sweep: RunLimits = Field(RunLimits(), description="runs of a sweep over parameters")
    live: RunLimits = Field(RunLimits(), description="live runs that ended")

    def limits(self) -> Iterator[tuple[str, RunLimits]]:
        """The kinds of run that have a limit, and their limits."""
        for kind in type(self).model_fields:
            limits: RunLimits = getattr(self, kind)
            if limits.model_dump(exclude_none=True):
                yield kind, limits

    def shown(self) -> dict[str, dict[str, int]]:
        """What was said, without what sets no limit."""
        return {kind: limits.model_dump(exclude_none=True) for kind, limits in self.limits()}
