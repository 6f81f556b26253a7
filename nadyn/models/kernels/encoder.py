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
    length,
    record_size,
    write_record,
)
from nadyn.models.kernels.sums import cleared
from nadyn.models.kernels.table import Table

# Table, group of trajectories, atom, and its place among those that are in the networks at once.
_ARGUMENTS = (POINTER, INTEGER, INTEGER, INTEGER)


class Own:
    """The memory of one atom in one group, or of one group of atoms with lists."""

    def __init__(
        self,
        code: Code,
        *,
        row: Value,
        n_most: Value,
        n_runs: Value,
        atom: Value,
        n_radial: int,
        n_channels: int,
    ):
        self.code, self.n_radial, self.n_channels = code, n_radial, n_channels
        self.table = table = Table(code, code.arguments[0])
        self.pairs = table.vectors("pairs").at(row * n_most * record_size(n_radial))
        self.neighbours = table.integers("neighbours").at(row * n_most)
        self.counts = table.integers("counts").at(row * n_runs)
        self.mixed = table.vectors("mixed").at(row * (n_channels * N_COMPONENTS))
        self.atom = atom
        self.element = table.integers("element")[atom]
        self.n_inputs = table.integer("n_inputs")
        self.mixing = table.numbers("mixing").at(self.element * (self.n_inputs * (len(RANKS) * n_channels)))

    def record(self, pair: Value) -> Record:
        """Return the record of a pair."""
        return Record(self.pairs.at(pair * record_size(self.n_radial)), self.n_radial)

    def sums_of(self, sums: Array, element: Value) -> Array:
        """Return the sums over neighbours of an element, or their derivatives."""
        return sums.at(element * (self.n_radial * N_SUMS))


def _own_of(code: Code, n_radial: int, n_channels: int) -> Own:
    """Return the memory of the atom that the arguments name."""
    table, (group, atom) = Table(code, code.arguments[0]), code.arguments[1:3]
    n_atoms = table.integer("n_atoms")
    return Own(
        code,
        row=group * n_atoms + atom,
        n_most=n_atoms - 1,
        n_runs=table.integer("n_runs"),
        atom=atom,
        n_radial=n_radial,
        n_channels=n_channels,
    )


class Seen:
    """What an atom sees while its pairs are gone through: its nearest neighbour, and sums beside channels."""

    def __init__(self, own: Own):
        code, self.own = own.code, own
        self.radial = own.table.numbers("radial")
        self.nearest = code.variable(code.lanes(self.radial[CUTOFF]))
        self.in_plane, self.repelled = code.zeros(6), code.variable(code.lanes(0.0))

    def near(self, r: Value) -> None:
        """Take note of a distance."""
        self.nearest.set(self.own.code.choose(r.compared("<", self.nearest.get()), r, self.nearest.get()))

    def add(self, difference: list[Value], r: Value, number: Value, other: Value) -> None:
        """Write the record of a pair with an element, and add what does not go through channels."""
        own, table = self.own, self.own.table
        record = own.record(number)
        write_record(own.code, difference, r, self.radial, record, own.n_radial)
        with own.code.where(table.integer("has_in_plane").compared("!=", 0)):
            add_in_plane(own.code, record, self.in_plane)
        with own.code.where(table.integer("has_repulsion").compared("!=", 0)):
            pair = own.element * table.integer("n_elements") + other
            add_repulsion(own.code, record, r, table.numbers("repulsion").at(pair * N_NUMBERS), self.repelled)

    @property
    def others(self) -> list[Value]:
        """Sums that do not come from the networks."""
        return [total.get() for total in (*self.in_plane, self.repelled)]


