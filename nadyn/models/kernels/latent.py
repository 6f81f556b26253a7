"""From the outputs of one atom to its share in the sums of which W is made, and back.

What `matrix.equivariant_matrix.EquivariantMatrix` computes, with trajectories as lanes. Sums are those of its
table of kinds in their order, then others.
"""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.clebsch_gordan import N_DIRECTED
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


@dataclass(frozen=True)
class _Channels:
    """Channels of vectors and tensors: where they are, how many numbers each has, and which come before.

    Attributes:
        array: Of which the components of a vector and a tensor are the first numbers of each.
        derivatives: In the same order; None on the way forwards.
        size: Numbers of each.
        first: Number of the first among all channels.
    """

    array: Array
    derivatives: Array | None
    size: int
    first: int


def _channels_of(
    code: Code, arrays: list[Value], n_channels: int, *, heard: bool, back: bool
) -> list[_Channels]:
    """Return the channels of the first layer and, where there are some, those of what is heard."""
    arrays = [Array(code, argument.ir, code.shape.vector) for argument in arrays]
    pairs = list(zip(arrays[::2], arrays[1::2], strict=True)) if back else [(one, None) for one in arrays]
    found = [_Channels(*pairs[0], N_COMPONENTS, 0)]
    if heard:
        # Scalars come before.
        directed = [None if one is None else one.at(n_channels) for one in pairs[1]]
        found.append(_Channels(*directed, N_DIRECTED, n_channels))
    return found


def write_add_share(module: ir.Module, shape: Shape, n_channels: int, *, heard: bool) -> ir.Function:
    """Write how the share of one atom is added to the float64 sums of its trajectories.

    Arguments: table, element, outputs of its network in lanes, its channels and, with messages, what it
    heard.
    """
    code = Code(module, "add_share", (POINTER, INTEGER, POINTER, *(POINTER,) * (1 + heard)), shape)
    table, element = Table(code, code.arguments[0]), code.arguments[1]
    outputs = Array(code, code.arguments[2].ir, shape.vector)
    channels = _channels_of(code, code.arguments[3:], n_channels, heard=heard, back=False)
    sources, sums = table.vectors("sources"), table.vectors("totals").seen_as(shape.doubles)
    n = table.integer("n_invariant")
    with code.loop(n) as k:
        sums[k] = sums[k] + code.doubles(outputs[k])
    with code.where(table.integer("n_components").compared(">", n + N_OTHERS)):
        _write_sources(code, table, channels, element, sources, n_channels)
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


def write_share_back(module: ir.Module, shape: Shape, n_channels: int, *, heard: bool) -> ir.Function:
    """Write the derivatives in the outputs of one atom, and how those in its channels are added.

    Arguments: as in `write_add_share`, with the derivatives after the channels and after what was heard.
    """
    code = Code(module, "share_back", (POINTER, INTEGER, POINTER, *(POINTER,) * (2 + 2 * heard)), shape)
    table, element = Table(code, code.arguments[0]), code.arguments[1]
    outputs = Array(code, code.arguments[2].ir, shape.vector)
    channels = _channels_of(code, code.arguments[3:], n_channels, heard=heard, back=True)
    names = ("sources", "dsources", "dtotals", "doutputs")
    sources, dsources, dsums, doutputs = (table.vectors(name) for name in names)
    n = table.integer("n_invariant")
    with code.loop(n) as k:
        doutputs[k] = dsums[k]
    with code.where(table.integer("n_components").compared(">", n + N_OTHERS)):
        _write_sources(code, table, channels, element, sources, n_channels)
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
        _sources_back(code, table, sources, dsources, element, channels, n_channels)
    return code.finish()


def _write_sources(
    code: Code,
    table: Table,
    channels: list[_Channels],
    element: Value,
    sources: Array,
    n_channels: int,
) -> None:
    """Set the directions: learned sums of vectors and tensors, and products of neighbouring vectors."""
    for kind, name, first in (("polar", "vector_mixing", 0), ("tensor", "tensor_mixing", 3)):
        width, target = KINDS[kind], sources.at(_PLACES[kind])
        weights = table.numbers(name).at(element * (len(channels) * n_channels * N_DIRECTIONS))
        with code.loop(N_DIRECTIONS) as d:
            totals = code.zeros(width)
            for part in channels:
                with code.loop(n_channels) as c:
                    factor = code.lanes(weights[(c + part.first) * N_DIRECTIONS + d])
                    for x in range(width):
                        totals[x].add(factor, part.array[c * part.size + (first + x)])
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
    code: Code,
    table: Table,
    sources: Array,
    dsources: Array,
    element: Value,
    channels: list[_Channels],
    n_channels: int,
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
        weights = table.numbers(name).at(element * (len(channels) * n_channels * N_DIRECTIONS))
        for part in channels:
            with code.loop(n_channels) as c:
                row = part.derivatives.at(c * part.size + first)
                totals: list[Variable] = [code.variable(row[x]) for x in range(width)]
                with code.loop(N_DIRECTIONS) as d:
                    factor = code.lanes(weights[(c + part.first) * N_DIRECTIONS + d])
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
