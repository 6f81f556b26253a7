"""What one atom hears from its neighbours: from what they tell to descriptors, and back.

What `encoders.equivariant.EquivariantMessages` hears, with trajectories as lanes. What is heard is held as
the scalars of all channels, then (channel, 8): a vector and a tensor each.
"""

from llvmlite import ir

from nadyn.models.kernels.clebsch_gordan import (
    FIRST_OF_RANK,
    N_DIRECTED,
    N_PATHS,
    N_TOLD,
    start_of_rank,
    write_products,
    write_products_back,
)
from nadyn.models.kernels.inputs import Features, write_novelty
from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Value, Variable
from nadyn.models.kernels.layers import Machine
from nadyn.models.kernels.moments import HEARD, add_derivatives, write_invariants
from nadyn.models.kernels.pairs import N_COMPONENTS, Record, gradient_of_pair, record_size
from nadyn.models.kernels.sums import cleared, dot, tile_of
from nadyn.models.kernels.table import Table

# Table, group of trajectories, atom, and its place among those that are in the networks at once.
_ARGUMENTS = (POINTER, INTEGER, INTEGER, INTEGER)
_RANK_OF_TOLD = (0, 1, 1, 1, 2, 2, 2, 2, 2)


class _Listener:
    """The memory and the weights of one atom in one group."""

    def __init__(self, code: Code, n_radial: int, n_channels: int):
        self.code, self.n_radial, self.n = code, n_radial, n_channels
        self.table = table = Table(code, code.arguments[0])
        self.group, self.atom, self.slot = code.arguments[1:]
        n_atoms = table.integer("n_atoms")
        row = self.group * n_atoms + self.atom
        self.pairs = table.vectors("pairs").at(row * (n_atoms - 1) * record_size(n_radial))
        self.neighbours = table.integers("neighbours").at(row * (n_atoms - 1))
        self.counts = table.integers("counts").at(row * table.integer("n_runs"))
        self.heard = table.vectors("heard").at(row * (N_TOLD * n_channels))
        self.element = table.integers("element")[self.atom]
        self.sums, self.products = table.vectors("heard_sums"), table.vectors("heard_products")
        self.weights, self.dweights = table.vectors("pair_weights"), table.vectors("dpair_weights")
        size = n_channels * n_channels * sum(N_PATHS)
        self.paths = table.numbers("paths").at(self.element * size)
        self.inputs = table.vectors("inputs").at(self.atom * table.integer("n_padded"))

    def told_of(self, name: str, row: Value) -> Array:
        """Return what an atom tells, or its derivatives."""
        return self.table.vectors(name).at(row * (N_TOLD * self.n))

    def radial(self, element: Value) -> Array:
        """Return the radial weights of pairs with an element."""
        pair = self.element * self.table.integer("n_elements") + element
        return self.table.numbers("heard_radial").at(pair * (self.n_radial * 3 * self.n))

    def path_weights(self, rank: int) -> Array:
        """Return the weights of the paths of a rank: (path and channel, channel)."""
        return self.paths.at(self.n * self.n * sum(N_PATHS[:rank]))

    def record(self, pair: Value) -> Record:
        """Return the record of a pair."""
        return Record(self.pairs.at(pair * record_size(self.n_radial)), self.n_radial)

    def directions(self, record: Record) -> list[Value]:
        """Return the nine components of the direction of a pair."""
        return [self.code.lanes(1.0), *(record.components[k] for k in range(N_DIRECTED))]

    def set_weights(self, record: Record, radial: Array) -> None:
        """Set the weights of the three ranks, of all channels, of a pair."""
        code, width = self.code, 3 * self.n
        tile = tile_of(width)
        with code.loop(width, 0, tile) as first:
            totals = code.zeros(tile)
            with code.loop(self.n_radial) as k:
                value, row = record.values[k], radial.at(k * width + first)
                for t, total in enumerate(totals):
                    total.add(code.lanes(row[t]), value)
            for t, total in enumerate(totals):
                self.weights[first + t] = total.get()

    def heard_of(self, heard: Array, rank: int, channel: Value) -> list[tuple[Array, Value]]:
        """Return where the components of a rank of a channel are."""
        if rank == 0:
            return [(heard, channel)]
        first = channel * N_DIRECTED + (self.n + FIRST_OF_RANK[rank])
        return [(heard, first + component) for component in range(2 * rank + 1)]


def write_hear(module: ir.Module, machine: Machine, n_radial: int, n_channels: int) -> ir.Function:
    """Write the way from what neighbours tell to standardised descriptors, and the novelty."""
    code = Code(module, "hear", _ARGUMENTS, machine.shape)
    own = _Listener(code, n_radial, n_channels)
    table = own.table
    cleared(code, own.sums, N_TOLD**2 * n_channels)
    first = code.variable(code.integer(0))
    with code.loop(table.integer("n_runs")) as run:
        last, radial = own.counts[run], own.radial(table.integers("run_element")[run])
        with code.loop(last, first.get()) as pair:
            record = own.record(pair)
            own.set_weights(record, radial)
            other = own.group * table.integer("n_atoms") + own.neighbours[pair]
            told, directions = own.told_of("told", other), own.directions(record)
            with code.loop(n_channels) as c:
                for t, rank in enumerate(_RANK_OF_TOLD):
                    weighed = own.weights[c + rank * n_channels] * told[c + t * n_channels]
                    for d, direction in enumerate(directions):
                        place = c + (N_TOLD * d + t) * n_channels
                        own.sums[place] = code.fma(direction, weighed, own.sums[place])
        first.set(last)
    write_products(code, own.sums, own.products, n_channels)
    _mix(own)
    features = Features(code, table, own.atom, own.inputs, first=table.integer("n_seen"))
    with code.loop(n_channels) as c:
        features.write(own.heard[c])
    write_invariants(code, own.heard.at(n_channels), n_channels, features.write, HEARD)
    strange = table.vectors("strange").at(own.atom * 2)
    write_novelty(code, table, features.outside.get() + strange[0], strange[1])
    return code.finish()


