"""S2, S3, K4: each call of the driver fails once, in each way; nothing is lost, doubled or left half done."""

from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Literal, TypeAlias

import pytest

import driver_faults
from driver_faults import Fault, FaultPlan
from storage_steps import OTHER, RUN, STEPS, UNITS, Step, open_url, states_of
from stratkernel import Storage, StorageBusyError, StorageError, StorageFullError
from stratkernel.testing.storage.samples import everything, made_candles

Check: TypeAlias = Callable[[str], None]
Left: TypeAlias = Literal["nothing", "all"]
EXPECTED: dict[str, type[StorageError]] = {
    "disk_error": StorageError,
    "disk_full": StorageFullError,
    "busy": StorageBusyError,
    "lost": StorageError,
    "outcome_lost": StorageError,
}
REPEATED = {"busy", "lost", "outcome_lost"}
MOST_CALLS = 200


class EachCall:
    """Lets each call of each step fail once; another connection looks at what is left."""

    def __init__(self, url: str, plan: FaultPlan) -> None:
        self.plan, self.struck = plan, 0
        self.storage, self.other = open_url(url), open_url(url)
        self.states = states_of(self.storage)
        self._go_back(0)

    def close(self) -> None:
        self.storage.close()
        self.other.close()

    def run(self, fault: Fault, check: Callable[[Step, Any, Left], None]) -> int:
        """Call `check(step, raised, what is left)` after each fault; gives how many there were."""
        for number, step in enumerate(STEPS):
            for at in range(1, MOST_CALLS):
                struck, raised = self._fail(step, at, fault)
                left = everything(self.other)
                if not struck:  # the step has fewer calls, and went well after all that came before
                    assert left == self.states[number + 1]
                    break
                self.struck += 1
                assert left in self.states[number : number + 2], raised
                check(step, raised, "nothing" if left == self.states[number] else "all")
                if left != self.states[number]:
                    self._go_back(number)
            else:
                raise AssertionError("the step never came to an end")
        return self.struck

    def _go_back(self, steps: int) -> None:
        """To what was stored after so many steps."""
        self.storage.strategies.delete_runs([run.run_id for run in self.storage.strategies.runs()])
        for stored in self.storage.candles.series():
            self.storage.candles.delete(stored.series)
        for step in STEPS[:steps]:
            step(self.storage)

    def _fail(self, step: Step, at: int, fault: Fault) -> tuple[bool, BaseException | None]:
        """Whether there was such a call, and what came of it."""
        self.plan.arm(at, fault)
        try:
            step(self.storage)
        except BaseException as error:
            if not self.plan.struck:
                raise
            return True, error
        else:
            return self.plan.struck, None
        finally:
            self.plan.disarm()


@pytest.mark.parametrize(
    ("tables_url", "name"),
    [
        *(
            ("sqlite", name) for name in ("disk_error", "disk_full", "busy")
        ),  # a file has no connection to lose
        *(pytest.param("postgresql", name, marks=pytest.mark.postgresql) for name in EXPECTED),
    ],
    indirect=["tables_url"],
)
def test_each_call_that_fails_leaves_all_or_nothing(
    tables_url: str, faults: FaultPlan, no_waiting: list[float], assert_intact: Check, name: str
) -> None:
    def check(step: Step, raised: Any, left: Left) -> None:
        assert_intact(tables_url)
        if raised is None:
            assert name in REPEATED
            assert left == "all"
        else:
            assert isinstance(raised, EXPECTED[name])
            assert name not in REPEATED or step in UNITS
            assert left == "nothing" or name == "outcome_lost"

    with closing(EachCall(tables_url, faults)) as each:
        assert each.run(getattr(driver_faults, name), check) > 20


def test_interrupt_at_each_call_leaves_nothing_of_the_write(
    tables_url: str, faults: FaultPlan, assert_intact: Check
) -> None:
    def check(step: Step, raised: Any, left: Left) -> None:
        assert isinstance(raised, KeyboardInterrupt)
        assert left == "nothing"
        assert_intact(tables_url)

    with closing(EachCall(tables_url, faults)) as each:
        assert each.run(driver_faults.interrupt, check) > 20


def test_unit_that_goes_on_after_a_failed_write_is_kept_without_it_or_not_at_all(
    tables_url: str, faults: FaultPlan, no_waiting: list[float]
) -> None:
    """SQLite gives up the whole transaction when its disk is full: the unit cannot go on in half of it."""
    with open_url(tables_url) as storage, open_url(tables_url) as other:
        _, first, *_ = states_of(storage, STEPS[:1])
        for at in range(2, 5):
            with suppress(StorageError), storage.unit_of_work():
                storage.strategies.star(RUN.run_id)
                faults.arm(at, driver_faults.disk_full)
                with suppress(StorageError):
                    storage.candles.write(made_candles(5))
                assert faults.struck
                faults.disarm()
                storage.strategies.save_run(OTHER)
            found = {run.run_id: run.starred for run in other.strategies.runs()}
            assert found in ({RUN.run_id: False}, {RUN.run_id: True, OTHER.run_id: False})
            assert other.candles.series() == []
            storage.strategies.star(RUN.run_id, starred=False)
            storage.strategies.delete_runs([OTHER.run_id])
            assert everything(other) == first


def test_write_that_stays_busy_is_given_up_after_some_attempts(
    tables_url: str, faults: FaultPlan, no_waiting: list[float]
) -> None:
    def always(plan: FaultPlan, connection: Any, name: str, call: Any) -> Any:
        plan.arm(1, always)
        return driver_faults.busy(plan, connection, name, call)

    with open_url(tables_url) as storage:
        before = everything(storage)
        faults.arm(1, always)
        with pytest.raises(StorageBusyError):
            STEPS[0](storage)
        faults.disarm()
        assert everything(storage) == before
        assert len(no_waiting) == 5
        assert no_waiting == sorted(no_waiting)
        STEPS[0](storage)
        assert len(storage.strategies.runs()) == 1


def test_each_call_of_opening_that_fails_is_a_plain_error(
    tables_url: str, faults: FaultPlan, no_waiting: list[float], assert_intact: Check
) -> None:
    def opened() -> Storage:
        return open_url(tables_url)

    struck = 0
    for at in range(1, MOST_CALLS):
        faults.arm(at, driver_faults.disk_error)
        try:
            opened().close()
        except StorageError:
            assert faults.struck
        if not faults.struck:
            break
        struck += 1
        faults.disarm()
        assert_intact(tables_url)
    faults.disarm()
    assert struck > 2
    with opened() as storage:
        assert storage.strategies.runs() == []
