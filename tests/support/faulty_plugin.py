"""A plugin whose strategies raise, hang, die or look ahead, as a distribution that other processes find."""

from pathlib import Path

from stratkernel.testing import fake_distribution

SOURCE = '''
import os
import time
from pathlib import Path

import numpy as np

from stratkernel import BaseStrategy, Params, Signals, SignalType, hookimpl


class Which(Params):
    number: int = 0


class Calm(BaseStrategy[Which]):
    """In where the close rises within its candle."""

    name = "calm"
    window = 1

    def calculate(self, data):
        rows = np.flatnonzero(data["close"] > data["open"])
        return Signals(rows, SignalType.ENTRY_LONG)


class Raises(Calm):
    name = "raises"

    def calculate(self, data):
        raise ValueError("no luck today")


class Interrupts(Calm):
    name = "interrupts"

    def calculate(self, data):
        raise KeyboardInterrupt


class Hungry(Calm):
    name = "hungry"

    def get_required_indicators(self):
        raise MemoryError


class Hangs(Calm):
    name = "hangs"

    def calculate(self, data):
        while True:
            time.sleep(0.05)


class Dies(Calm):
    name = "dies"

    def calculate(self, data):
        os._exit(3)


class DiesOnce(Calm):
    """Dies unless it has died before: the folder of FAULTY_MARKS knows."""

    name = "dies_once"

    def calculate(self, data):
        mark = Path(os.environ["FAULTY_MARKS"]) / str(self.params.number)
        if not mark.exists():
            mark.touch()
            os._exit(3)
        return super().calculate(data)


class Slow(Calm):
    """Takes a moment, and says when it begins."""

    name = "slow"

    def calculate(self, data):
        if "FAULTY_MARKS" in os.environ:
            (Path(os.environ["FAULTY_MARKS"]) / f"{self.params.number}-{os.getpid()}").touch()
        time.sleep(float(os.environ.get("FAULTY_PAUSE", "0.2")))
        return super().calculate(data)


class Peeks(Calm):
    """Knows the next close."""

    name = "peeks"

    def calculate(self, data):
        close = data["close"]
        rows = np.flatnonzero(close[1:] > close[:-1])
        return Signals(rows, SignalType.ENTRY_LONG)


@hookimpl
def stratkernel_strategies():
    return [Calm, Raises, Interrupts, Hungry, Hangs, Dies, DiesOnce, Slow, Peeks]
'''


def faulty_plugin(folder: Path) -> None:
    """Lay it out in a folder of `sys.path`."""
    fake_distribution(
        folder,
        "acme-faulty",
        entry_points={"faulty": "acme_faulty"},
        modules={"acme_faulty.py": SOURCE},
    )