def write_encode(
    module: ir.Module, machine: Machine, n_radial: int, n_channels: int, *, heard: bool
) -> ir.Function:
    """Write the way from positions to standardised descriptors, and the novelty; more may be heard later."""
    code = Code(module, "encode", _ARGUMENTS, machine.shape)
    own = _own_of(code, n_radial, n_channels)
    table, atom, seen = own.table, own.atom, Seen(own)
    places = table.vectors("place").seen_as(machine.shape.doubles)
    sums, totals = table.vectors("sums"), table.vectors("totals").seen_as(machine.shape.doubles)
    cleared(code, sums, own.n_inputs * N_SUMS)
    n_pairs = code.variable(code.integer(0))
    with code.loop(table.integer("n_runs")) as run:
        before = n_pairs.get()
        with code.loop(table.integers("run_stop")[run], table.integers("run_start")[run]) as other:
            with code.where(other.compared("!=", atom)):
                difference = [code.lanes(places[other * 3 + x] - places[atom * 3 + x]) for x in range(3)]
                r = length(code, difference)
                seen.near(r)
                # True of NaN: it has to show.
                beyond = r.compared(">=", code.lanes(seen.radial[CUTOFF]))
                inside = Value(code, code.builder.not_(beyond.ir))
                with code.where(code.any_lane(inside)):
                    number = n_pairs.get()
                    seen.add(difference, r, number, table.integers("element")[other])
                    own.neighbours[number] = other
                    n_pairs.set(number + 1)
        own.counts[run] = n_pairs.get()
        of_element = own.sums_of(sums, table.integers("run_element")[run])
        with code.where(n_pairs.get().compared(">", before)):
            add_to_sums(code, own.pairs, before, n_pairs.get(), of_element, n_radial)
    for k, total in enumerate(seen.others):
        place = table.integer("n_components") - (N_OTHERS - k)
        totals[place] = totals[place] + code.doubles(total)
    write_inputs(own, sums, code.arguments[3], seen.nearest.get(), heard=heard)
    return code.finish()


def write_inputs(own: Own, sums: Array, slot: Value, nearest: Value, *, heard: bool) -> None:
    """Write how sums become channels and standardised descriptors, and the novelty."""
    code, table, n_channels = own.code, own.table, own.n_channels
    mix(code, sums, own.mixing, own.mixed, own.n_inputs, n_channels)
    features = Features(code, table, own.atom, table.vectors("inputs").at(slot * table.integer("n_padded")))
    with code.loop(own.n_inputs) as k:
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
    own = _own_of(code, n_radial, n_channels)
    dsums = write_inputs_back(own, code.arguments[3], heard=heard)
    _pairs_back(own, dsums)
    return code.finish()


def write_inputs_back(own: Own, slot: Value, *, heard: bool) -> Array:
    """Write the way from derivatives in descriptors and channels to those in the sums, and return these."""
    code, table, n_channels = own.code, own.table, own.n_channels
    inputs = table.vectors("inputs").at(slot * table.integer("n_padded"))
    features = Features(code, table, own.atom, inputs, first=own.n_inputs)
    if not heard:
        features.turn(slot)
    dmixed = table.vectors("dmixed").at(slot * (n_channels * N_COMPONENTS))
    add_derivatives(code, own.mixed, dmixed, n_channels, features.read)
    dsums = table.vectors("sums")
    mix_back(code, dmixed, own.mixing, dsums, own.n_inputs, n_channels)
    with code.loop(own.n_inputs) as k:
        dsums[k * N_SUMS + N_COMPONENTS] = features.of(k)
    return dsums


def _pairs_back(own: Own, dsums: Array) -> None:
    code, table = own.code, own.table
    dplaces = table.vectors("dplace").seen_as(code.shape.doubles)
    first = code.variable(code.integer(0))
    total = [code.variable(code.doubles(0.0)) for _ in range(3)]
    with code.loop(table.integer("n_runs")) as run:
        last, of_element = own.counts[run], own.sums_of(dsums, table.integers("run_element")[run])
        with code.loop(last, first.get()) as pair:
            gradient = pair_back(own, own.record(pair), of_element)
            other = own.neighbours[pair] * 3
            for x in range(3):
                exact = code.doubles(gradient[x])
                dplaces[other + x] = dplaces[other + x] + exact
                total[x].set(total[x].get() - exact)
        first.set(last)
    for x in range(3):
        place = own.atom * 3 + x
        dplaces[place] = dplaces[place] + total[x].get()


def pair_back(own: Own, record: Record, dsums: Array) -> list[Value]:
    """Return the derivative in the vector of a pair from those in the sums of its element."""
    code, table = own.code, own.table
    dtotals = table.vectors("dtotals").at(table.integer("n_components") - N_OTHERS)
    slope = code.variable(code.lanes(0.0))
    components = []
    for low in range(0, N_COMPONENTS, 5):
        turned, stretched = code.zeros(5), code.zeros(5)
        with code.loop(own.n_radial) as k:
            value, its_slope = record.values[k], record.slopes[k]
            row = dsums.at(k * N_SUMS + low)
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
    return gradient_of_pair(code, record, slope.get(), components, given)