def _mix(own: _Listener) -> None:
    """Set what is heard: for each rank a product of the weights of its paths and the products."""
    code, n = own.code, own.n
    for rank, n_paths in enumerate(N_PATHS):
        width, weights = 2 * rank + 1, own.path_weights(rank)
        products = own.products.at(start_of_rank(rank, n))
        with code.loop(n) as e:
            totals = code.zeros(width)
            with code.loop(n_paths * n) as i:
                factor = code.lanes(weights[i * n + e])
                for component, total in enumerate(totals):
                    total.add(factor, products[i * width + component])
            for (array, place), total in zip(own.heard_of(own.heard, rank, e), totals, strict=True):
                array[place] = total.get()


def write_hear_back(module: ir.Module, machine: Machine, n_radial: int, n_channels: int) -> ir.Function:
    """Write the way from derivatives in the descriptors to those in positions and in what is told.

    Those in the directions of what is heard are in `dheard` before. All derivatives in the inputs of the
    network become rows of trajectories in `inputs`; those of the first layer are left there.
    """
    code = Code(module, "hear_back", _ARGUMENTS, machine.shape)
    own = _Listener(code, n_radial, n_channels)
    table = own.table
    features = Features(code, table, own.atom, own.inputs, first=table.integer("n_seen"))
    features.turn(own.atom)
    dheard = table.vectors("dheard").at(own.slot * (N_TOLD * n_channels))
    with code.loop(n_channels) as c:
        dheard[c] = dheard[c] + features.read()
    at_directed = (own.heard.at(n_channels), dheard.at(n_channels))
    add_derivatives(code, *at_directed, n_channels, features.read, HEARD)
    _mix_back(own, dheard)
    write_products_back(code, own.products, own.sums, n_channels)
    first = code.variable(code.integer(0))
    total = [code.variable(code.doubles(0.0)) for _ in range(3)]
    dplaces = table.vectors("dplace").seen_as(machine.shape.doubles)
    with code.loop(table.integer("n_runs")) as run:
        last, radial = own.counts[run], own.radial(table.integers("run_element")[run])
        with code.loop(last, first.get()) as pair:
            other = own.neighbours[pair]
            gradient = _pair_back(own, own.record(pair), radial, other)
            for x, part in enumerate(gradient):
                exact, place = code.doubles(part), other * 3 + x
                dplaces[place] = dplaces[place] + exact
                total[x].set(total[x].get() - exact)
        first.set(last)
    for x in range(3):
        place = own.atom * 3 + x
        dplaces[place] = dplaces[place] + total[x].get()
    return code.finish()


def _mix_back(own: _Listener, dheard: Array) -> None:
    """Set the derivatives in the products from those in what is heard."""
    code, n = own.code, own.n
    for rank, n_paths in enumerate(N_PATHS):
        width, weights = 2 * rank + 1, own.path_weights(rank)
        dproducts = own.products.at(start_of_rank(rank, n))
        with code.loop(n_paths * n) as i:
            totals = code.zeros(width)
            with code.loop(n) as e:
                factor = code.lanes(weights[i * n + e])
                for total, (array, place) in zip(totals, own.heard_of(dheard, rank, e), strict=True):
                    total.add(factor, array[place])
            for component, total in enumerate(totals):
                dproducts[i * width + component] = total.get()


def _pair_back(own: _Listener, record: Record, radial: Array, other: Value) -> list[Value]:
    """Add the derivatives in what a neighbour tells, and return that in the vector of the pair."""
    code, n, table = own.code, own.n, own.table
    own.set_weights(record, radial)
    told = own.told_of("told", own.group * table.integer("n_atoms") + other)
    dtold, directions = own.told_of("dtold", other), own.directions(record)
    turned: list[Variable] = code.zeros(N_DIRECTED)
    with code.loop(n) as c:
        of_weights = [code.lanes(0.0)] * 3
        for t, rank in enumerate(_RANK_OF_TOLD):
            given = [own.sums[c + (N_TOLD * d + t) * n] for d in range(N_TOLD)]
            value, weight = told[c + t * n], own.weights[c + rank * n]
            dweighed = dot(code, given, directions)
            of_weights[rank] = code.fma(dweighed, value, of_weights[rank])
            dtold[c + t * n] = code.fma(dweighed, weight, dtold[c + t * n])
            weighed = weight * value
            for variable, one in zip(turned, given[1:], strict=True):
                variable.add(one, weighed)
        for rank, derivative in enumerate(of_weights):
            own.dweights[c + rank * n] = derivative
    slope = code.variable(code.lanes(0.0))
    width = 3 * n
    tile = tile_of(width)
    with code.loop(own.n_radial) as k:
        totals, row = code.zeros(tile), radial.at(k * width)
        with code.loop(width, 0, tile) as first:
            for t, total in enumerate(totals):
                total.add(code.lanes(row[first + t]), own.dweights[first + t])
        for total in totals:
            slope.add(total.get(), record.slopes[k])
    nothing = code.lanes(0.0)
    components = [variable.get() for variable in turned] + [nothing] * (N_COMPONENTS - N_DIRECTED)
    return gradient_of_pair(code, record, slope.get(), components, [nothing] * 6)
