"""Products of weights and columns: the networks, forwards and backwards.

A column is one atom of one trajectory. Rows of a layer are the lanes, so that a single column is as cheap as
one of many; each output is a sum over the inputs in their order, whatever the number of columns is. Weights
are packed as (panel, input, row in panel): what one step of the innermost loop reads lies side by side.
"""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.exponential import silu
from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape

# Inputs of a layer are filled up with zeros to a multiple of it.
UNROLLED = 4


@dataclass(frozen=True)
class Machine:
    """How the registers of a processor are used.

    Attributes:
        shape: Precision and lanes.
        row_vectors: Vectors of rows in a panel.
        columns: Columns at once; times the vectors of rows, the sums that stay in registers.
    """

    shape: Shape
    row_vectors: int
    columns: int

    @property
    def panel(self) -> int:
        """Rows of a panel, to a multiple of which layers are filled up."""
        return self.row_vectors * self.shape.lanes

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of columns for which there is code, falling."""
        return tuple(n for n in (12, 8, 6, 4, 2, 1) if n <= self.columns)


# What is done with the sums: a hidden layer, the last one, back through a hidden layer.
FINISHES = ("hidden", "last", "back")


def write_product(module: ir.Module, machine: Machine, width: int) -> ir.Function:
    """Write target[column] = weights · source[column] for some columns.

    Arguments: weights, number of panels, inputs, distance of two inputs in the source; then the source and
    the target of each column.
    """
    arguments = (POINTER, INTEGER, INTEGER, INTEGER, *(POINTER,) * (2 * width))
    code = Code(module, f"product_{width}", arguments, machine.shape)
    number, vector = machine.shape.number, machine.shape.vector
    weights = Array(code, code.arguments[0].ir, number)
    n_panels, n_inputs, stride = code.arguments[1:4]
    arrays = [Array(code, argument.ir, number) for argument in code.arguments[4:]]
    sources, targets = arrays[::2], arrays[1::2]
    with code.loop(n_panels) as panel:
        rows = panel * machine.panel
        own = weights.at(rows * n_inputs)
        sums = [code.zeros(width) for _ in range(machine.row_vectors)]
        with code.loop(n_inputs, 0, UNROLLED) as first:
            for step in range(UNROLLED):
                k = first + step
                at_k = own.at(k * machine.panel).seen_as(vector)
                of_rows = [at_k[v] for v in range(machine.row_vectors)]
                for column, source in enumerate(sources):
                    x = code.lanes(source[k * stride])
                    for v, values in enumerate(of_rows):
                        sums[v][column].add(values, x)
        for v in range(machine.row_vectors):
            for column, target in enumerate(targets):
                target.at(rows + v * machine.shape.lanes).seen_as(vector)[0] = sums[v][column].get()
    return code.finish()


def write_finish(module: ir.Module, machine: Machine, finish: str) -> ir.Function:
    """Write what is done with the sums of one column; arguments: sums, bias, slopes, number of panels."""
    code = Code(module, f"finish_{finish}", (POINTER, POINTER, POINTER, INTEGER), machine.shape)
    sums, bias, slopes = (Array(code, argument.ir, machine.shape.vector) for argument in code.arguments[:3])
    with code.loop(code.arguments[3] * machine.row_vectors) as k:
        z = sums[k]
        if finish in ("hidden", "last"):
            z = z + bias[k]
        if finish == "hidden":
            z, slopes[k] = silu(code, z)
        if finish == "back":
            z = z * slopes[k]
        sums[k] = z
    return code.finish()
