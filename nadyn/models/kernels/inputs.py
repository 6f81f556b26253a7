"""Descriptors of one atom as its network reads them, one after the other, and the novelty of all."""

from llvmlite import ir

from nadyn.models.kernels.language import Array, Code, Value
from nadyn.models.kernels.table import Table
from nadyn.models.nearest_neighbours import REACH


class Features:
    """Inputs of the network of one atom, which are written, or whose derivatives are read, in order."""

    def __init__(self, code: Code, table: Table, atom: Value, inputs: Array, first: Value | int = 0):
        self.code, self.table, self.inputs = code, table, inputs
        at_element = table.integers("element")[atom] * table.integer("n_features")
        names = ("mean", "inverse_spread", "lowest", "highest")
        self._mean, self._spread, self._lowest, self._highest = (
            table.numbers(name).at(at_element) for name in names
        )
        self.outside = code.variable(code.lanes(0.0))
        self._count = code.variable(code.integer(first))

    def write(self, value: Value) -> None:
        """Write how the next one is standardised, and counted where it was not in the training set."""
        code, feature = self.code, self._count.get()
        self.inputs[feature] = (value - self._mean[feature]) * self._spread[feature]
        strange = value.compared("<", self._lowest[feature]) | value.compared(">", self._highest[feature])
        self.outside.add(code.choose(strange, code.lanes(1.0), 0.0))
        self._count.set(feature + 1)

    def read(self) -> Value:
        """Return the derivative in the next one."""
        feature = self._count.get()
        self._count.set(feature + 1)
        return self.of(feature)

    def of(self, feature: Value) -> Value:
        """Return the derivative in one of them."""
        return self.inputs[feature] * self._spread[feature]

    def turn(self, slot: Value) -> None:
        """Write how derivatives, which come as columns of one trajectory each, become lanes."""
        code, n_padded = self.code, self.table.integer("n_padded")
        lanes = code.shape.lanes
        rows = self.table.numbers("dinputs").at(slot * lanes * n_padded)
        with code.loop(n_padded, 0, lanes) as first:
            columns = [rows.at(n_padded * t + first).seen_as(code.shape.vector)[0] for t in range(lanes)]
            for k, value in enumerate(code.transposed(columns)):
                self.inputs[first + k] = value


def write_covered(code: Code, table: Table, element: Value, nearest: Value) -> Value:
    """Return 1 in lanes whose nearest neighbour is as near as some in the training set, else 0."""
    n_intervals = table.integer("n_intervals")
    intervals = table.numbers("intervals").at(element * n_intervals * 2)
    covered = code.variable(code.lanes(0.0))
    with code.loop(n_intervals) as k:
        inside = (nearest * REACH).compared(">=", code.lanes(intervals[k * 2])) & nearest.compared(
            "<=", code.lanes(intervals[k * 2 + 1]) * REACH
        )
        covered.set(code.choose(inside, 1.0, covered.get()))
    return covered.get()


def write_novelty(code: Code, table: Table, outside: Value, covered: Value) -> None:
    """Write how the novelty of a trajectory becomes that of its worst atom."""
    matrix = table.vectors("matrix").seen_as(code.shape.doubles)
    number = Value(code, code.builder.sitofp(table.integer("n_features").ir, ir.DoubleType()))
    fraction = code.doubles(outside) / code.doubles(number)
    known = code.doubles(covered).compared(">", 0.0)
    fraction = code.choose(known, fraction, 1.0)
    worst = table.integer("n_places")
    matrix[worst] = code.choose(fraction.compared(">", matrix[worst]), fraction, matrix[worst])
