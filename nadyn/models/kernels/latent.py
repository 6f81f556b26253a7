"""From the outputs of one atom to its share in the sums of which W is made, and back.

What `matrix.equivariant_matrix.EquivariantMatrix` computes, with trajectories as lanes. Sums are those of its
table of kinds in their order, then others.
"""

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape, Value, Variable
from nadyn.models.kernels.pairs import N_COMPONENTS
from nadyn.models.kernels.table import Table
from nadyn.models.matrix.equivariant_matrix import KINDS, N_DIRECTIONS

# Sums that do not come from the networks: six of the in-plane term, and the repulsion.
N_OTHERS = 7
# Number of directions times components of each kind, one after the other.
_PLACES, _n = {}, 0
for _kind, _width in KINDS.items():
    if _kind != "invariant":
        _PLACES[_kind] = _n
        _n += N_DIRECTIONS * _width
N_SOURCES = _n


def write_add_share(module: ir.Module, shape: Shape, n_channels: int) -> ir.Function:
    """Write how the share of one atom is added to the float64 sums of its trajectories.

    Arguments: table, element, outputs of its network in lanes, its channels.
    """
    code = Code(module, "add_share", (POINTER, INTEGER, POINTER, POINTER), shape)
    table, element = Table(code, code.arguments[0]), code.arguments[1]
    outputs, mixed = (Array(code, argument.ir, shape.vector) for argument in code.arguments[2:])
    sources, sums = table.vectors("sources"), table.vectors("totals").seen_as(shape.doubles)
    n = table.integer("n_invariant")
    with code.loop(n) as k:
        sums[k] = sums[k] + code.doubles(outputs[k])
    with code.where(table.integer("n_components").compared(">", n + N_OTHERS)):
        _write_sources(code, table, mixed, element, sources, n_channels)
    output, component = code.variable(n), code.variable(n)
    for kind, width in KINDS.items():
        if kind == "invariant":
            continue
        source = sources.at(_PLACES[kind])
        with code.loop(table.integer(f"n_{kind}")):
            first, target = outputs.at(output.get()), sums.at(component.get())
            totals = code.zeros(width)
            with code.loop(N_DIRECTIONS) as d:
                for x in range(width):
                    totals[x].add(first[d], source[d * width + x])
            for x in range(width):
                target[x] = target[x] + code.doubles(totals[x].get())
            output.set(output.get() + N_DIRECTIONS)
            component.set(component.get() + width)
    return code.finish()


def write_share_back(module: ir.Module, shape: Shape, n_channels: int) -> ir.Function:
    """Write the derivatives in the outputs of one atom, and how those in its channels are added.

    Arguments: as in `write_add_share`; then the derivatives in the channels.
    """
    code = Code(module, "share_back", (POINTER, INTEGER, POINTER, POINTER, POINTER), shape)
    table, element = Table(code, code.arguments[0]), code.arguments[1]
    outputs, mixed, dmixed = (Array(code, argument.ir, shape.vector) for argument in code.arguments[2:])
    names = ("sources", "dsources", "dtotals", "doutputs")
    sources, dsources, dsums, doutputs = (table.vectors(name) for name in names)
    n = table.integer("n_invariant")
    with code.loop(n) as k:
        doutputs[k] = dsums[k]
    with code.where(table.integer("n_components").compared(">", n + N_OTHERS)):
        _write_sources(code, table, mixed, element, sources, n_channels)
        with code.loop(N_SOURCES) as k:
            dsources[k] = code.lanes(0.0)
        output, component = code.variable(n), code.variable(n)
        for kind, width in KINDS.items():
            if kind == "invariant":
                continue
            source, dsource = sources.at(_PLACES[kind]), dsources.at(_PLACES[kind])
            with code.loop(table.integer(f"n_{kind}")):
                first, dfirst = outputs.at(output.get()), doutputs.at(output.get())
                given = [dsums[component.get() + x] for x in range(width)]
                with code.loop(N_DIRECTIONS) as d:
                    total = given[0] * source[d * width]
                    for x in range(1, width):
                        total = code.fma(given[x], source[d * width + x], total)
                    dfirst[d] = total
                    for x in range(width):
                        dsource[d * width + x] = code.fma(first[d], given[x], dsource[d * width + x])
                output.set(output.get() + N_DIRECTIONS)
                component.set(component.get() + width)
        _sources_back(code, table, sources, dsources, element, dmixed, n_channels)
    return code.finish()


