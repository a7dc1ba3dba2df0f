"""`stratkernel db clean`: which stored runs stay is said in the settings."""

import argparse
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.session import open_kernel

if TYPE_CHECKING:
    from stratkernel.contracts.retention import CleanReport, RetentionPolicy, RetentionRule
    from stratkernel_config.retention import Retention


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be deleted, and why")
    add_database_argument(parser)


def clean(arguments: argparse.Namespace) -> int:
    """Delete runs and their signals that `retention` in settings.json does not keep.

    Starred and running runs always stay. An interrupted cleaning is taken up by calling it again.
    """
    from stratkernel.cli.database import database_of
    from stratkernel.kernel.clock import SystemClock
    from stratkernel_config.user_settings import load_settings

    loaded = load_settings({"database_url": arguments.database})
    policy = _policy(loaded.settings.retention)
    if not policy.rules:
        print('no "retention" is set, so all runs are kept (see: stratkernel settings)')
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        report = database.storage.clean(policy, now=SystemClock().utc_now(), dry_run=arguments.dry_run)
        title = database.storage.title
    _print(report, policy, title, dry_run=arguments.dry_run)
    return 0


def _policy(retention: "Retention") -> "RetentionPolicy":
    from datetime import timedelta

    from stratkernel.contracts.retention import RetentionPolicy, RetentionRule

    return RetentionPolicy(
        {
            kind: RetentionRule(
                max_age=None if limits.max_age_days is None else timedelta(days=limits.max_age_days),
                max_runs=limits.max_runs,
                max_signals=limits.max_signals,
            )
            for kind, limits in retention.limits()
        }
    )


def _print(report: "CleanReport", policy: "RetentionPolicy", title: str, *, dry_run: bool) -> None:
    for reason, count in sorted(report.reasons.items()):
        kind, _, limit = reason.partition(": ")
        print(f"  {count:,} of kind {kind}: {_why(policy.rules.get(kind), limit)}")
    if dry_run:
        print(f"{title}: {_counted(report)} would be deleted")
    else:
        print(f"{title}: {_counted(report)} deleted, {report.bytes_freed:,} bytes given back{_left(report)}")


def _left(report: "CleanReport") -> str:
    """What stays in the file; that of another program does not shrink."""
    left = report.bytes_reusable
    return f"; {left:,} bytes are free in the file, which keeps its size, for later rows" if left else ""


def _counted(report: "CleanReport") -> str:
    counts = ((len(report.runs), "run"), (report.signals, "signal"))
    return " and ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in counts)


def _why(rule: "RetentionRule | None", limit: str) -> str:
    if rule is not None and limit == "max_age" and rule.max_age is not None:
        return f"older than {rule.max_age.days:,} days"
    if rule is not None and limit == "max_runs":
        return f"beyond the newest {rule.max_runs:,}"
    if rule is not None and limit == "max_signals":
        return f"beyond {rule.max_signals:,} signals in all"
    return "left by a cleaning that was interrupted" if limit == "unfinished" else limit


COMMANDS: Final = {"clean": (_arguments, clean)}
