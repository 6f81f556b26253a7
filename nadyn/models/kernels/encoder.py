"""One atom: from the positions to the inputs of its network, and back."""

from llvmlite import ir

from nadyn.models.kernels.close_pairs import N_NUMBERS, add_repulsion
from nadyn.models.kernels.inputs import Features, write_covered, write_novelty
from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Value
from nadyn.models.kernels.latent import N_OTHERS
from nadyn.models.kernels.layers import Machine
from nadyn.models.kernels.moments import (
    N_SUMS,
    add_derivatives,
    add_to_sums,
    mix,
    mix_back,
    write_invariants,
)
from nadyn.models.kernels.pairs import (
    CUTOFF,
    N_COMPONENTS,
    RANKS,
    Record,
    add_in_plane,
    gradient_of_pair,
    record_size,
    write_record,
)
from nadyn.models.kernels.table import Table

# Table, group of trajectories, atom, and its place among those that are in the networks at once.
_ARGUMENTS = (POINTER, INTEGER, INTEGER, INTEGER)


class _Own:
    """The memory of one atom in one group."""

    def __init__(self, code: Code, table: Table, group: Value, atom: Value, n_radial: int, n_channels: int):
        n_atoms = table.integer("n_atoms")
        row = group * n_atoms + atom
        self.pairs = table.vectors("pairs").at(row * (n_atoms - 1) * record_size(n_radial))
        self.neighbours = table.integers("neighbours").at(row * (n_atoms - 1))
        self.counts = table.integers("counts").at(row * table.integer("n_runs"))
        self.mixed = table.vectors("mixed").at(row * (n_channels * N_COMPONENTS))
        self.mixing = table.numbers("mixing")
        self.atom = atom
        self.element = table.integers("element")[atom]


def write_encode(
    module: ir.Module, machine: Machine, n_radial: int, n_channels: int, *, heard: bool
) -> ir.Function:
    """Write the way from positions to standardised descriptors, and the novelty; more may be heard later."""
    code = Code(module, "encode", _ARGUMENTS, machine.shape)
    table = Table(code, code.arguments[0])
    group, atom, slot = code.arguments[1:]
    n_inputs = table.integer("n_inputs")
    own = _Own(code, table, group, atom, n_radial, n_channels)
    places, radial = table.vectors("place").seen_as(machine.shape.doubles), table.numbers("radial")
    sums, totals = table.vectors("sums"), table.vectors("totals").seen_as(machine.shape.doubles)
    with code.loop(n_inputs * N_SUMS) as k:
        sums[k] = code.lanes(0.0)
    nearest = code.variable(code.lanes(radial[CUTOFF]))
    in_plane, repelled = code.zeros(6), code.variable(code.lanes(0.0))
    repulsion, n_elements = table.numbers("repulsion"), table.integer("n_elements")
    n_pairs = code.variable(code.integer(0))
    with code.loop(table.integer("n_runs")) as run:
        before = n_pairs.get()
        with code.loop(table.integers("run_stop")[run], table.integers("run_start")[run]) as other:
            with code.where(other.compared("!=", atom)):
                difference = [code.lanes(places[other * 3 + x] - places[atom * 3 + x]) for x in range(3)]
                x, y, z = difference
                r = code.root(code.fma(x, x, code.fma(y, y, z * z)))
                nearest.set(code.choose(r.compared("<", nearest.get()), r, nearest.get()))
                # True of NaN: it has to show.
                beyond = r.compared(">=", code.lanes(radial[CUTOFF]))
                inside = Value(code, code.builder.not_(beyond.ir))
                with code.where(code.any_lane(inside)):
                    number = n_pairs.get()
                    record = Record(own.pairs.at(number * record_size(n_radial)), n_radial)
                    write_record(code, difference, r, radial, record, n_radial)
                    with code.where(table.integer("has_in_plane").compared("!=", 0)):
                        add_in_plane(code, record, in_plane)
                    with code.where(table.integer("has_repulsion").compared("!=", 0)):
                        pair = own.element * n_elements + table.integers("element")[other]
                        add_repulsion(code, record, r, repulsion.at(pair * N_NUMBERS), repelled)
                    own.neighbours[number] = other
                    n_pairs.set(number + 1)
        own.counts[run] = n_pairs.get()
        element = table.integers("run_element")[run]
        with code.where(n_pairs.get().compared(">", before)):
            of_element = sums.at(element * (n_radial * N_SUMS))
            add_to_sums(code, own.pairs, before, n_pairs.get(), of_element, n_radial)
    for k, total in enumerate((*in_plane, repelled)):
        place = table.integer("n_components") - (N_OTHERS - k)
        totals[place] = totals[place] + code.doubles(total.get())
    size_of_mixing = n_inputs * (len(RANKS) * n_channels)
    mix(code, sums, own.mixing.at(own.element * size_of_mixing), own.mixed, n_inputs, n_channels)
    _write_inputs(code, table, own, sums, slot, nearest.get(), n_channels, heard=heard)
    return code.finish()