def _write_sources(
    code: Code, table: Table, mixed: Array, element: Value, sources: Array, n_channels: int
) -> None:
    """Set the directions: learned sums of vectors and tensors, and products of neighbouring vectors."""
    for kind, name, first in (("polar", "vector_mixing", 0), ("tensor", "tensor_mixing", 3)):
        width, target = KINDS[kind], sources.at(_PLACES[kind])
        weights = table.numbers(name).at(element * (n_channels * N_DIRECTIONS))
        with code.loop(N_DIRECTIONS) as d:
            totals = code.zeros(width)
            with code.loop(n_channels) as c:
                factor = code.lanes(weights[c * N_DIRECTIONS + d])
                for x in range(width):
                    totals[x].add(factor, mixed[c * N_COMPONENTS + (first + x)])
            for x in range(width):
                target[d * width + x] = totals[x].get()
    polar, axial = sources.at(_PLACES["polar"]), sources.at(_PLACES["axial"])
    pseudoscalar = sources.at(_PLACES["pseudoscalar"])
    with code.loop(N_DIRECTIONS) as d:
        left, right, third = (_vector(polar, _before(d, back)) for back in range(3))
        product = _cross(code, left, right)
        for x in range(3):
            axial[d * 3 + x] = product[x]
        pseudoscalar[d] = _dot3(code, product, third)


def _sources_back(
    code: Code, table: Table, sources: Array, dsources: Array, element: Value, dmixed: Array, n_channels: int
) -> None:
    polar, axial = sources.at(_PLACES["polar"]), sources.at(_PLACES["axial"])
    dpolar, daxial = dsources.at(_PLACES["polar"]), dsources.at(_PLACES["axial"])
    dpseudoscalar = dsources.at(_PLACES["pseudoscalar"])
    with code.loop(N_DIRECTIONS) as d:
        left, right, third = (_vector(polar, _before(d, back)) for back in range(3))
        own, g = _vector(axial, d), dpseudoscalar[d]
        given = [code.fma(g, value, daxial[d * 3 + x]) for x, value in enumerate(third)]
        shares = (_cross(code, right, given), _cross(code, given, left), [g * value for value in own])
        for back, share in enumerate(shares):
            place = _before(d, back) * 3
            for x in range(3):
                dpolar[place + x] = dpolar[place + x] + share[x]
    for kind, name, first in (("polar", "vector_mixing", 0), ("tensor", "tensor_mixing", 3)):
        width, dsource = KINDS[kind], dsources.at(_PLACES[kind])
        weights = table.numbers(name).at(element * (n_channels * N_DIRECTIONS))
        with code.loop(n_channels) as c:
            row = dmixed.at(c * N_COMPONENTS + first)
            totals: list[Variable] = [code.variable(row[x]) for x in range(width)]
            with code.loop(N_DIRECTIONS) as d:
                factor = code.lanes(weights[c * N_DIRECTIONS + d])
                for x in range(width):
                    totals[x].add(factor, dsource[d * width + x])
            for x in range(width):
                row[x] = totals[x].get()


def _before(d: Value, back: int) -> Value:
    """Return the number of the direction that comes so many before another one, in a circle."""
    return (d + (N_DIRECTIONS - back)) & (N_DIRECTIONS - 1)


def _vector(array: Array, d: Value) -> list[Value]:
    return [array[d * 3 + x] for x in range(3)]


def _cross(code: Code, a: list[Value], b: list[Value]) -> list[Value]:
    return [code.fma(a[i], b[j], -(a[j] * b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]


def _dot3(code: Code, a: list[Value], b: list[Value]) -> Value:
    return code.fma(a[0], b[0], code.fma(a[1], b[1], a[2] * b[2]))
