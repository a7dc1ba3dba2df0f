"""Parts of a batch: whole or not there, found again, held by one process."""

from pathlib import Path

import pyarrow as pa
import pytest

from stratkernel import DataError, UsageError
from stratkernel.engine.batch.work_folder import WorkFolder

PLAN = {"strategy": "ema_crossover", "grid": ["fast_period=5..50"]}


def table(number: int) -> pa.Table:
    return pa.table({"index": [number], "sharpe": [number / 3.0]})


def test_work_folder_same_plan_is_the_same_folder_another_is_not(tmp_path: Path) -> None:
    assert (
        WorkFolder.of_plan(tmp_path, PLAN).id == WorkFolder.of_plan(tmp_path, dict(reversed(PLAN.items()))).id
    )
    assert WorkFolder.of_plan(tmp_path, PLAN).id != WorkFolder.of_plan(tmp_path, {**PLAN, "grid": []}).id


def test_work_folder_parts_come_back_bit_for_bit(tmp_path: Path) -> None:
    folder = WorkFolder.of_plan(tmp_path, PLAN)
    with folder.held(PLAN):
        folder.write_part(7, table(7))
        folder.write_part(2, table(2))
    again = WorkFolder(tmp_path, folder.id)
    assert again.finished() == [2, 7]
    assert again.read_part(7).equals(table(7))
    assert again.plan() == PLAN
    assert WorkFolder.names(tmp_path) == [folder.id]


def test_work_folder_two_processes_the_second_is_refused(tmp_path: Path) -> None:
    folder = WorkFolder.of_plan(tmp_path, PLAN)
    other = WorkFolder(tmp_path, folder.id)
    with folder.held(PLAN), pytest.raises(UsageError, match="another process"), other.held(PLAN):
        pass


def test_work_folder_half_written_part_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = WorkFolder.of_plan(tmp_path, PLAN)

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with folder.held(PLAN):
        folder.write_part(1, table(1))
        monkeypatch.setattr("pyarrow.parquet.write_table", no_space)
        with pytest.raises(DataError, match=r"No space left.*--resume"):
            folder.write_part(2, table(2))
    assert folder.finished() == [1]


def test_work_folder_damaged_part_says_how_to_go_on(tmp_path: Path) -> None:
    folder = WorkFolder.of_plan(tmp_path, PLAN)
    with folder.held(PLAN):
        folder.write_part(1, table(1))
    part = next(folder.path.glob("part-*"))
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(DataError, match="remove it"):
        folder.read_part(1)


@pytest.mark.parametrize("name", ["../../etc", "", "ABCDEF0123456789", "0" * 15, "0" * 16 + "\n"])
def test_work_folder_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no batch is called"):
        WorkFolder(tmp_path, name)


def test_work_folder_unknown_batch_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no unfinished batch"):
        WorkFolder(tmp_path, "0" * 16).plan()


def test_work_folder_removed_is_forgotten(tmp_path: Path) -> None:
    folder = WorkFolder.of_plan(tmp_path, PLAN)
    with folder.held(PLAN):
        folder.write_part(1, table(1))
    folder.remove()
    assert WorkFolder.names(tmp_path) == []
    assert folder.finished() == []
