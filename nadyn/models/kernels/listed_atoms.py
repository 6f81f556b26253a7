"""A group of atoms of one element, each with a list of its own neighbours: atoms are the lanes.

A list holds more than the neighbours: every pair is measured in float64, and those within the cutoff are kept
in the order of the list, so that the numbers of an atom do not depend on how the list was made, nor on the
atoms beside it. Lists of unlike lengths are filled up with neighbours beyond the cutoff, which add zeros.
"""

from llvmlite import ir

from nadyn.models.kernels.encoder import Own, Seen, pair_back, write_inputs, write_inputs_back
from nadyn.models.kernels.language import INTEGER, POINTER, Code, Value
from nadyn.models.kernels.latent import N_OTHERS
from nadyn.models.kernels.layers import Machine
from nadyn.models.kernels.moments import N_SUMS, add_to_sums
from nadyn.models.kernels.pairs import CUTOFF, length
from nadyn.models.kernels.sums import cleared
from nadyn.models.kernels.table import Table

# Table, the first of the centres, which group of those in the networks at once, and how many centres.
ARGUMENTS = (POINTER, INTEGER, INTEGER, INTEGER)


def _own_of(code: Code, n_radial: int, n_channels: int) -> Own:
    table, (first, slot) = Table(code, code.arguments[0]), code.arguments[1:3]
    return Own(
        code,
        row=slot,
        n_most=table.integer("n_most"),
        n_runs=table.integer("n_kinds"),
        atom=table.integers("centres")[first],
        n_radial=n_radial,
        n_channels=n_channels,
    )


class _Lists:
    """The neighbours of each lane: who they are, how they are moved, and how many there are."""

    def __init__(self, code: Code, table: Table):
        lanes, (first, slot) = code.shape.lanes, code.arguments[1:3]
        n_most, n_kinds = table.integer("n_most"), table.integer("n_kinds")
        self.centres = table.integers("centres").at(first)
        self.atoms = table.integers("neighbours").at(slot * n_most * lanes)
        self.shifts = table.integers("shifts").at(slot * n_most * lanes)
        self.ends = table.integers("ends").at(slot * n_kinds * lanes)
        self.differences = table.vectors("difference")
        self.numbers = table.numbers("difference")


def write_encode(module: ir.Module, machine: Machine, n_radial: int, n_channels: int) -> ir.Function:
    """Write the way from positions and lists to standardised descriptors, and the novelty."""
    code = Code(module, "encode_listed", ARGUMENTS, machine.shape)
    own = _own_of(code, n_radial, n_channels)
    table, seen, lists = own.table, Seen(own), _Lists(code, own.table)
    sums = cleared(code, table.vectors("sums"), own.n_inputs * N_SUMS)
    end = code.variable(code.integer(0))
    with code.loop(table.integer("n_kinds")) as kind:
        start = end.get()
        end.set(_write_pairs(code, table, lists, kind, start))
        own.counts[kind] = end.get()
        element = table.integers("kind_element")[kind]
        with code.loop(end.get(), start) as pair:
            difference = [lists.differences[pair * 3 + x] for x in range(3)]
            r = length(code, difference)
            seen.near(r)
            seen.add(difference, r, pair, element)
        with code.where(end.get().compared(">", start)):
            add_to_sums(code, own.pairs, start, end.get(), own.sums_of(sums, element), n_radial)
    beside = table.vectors("beside").at(code.arguments[2] * N_OTHERS)
    for k, total in enumerate(seen.others):
        beside[k] = total
    write_inputs(own, sums, code.arguments[2], seen.nearest.get(), heard=False)
    return code.finish()


