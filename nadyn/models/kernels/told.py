"""What one atom tells its neighbours, and back: with trajectories as lanes.

What `encoders.equivariant.EquivariantMessages` tells: scalars of the descriptors, as the networks read them,
and the vectors and tensors among the channels. Numbered (component, channel).
"""

from llvmlite import ir

from nadyn.models.kernels.clebsch_gordan import N_DIRECTED, N_TOLD
from nadyn.models.kernels.exponential import silu
from nadyn.models.kernels.language import INTEGER, POINTER, Code
from nadyn.models.kernels.layers import Machine
from nadyn.models.kernels.pairs import N_COMPONENTS
from nadyn.models.kernels.sums import tile_of
from nadyn.models.kernels.table import Table

# Table, group of trajectories, atom.
_ARGUMENTS = (POINTER, INTEGER, INTEGER)


class _Teller:
    """The memory and the weights of one atom."""

    def __init__(self, code: Code, n_channels: int):
        table = Table(code, code.arguments[0])
        group, atom = code.arguments[1:]
        row = group * table.integer("n_atoms") + atom
        element = table.integers("element")[atom]
        self.n_seen = table.integer("n_seen")
        self.told = table.vectors("told").at(row * (N_TOLD * n_channels))
        self.slopes = table.vectors("told_slopes").at(row * n_channels)
        self.inputs = table.vectors("inputs").at(atom * table.integer("n_padded"))
        self.mixed = table.vectors("mixed").at(row * (n_channels * N_COMPONENTS))
        self.dmixed = table.vectors("dmixed").at(atom * (n_channels * N_COMPONENTS))
        self.dtold = table.vectors("dtold").at(atom * (N_TOLD * n_channels))
        self.weights = table.numbers("tell").at(element * self.n_seen * n_channels)
        self.bias = table.numbers("tell_bias").at(element * n_channels)
        factors = table.numbers("tell_factors").at(element * 2)
        self.factors = [factors[0]] * 3 + [factors[1]] * (N_DIRECTED - 3)


def write_tell(module: ir.Module, machine: Machine, n_channels: int) -> ir.Function:
    """Write the way from descriptors and channels to what is told."""
    code = Code(module, "tell", _ARGUMENTS, machine.shape)
    own = _Teller(code, n_channels)
    tile = tile_of(n_channels)
    with code.loop(n_channels, 0, tile) as c:
        totals = [code.variable(code.lanes(own.bias[c + t])) for t in range(tile)]
        with code.loop(own.n_seen) as feature:
            value, row = own.inputs[feature], own.weights.at(feature * n_channels + c)
            for t, total in enumerate(totals):
                total.add(code.lanes(row[t]), value)
        for t, total in enumerate(totals):
            own.told[c + t], own.slopes[c + t] = silu(code, total.get())
    with code.loop(n_channels) as c:
        for number, factor in enumerate(own.factors):
            own.told[c + (number + 1) * n_channels] = own.mixed[c * N_COMPONENTS + number] * factor
    return code.finish()


def write_tell_back(module: ir.Module, machine: Machine, n_channels: int) -> ir.Function:
    """Write how derivatives in descriptors and channels are added from those in what is told."""
    code = Code(module, "tell_back", _ARGUMENTS, machine.shape)
    own = _Teller(code, n_channels)
    with code.loop(n_channels) as c:
        own.dtold[c] = own.dtold[c] * own.slopes[c]
        for number, factor in enumerate(own.factors):
            place = c * N_COMPONENTS + number
            given = own.dtold[c + (number + 1) * n_channels]
            own.dmixed[place] = code.fma(given, code.lanes(factor), own.dmixed[place])
    with code.loop(own.n_seen) as feature:
        row = own.weights.at(feature * n_channels)
        total = code.variable(own.inputs[feature])
        with code.loop(n_channels) as c:
            total.add(code.lanes(row[c]), own.dtold[c])
        own.inputs[feature] = total.get()
    return code.finish()
