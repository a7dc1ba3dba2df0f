"""Crossings that wait until somebody reads them, and are then computed many at a time."""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, read_only
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.engine.kernels.sweep_crossings import CrossingScratch, Pair, at_once, crossings_of_pairs
from stratkernel.engine.output_checks import Column
from stratkernel.engine.sweep_nodes import SharedNode

_NODE_BYTES: Final = 1_000
"""About what a node needs beside its columns."""
_DIRECTIONS: Final = read_only(np.where(np.arange(1 << 12) % 2 == 0, 1.0, -1.0))


class WaitingCrossings:
    """Nodes of crossings over some candles whose inputs are there, and which nobody looked at yet."""

    def __init__(self, columns: Columns) -> None:
        self._candles = columns
        self._length = len(columns)
        self._at_once = at_once(self._length)
        self._scratch = CrossingScratch.of(self._length, self._at_once)
        self._nodes: list[SharedNode] = []

    def add(self, node: SharedNode) -> None:
        self._nodes.append(node)

    def compute(self) -> int:
        """What `Crossing.advance` gives, without its checks, for all that wait; the bytes that it takes."""
        if not self._nodes:
            return 0
        waiting = [node for node in self._nodes if node.columns is None]
        self._nodes.clear()
        taken = _NODE_BYTES * len(waiting)
        length, scratch = self._length, self._scratch
        for first in range(0, len(waiting), self._at_once):
            nodes = waiting[first : first + self._at_once]
            pairs = [self._pair(node) for node in nodes]
            for node, (rows, side) in zip(nodes, crossings_of_pairs(pairs, scratch), strict=True):
                count = len(rows)
                values = _alternating((side > 0) == (count % 2 == 1), count)
                node.columns = {"crossing": Events(rows, values, length - node.begin)}
                taken += 8 * count
        return taken

    def _pair(self, node: SharedNode) -> Pair:
        """The lines from their first rows on, which may lie before that from which they are used."""
        one, other, unit = [
            self._candles[output] if inner is None else _dense(inner, output) for inner, output in node.inputs
        ]
        assert node.made is not None
        assert node.made.crosses is not None
        return Pair(one, other, unit, self._length - node.begin, node.made.crosses)


def _dense(inner: SharedNode, output: str) -> FloatArray:
    assert inner.columns is not None
    column: Column = inner.columns[output]
    return column.dense() if isinstance(column, Events) else column


def _alternating(up_first: bool, count: int) -> FloatArray:
    """+1.0 and -1.0 in turns, read-only."""
    first = 0 if up_first else 1
    if first + count <= len(_DIRECTIONS):
        return _DIRECTIONS[first : first + count]
    return read_only(np.where(np.arange(first, first + count) % 2 == 0, 1.0, -1.0))