def _write_pairs(code: Code, table: Table, lists: _Lists, kind: Value, start: Value) -> Value:
    """Set the vectors to the neighbours of one element from a place on, and return where the longest ends."""
    lanes, n_used = code.shape.lanes, code.arguments[3]
    n_kinds, double = table.integer("n_kinds"), ir.DoubleType()
    places, moved = table.float64s("positions"), table.float64s("moved")
    others, shift, first = table.shorts("others"), table.shorts("shift"), table.integers("first")
    cutoff = code.of_type(table.numbers("radial")[CUTOFF], double)
    most, squared = code.variable(start), cutoff * cutoff
    with code.loop(n_used) as lane:
        centre, n = lists.centres[lane], code.variable(start)
        own = [places[centre * 3 + x] for x in range(3)]
        row = first.at(centre * n_kinds + kind)
        with code.loop(row[1], row[0]) as entry:
            other, step = others[entry], shift[entry]
            way = [(places[other * 3 + x] - own[x]) + moved[step * 3 + x] for x in range(3)]
            square = way[0] * way[0] + way[1] * way[1] + way[2] * way[2]
            # Written whether it is near or not: the next one takes the place of what is not.
            number = n.get()
            for x in range(3):
                lists.numbers[(number * 3 + x) * lanes + lane] = way[x]
            lists.atoms[number * lanes + lane] = other
            lists.shifts[number * lanes + lane] = step
            n.set(code.choose(square.compared("<", squared), number + 1, number))
        lists.ends[kind * lanes + lane] = n.get()
        most.set(code.choose(n.get().compared(">", most.get()), n.get(), most.get()))
    with code.loop(lanes) as lane:
        filled = code.variable(start)
        with code.where(lane.compared("<", n_used)):
            filled.set(lists.ends[kind * lanes + lane])
        with code.loop(most.get(), filled.get()) as number:
            for x, value in enumerate((cutoff * 2.0, 0.0, 0.0)):
                lists.numbers[(number * 3 + x) * lanes + lane] = value
    return most.get()


def write_encode_back(module: ir.Module, machine: Machine, n_radial: int, n_channels: int) -> ir.Function:
    """Write the way from derivatives in the descriptors, and in channels and sums beside, to positions."""
    code = Code(module, "encode_listed_back", ARGUMENTS, machine.shape)
    own = _own_of(code, n_radial, n_channels)
    table, lists = own.table, _Lists(code, own.table)
    dsums = write_inputs_back(own, code.arguments[2], heard=False)
    first = code.variable(code.integer(0))
    with code.loop(table.integer("n_kinds")) as kind:
        last, of_element = own.counts[kind], own.sums_of(dsums, table.integers("kind_element")[kind])
        with code.loop(last, first.get()) as pair:
            gradient = pair_back(own, own.record(pair), of_element)
            for x, value in enumerate(gradient):
                lists.differences[pair * 3 + x] = value
        first.set(last)
    _add_gradients(code, table, own, lists)
    return code.finish()


def _add_gradients(code: Code, table: Table, own: Own, lists: _Lists) -> None:
    """Add the derivatives in the vectors of all pairs to those in positions and in moved cells.

    One atom after the other, so that the order does not depend on the number of lanes.
    """
    lanes, n_used = code.shape.lanes, code.arguments[3]
    gradient, of_shift = table.float64s("gradient"), table.float64s("of_shift")
    n_kinds, double = table.integer("n_kinds"), ir.DoubleType()
    with code.loop(n_used) as lane:
        total = [code.variable(code.of_type(0.0, double)) for _ in range(3)]
        start = code.variable(code.integer(0))
        with code.loop(n_kinds) as kind:
            with code.loop(lists.ends[kind * lanes + lane], start.get()) as pair:
                place = pair * lanes + lane
                target, moved = gradient.at(lists.atoms[place] * 3), of_shift.at(lists.shifts[place] * 3)
                for x in range(3):
                    exact = code.of_type(lists.numbers[(pair * 3 + x) * lanes + lane], double)
                    target[x] = target[x] + exact
                    moved[x] = moved[x] + exact
                    total[x].set(total[x].get() - exact)
            start.set(own.counts[kind])
        target = gradient.at(lists.centres[lane] * 3)
        for x in range(3):
            target[x] = target[x] + total[x].get()