def _write_inputs(
    code: Code,
    table: Table,
    own: _Own,
    sums: Array,
    slot: Value,
    nearest: Value,
    n_channels: int,
    *,
    heard: bool,
) -> None:
    n_padded = table.integer("n_padded")
    features = Features(code, table, own.atom, table.vectors("inputs").at(slot * n_padded))
    with code.loop(table.integer("n_inputs")) as k:
        features.write(sums[k * N_SUMS + N_COMPONENTS])
    write_invariants(code, own.mixed, n_channels, features.write)
    covered = write_covered(code, table, own.element, nearest)
    if not heard:
        write_novelty(code, table, features.outside.get(), covered)
        return
    strange = table.vectors("strange").at(own.atom * 2)
    strange[0], strange[1] = features.outside.get(), covered


def write_encode_back(
    module: ir.Module, machine: Machine, n_radial: int, n_channels: int, *, heard: bool
) -> ir.Function:
    """Write the way from derivatives in the descriptors, and in channels and in-plane sums, to positions.

    Where more was heard, those in the descriptors are lanes already.
    """
    code = Code(module, "encode_back", _ARGUMENTS, machine.shape)
    table = Table(code, code.arguments[0])
    group, atom, slot = code.arguments[1:]
    n_inputs = table.integer("n_inputs")
    own = _Own(code, table, group, atom, n_radial, n_channels)
    inputs = table.vectors("inputs").at(slot * table.integer("n_padded"))
    features = Features(code, table, atom, inputs, first=n_inputs)
    if not heard:
        features.turn(slot)
    dmixed = table.vectors("dmixed").at(slot * (n_channels * N_COMPONENTS))
    add_derivatives(code, own.mixed, dmixed, n_channels, features.read)
    dsums = table.vectors("sums")
    size_of_mixing = n_inputs * (len(RANKS) * n_channels)
    mix_back(code, dmixed, own.mixing.at(own.element * size_of_mixing), dsums, n_inputs, n_channels)
    with code.loop(n_inputs) as k:
        dsums[k * N_SUMS + N_COMPONENTS] = features.of(k)
    _pairs_back(code, table, own, dsums, atom, n_radial)
    return code.finish()


def _pairs_back(code: Code, table: Table, own: _Own, dsums: Array, atom: Value, n_radial: int) -> None:
    doubles = code.shape.doubles
    dplaces = table.vectors("dplace").seen_as(doubles)
    dtotals = table.vectors("dtotals").at(table.integer("n_components") - N_OTHERS)
    first = code.variable(code.integer(0))
    total = [code.variable(code.doubles(0.0)) for _ in range(3)]
    with code.loop(table.integer("n_runs")) as run:
        last = own.counts[run]
        of_element = dsums.at(table.integers("run_element")[run] * (n_radial * N_SUMS))
        with code.loop(last, first.get()) as pair:
            record = Record(own.pairs.at(pair * record_size(n_radial)), n_radial)
            slope = code.variable(code.lanes(0.0))
            components = []
            for low in range(0, N_COMPONENTS, 5):
                turned, stretched = code.zeros(5), code.zeros(5)
                with code.loop(n_radial) as k:
                    value, its_slope = record.values[k], record.slopes[k]
                    row = of_element.at(k * N_SUMS + low)
                    for z in range(5):
                        s = row[z]
                        turned[z].add(s, value)
                        stretched[z].add(s, its_slope)
                    if low == 0:
                        slope.add(row[N_COMPONENTS], its_slope)
                for z in range(5):
                    slope.add(stretched[z].get(), record.components[low + z])
                components += [variable.get() for variable in turned]
            given = [dtotals[k] for k in range(6)]
            slope.add(dtotals[6], record.rest[3])
            gradient = gradient_of_pair(code, record, slope.get(), components, given)
            other = own.neighbours[pair] * 3
            for x in range(3):
                exact = code.doubles(gradient[x])
                dplaces[other + x] = dplaces[other + x] + exact
                total[x].set(total[x].get() - exact)
        first.set(last)
    for x in range(3):
        place = atom * 3 + x
        dplaces[place] = dplaces[place] + total[x].get()
