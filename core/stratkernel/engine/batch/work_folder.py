"""What a batch has finished so far, as files: after any stop it goes on from there."""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stratkernel.contracts.result import canonical_json
from stratkernel.kernel.errors import DataError, UsageError, describe
from stratkernel_config.documents import load_json
from stratkernel_config.errors import ConfigError
from stratkernel_config.files import replacing, write_json

if TYPE_CHECKING:
    import pyarrow as pa

_PLAN: Final = "plan.json"
_PART: Final = re.compile(r"part-([0-9]{12})\.parquet")
_ID: Final = re.compile(r"[0-9a-f]{16}")


class WorkFolder:
    """A folder of one batch: its plan, and one file for each finished task.

    The id is the hash of the plan, so that the same batch finds its folder again. A part is there whole or
    not at all; nothing is ever appended.
    """

    def __init__(self, home: Path, identity: str) -> None:
        if not _ID.fullmatch(identity):
            raise UsageError(f"no batch is called {identity!r}; expected 16 letters of 0-9 and a-f")
        self.id = identity
        self.path = home / "batches" / identity

    @classmethod
    def of_plan(cls, home: Path, plan: Mapping[str, Any]) -> "WorkFolder":
        """The folder of a plan; it is not made yet."""
        return cls(home, hashlib.sha256(canonical_json(plan).encode()).hexdigest()[:16])

    @classmethod
    def names(cls, home: Path) -> list[str]:
        """The batches that were begun and not finished."""
        folder = home / "batches"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if (path / _PLAN).is_file())

    @property
    def exists(self) -> bool:
        return (self.path / _PLAN).is_file()

    @contextmanager
    def held(self, plan: Mapping[str, Any]) -> Iterator[None]:
        """Within, nobody else works on this batch; the plan is written where there is none.

        Raises:
            UsageError: another process works on it.
            DataError: the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_suffix(".lock"))
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"batch {self.id} is being worked on by another process") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot keep the results of a batch: {describe(error)}") from error
        try:
            if not self.exists:
                write_json(self.path / _PLAN, dict(plan), backup=False)
            yield
        finally:
            lock.release()

    def plan(self) -> dict[str, Any]:
        """What the batch was asked to do.

        Raises:
            UsageError: there is no such batch.
            DataError: its plan is damaged.
        """
        if not self.exists:
            raise UsageError(f"there is no unfinished batch {self.id!r} in {self.path.parent}")
        try:
            plan = load_json(self.path / _PLAN)
        except ConfigError as error:
            raise DataError(f"the plan of batch {self.id} is damaged: {error}") from error
        return dict(plan)

    def finished(self) -> list[int]:
        """The numbers of the tasks whose part is there, ascending."""
        if not self.path.is_dir():
            return []
        found = (_PART.fullmatch(path.name) for path in self.path.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def write_part(self, task: int, table: "pa.Table") -> None:
        """Keep what a task gave.

        Raises:
            DataError: no space, or the folder cannot be written; the part is not there then.
        """
        import pyarrow.parquet as pq

        try:
            with replacing(self._part(task)) as temporary:
                pq.write_table(table, temporary, compression="zstd")
        except OSError as error:
            raise DataError(
                f"{self.path}: the results of a task cannot be kept: {describe(error)}; "
                f"what was finished stays, and --resume {self.id} goes on from there"
            ) from error

    def read_part(self, task: int) -> "pa.Table":
        """What a task gave.

        Raises:
            DataError: the part is damaged; says how to do it again.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._part(task)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{path}: is damaged ({describe(error)}); remove it, and --resume {self.id} computes it again"
            ) from error

    def remove(self) -> None:
        """Forget the batch: it is finished, and its results are elsewhere."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.with_suffix(".lock").unlink(missing_ok=True)

    def _part(self, task: int) -> Path:
        return self.path / f"part-{task:012}.parquet"
