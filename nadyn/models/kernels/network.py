"""A few columns through all layers of the network of their element, forwards and backwards."""

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Value
from nadyn.models.kernels.layers import FINISHES, Machine, write_finish, write_product
from nadyn.models.kernels.table import Table

# Arguments of both: the table, the element, trajectories in use, the first column, where the memory of the
# first atom begins, and where its inputs do.
_ARGUMENTS = (POINTER, INTEGER, INTEGER, INTEGER, INTEGER, INTEGER)


class _Columns:
    """Where the memory of some columns is: the atom of each, counted from the first, and its trajectory."""

    def __init__(self, code: Code, first: Value, n_used: Value, width: int):
        columns = [first + c for c in range(width)]
        self.atoms = [column / n_used for column in columns]
        lanes = code.shape.lanes
        self.rows = [
            atom * lanes + (column - atom * n_used) for atom, column in zip(self.atoms, columns, strict=True)
        ]


def write_forward(
    module: ir.Module, machine: Machine, product: ir.Function, finishes: dict[str, ir.Function], width: int
) -> ir.Function:
    """Write the way from descriptors to outputs."""
    code = Code(module, f"network_{width}", _ARGUMENTS, machine.shape)
    table = Table(code, code.arguments[0])
    element, n_used, first, atom, base = code.arguments[1:]
    columns, lanes = _Columns(code, first, n_used, width), machine.shape.lanes
    n_layers, n_hidden = table.integer("n_layers"), table.integer("n_hidden")
    n_padded, n_widest = table.integer("n_padded"), table.integer("n_widest")
    inputs, layer, results = (table.numbers(name) for name in ("inputs", "layer", "results"))
    slopes = table.numbers("slopes").at(atom * lanes * n_hidden)
    weights = table.numbers("weights")
    forward_at, bias_at = table.integers("forward_at"), table.integers("bias_at")
    depths, heights = table.integers("depth_of_layer"), table.integers("rows_of_layer")
    last = n_layers - 1
    from_first = [
        inputs.at((base + a) * n_padded * lanes + (row - a * lanes))
        for a, row in zip(columns.atoms, columns.rows, strict=True)
    ]

    def buffer(which: Value, column: int) -> Array:
        return layer.at((which * machine.columns + column) * n_widest)

    def call(finish: str, number: Value, stride: Value | int, sources: list, targets: list) -> None:
        place = element * n_layers + number
        n_panels = heights[number] / machine.panel
        start = Value(code, weights.at(forward_at[place]).pointer)
        pointers = [
            Value(code, array.pointer) for pair in zip(sources, targets, strict=True) for array in pair
        ]
        code.call(product, start, n_panels, depths[number], stride, *pointers)
        bias = Value(code, weights.at(bias_at[place]).pointer)
        for target, row in zip(targets, columns.rows, strict=True):
            slope = slopes.at(row * n_hidden + table.integers("hidden_at")[number])
            code.call(
                finishes[finish], Value(code, target.pointer), bias, Value(code, slope.pointer), n_panels
            )

    zero = code.integer(0)
    call("hidden", zero, lanes, from_first, [buffer(zero, c) for c in range(width)])
    which = code.variable(zero)
    with code.loop(last, 1) as number:
        before = which.get()
        which.set(1 - before)
        call(
            "hidden",
            number,
            1,
            [buffer(before, c) for c in range(width)],
            [buffer(which.get(), c) for c in range(width)],
        )
    n_outputs = table.integer("n_outputs")
    call(
        "last",
        last,
        1,
        [buffer(which.get(), c) for c in range(width)],
        [results.at(row * n_outputs) for row in columns.rows],
    )
    return code.finish()


def write_backward(
    module: ir.Module, machine: Machine, product: ir.Function, finishes: dict[str, ir.Function], width: int
) -> ir.Function:
    """Write the way from derivatives in the outputs to those in the descriptors."""
    code = Code(module, f"network_back_{width}", _ARGUMENTS, machine.shape)
    table = Table(code, code.arguments[0])
    element, n_used, first, atom, base = code.arguments[1:]
    columns, lanes = _Columns(code, first, n_used, width), machine.shape.lanes
    n_layers, n_hidden = table.integer("n_layers"), table.integer("n_hidden")
    n_padded, n_widest = table.integer("n_padded"), table.integer("n_widest")
    layer, results, dinputs = (table.numbers(name) for name in ("layer", "results", "dinputs"))
    slopes = table.numbers("slopes").at(atom * lanes * n_hidden)
    weights, backward_at = table.numbers("weights"), table.integers("backward_at")
    depths, heights = table.integers("depth_of_layer"), table.integers("rows_of_layer")

    def buffer(which: Value, column: int) -> Array:
        return layer.at((which * machine.columns + column) * n_widest)

    def call(finish: str, number: Value, sources: list, targets: list) -> None:
        start = Value(code, weights.at(backward_at[element * n_layers + number]).pointer)
        n_panels = depths[number] / machine.panel
        pointers = [
            Value(code, array.pointer) for pair in zip(sources, targets, strict=True) for array in pair
        ]
        code.call(product, start, n_panels, heights[number], 1, *pointers)
        if finish == "first":
            return
        for target, row in zip(targets, columns.rows, strict=True):
            slope = slopes.at(row * n_hidden + table.integers("hidden_at")[number - 1])
            code.call(
                finishes[finish], Value(code, target.pointer), start, Value(code, slope.pointer), n_panels
            )

    n_outputs = table.integer("n_outputs")
    which = code.variable(code.integer(0))
    call(
        "back",
        n_layers - 1,
        [results.at(row * n_outputs) for row in columns.rows],
        [buffer(which.get(), c) for c in range(width)],
    )
    with code.loop(n_layers - 1, 1) as count:
        before = which.get()
        which.set(1 - before)
        call(
            "back",
            n_layers - 1 - count,
            [buffer(before, c) for c in range(width)],
            [buffer(which.get(), c) for c in range(width)],
        )
    call(
        "first",
        code.integer(0),
        [buffer(which.get(), c) for c in range(width)],
        [dinputs.at((base * lanes + row) * n_padded) for row in columns.rows],
    )
    return code.finish()


def write_networks(module: ir.Module, machine: Machine) -> tuple[ir.Function, ir.Function]:
    """Write the way of all columns through the networks, and the way back."""
    finishes = {finish: write_finish(module, machine, finish) for finish in FINISHES}
    forward, backward = {}, {}
    for width in machine.widths:
        product = write_product(module, machine, width)
        forward[width] = write_forward(module, machine, product, finishes, width)
        backward[width] = write_backward(module, machine, product, finishes, width)
    return (
        write_all_columns(module, machine, forward, "networks"),
        write_all_columns(module, machine, backward, "networks_back"),
    )


def write_all_columns(
    module: ir.Module, machine: Machine, tiles: dict[int, ir.Function], name: str
) -> ir.Function:
    """Write a loop over columns; arguments as of each, with the number of columns instead of the first."""
    code = Code(module, name, _ARGUMENTS, machine.shape)
    pointer, element, n_used, n_columns, atom, base = code.arguments
    done = code.variable(code.integer(0))
    for width in machine.widths:
        with code.loop(n_columns + 1, done.get() + width, width) as end:
            code.call(tiles[width], pointer, element, n_used, end - width, atom, base)
            done.set(end)
    return code.finish()
