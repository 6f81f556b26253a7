"""The program for atoms with lists of neighbours: crystals, liquids, and structures of many atoms.

Some groups of atoms of one element are in the networks at once. Their derivatives follow while what they need
is still in the cache, so that memory does not grow with the number of atoms: what is asked to be derived, C
in Σ_ab C_ab W_ab, has to be known before. Sums over atoms are taken in float64, one atom after the other.
"""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels import listed_atoms
from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Value
from nadyn.models.kernels.latent import N_OTHERS, write_add_share, write_share_back
from nadyn.models.kernels.layers import Machine
from nadyn.models.kernels.network import write_networks
from nadyn.models.kernels.pairs import N_COMPONENTS
from nadyn.models.kernels.program import smaller, turned, turned_back
from nadyn.models.kernels.sums import cleared
from nadyn.models.kernels.table import Table

# Groups of atoms that are in the networks at once: enough that all products are of whole tiles, and few
# enough that the records of their pairs stay near.
N_GROUPS = 3

# Table, element, the first of the centres, and how many there are.
_ARGUMENTS = (POINTER, INTEGER, INTEGER, INTEGER)


@dataclass(frozen=True)
class _Parts:
    """Functions of one direction."""

    encode: ir.Function
    networks: ir.Function
    share: ir.Function


def write_listed_program(machine: Machine, n_radial: int, n_channels: int) -> ir.Module:
    """Return the program `listed`, of a table, for an encoder of this size.

    Args:
        machine: What it runs on.
        n_radial: Radial functions.
        n_channels: Channels.
    """
    module = ir.Module("nadyn_listed")
    networks, networks_back = write_networks(module, machine)
    shape, size = machine.shape, (n_radial, n_channels)
    there = _Parts(
        listed_atoms.write_encode(module, machine, *size),
        networks,
        write_add_share(module, shape, n_channels, heard=False),
    )
    back = _Parts(
        listed_atoms.write_encode_back(module, machine, *size),
        networks_back,
        write_share_back(module, shape, n_channels, heard=False),
    )
    some = _write_some(module, machine, there, n_channels)
    some_back = _write_some_back(module, machine, back, n_channels)
    _write_whole(module, machine, some, some_back)
    return module


def _write_whole(module: ir.Module, machine: Machine, some: ir.Function, some_back: ir.Function) -> None:
    code = Code(module, "listed", (POINTER,), machine.shape)
    pointer = code.arguments[0]
    table, at_once = Table(code, pointer), N_GROUPS * machine.shape.lanes
    total = table.float64s("sum")
    with code.loop(table.integer("n_components")) as k:
        total[k] = 0.0
    table.float64s("novelty")[0] = 0.0
    with code.where(table.integer("has_gradient").compared("!=", 0)):
        _read_cotangent(code, table)
    with code.loop(table.integer("n_runs")) as run:
        element, stop = table.integers("run_element")[run], table.integers("run_stop")[run]
        with code.loop(stop, table.integers("run_start")[run], at_once) as first:
            n_centres = smaller(code, stop - first, at_once)
            code.call(some, pointer, element, first, n_centres)
            with code.where(table.integer("has_gradient").compared("!=", 0)):
                code.call(some_back, pointer, element, first, n_centres)
    _write_matrix(code, table)
    code.finish()


def _groups(code: Code, n_centres: Value) -> Value:
    lanes = code.shape.lanes
    return (n_centres + (lanes - 1)) / lanes


def _arrays_of(table: Table, slot: Value, n_channels: int) -> tuple[Array, Array]:
    """Return outputs of the networks and the channels of a group."""
    return (
        table.vectors("outputs").at(slot * table.integer("n_outputs")),
        table.vectors("mixed").at(slot * (n_channels * N_COMPONENTS)),
    )


def _write_some(module: ir.Module, machine: Machine, parts: _Parts, n_channels: int) -> ir.Function:
    """Write the way from some atoms to the sums."""
    code = Code(module, "some", _ARGUMENTS, machine.shape)
    pointer, element, first, n_centres = code.arguments
    table, lanes, doubles = Table(code, pointer), machine.shape.lanes, machine.shape.doubles
    n_components, n_outputs = table.integer("n_components"), table.integer("n_outputs")
    novelty, worst = table.float64s("novelty"), table.integer("n_places")
    novelties = table.vectors("matrix").seen_as(doubles)
    with code.loop(_groups(code, n_centres)) as slot:
        n_used = smaller(code, n_centres - slot * lanes, lanes)
        novelties[worst] = code.doubles(0.0)
        code.call(parts.encode, pointer, first + slot * lanes, slot, n_used)
        with code.loop(n_used) as lane:
            own = table.float64s("matrix")[worst * lanes + lane]
            novelty[0] = code.choose(own.compared(">", novelty[0]), own, novelty[0])
    zero = code.integer(0)
    code.call(parts.networks, pointer, element, lanes, n_centres, zero, zero)
    totals, numbers, total = table.vectors("totals"), table.float64s("totals"), table.float64s("sum")
    with code.loop(_groups(code, n_centres)) as slot:
        outputs, mixed = _arrays_of(table, slot, n_channels)
        turned(code, table.numbers("results").at(slot * lanes * n_outputs), outputs, n_outputs)
        with code.loop(n_components) as k:
            totals.seen_as(doubles)[k] = code.doubles(0.0)
        share = [Value(code, array.pointer) for array in (outputs, mixed)]
        code.call(parts.share, pointer, element, *share)
        beside = table.vectors("beside").at(slot * N_OTHERS)
        for k in range(N_OTHERS):
            totals.seen_as(doubles)[n_components - (N_OTHERS - k)] = code.doubles(beside[k])
        # Lanes without an atom say nothing.
        with code.loop(smaller(code, n_centres - slot * lanes, lanes)) as lane, code.loop(n_components) as k:
            total[k] = total[k] + numbers[k * lanes + lane]
    return code.finish()


def _write_some_back(module: ir.Module, machine: Machine, parts: _Parts, n_channels: int) -> ir.Function:
    """Write the way from derivatives in the sums to those in the positions, of the same atoms."""
    code = Code(module, "some_back", _ARGUMENTS, machine.shape)
    pointer, element, first, n_centres = code.arguments
    table, lanes = Table(code, pointer), machine.shape.lanes
    n_outputs, size = table.integer("n_outputs"), n_channels * N_COMPONENTS
    with code.loop(_groups(code, n_centres)) as slot:
        outputs, mixed = _arrays_of(table, slot, n_channels)
        dmixed = cleared(code, table.vectors("dmixed").at(slot * size), size)
        share = [Value(code, array.pointer) for array in (outputs, mixed, dmixed)]
        code.call(parts.share, pointer, element, *share)
        columns = table.numbers("results").at(slot * lanes * n_outputs)
        turned_back(code, table.vectors("doutputs"), columns, n_outputs)
    zero = code.integer(0)
    code.call(parts.networks, pointer, element, lanes, n_centres, zero, zero)
    with code.loop(_groups(code, n_centres)) as slot:
        n_used = smaller(code, n_centres - slot * lanes, lanes)
        code.call(parts.encode, pointer, first + slot * lanes, slot, n_used)
    return code.finish()


def _write_matrix(code: Code, table: Table) -> None:
    """Set W from the sums over all atoms."""
    hamiltonian, reference = table.float64s("hamiltonian"), table.float64s("reference")
    components, places = table.integers("entry_component"), table.integers("entry_place")
    values, total = table.float64s("entry_value"), table.float64s("sum")
    with code.loop(table.integer("n_places")) as place:
        hamiltonian[place] = 0.0
    with code.loop(table.integer("n_entries")) as entry:
        place = places[entry]
        hamiltonian[place] = code.fma(values[entry], total[components[entry]], hamiltonian[place])
    with code.loop(table.integer("n_places")) as place:
        hamiltonian[place] = hamiltonian[place] + reference[place]


def _read_cotangent(code: Code, table: Table) -> None:
    """Set the derivatives in the sums, the same in every lane, from those in W."""
    components, places = table.integers("entry_component"), table.integers("entry_place")
    values, cotangent, total = (table.float64s(name) for name in ("entry_value", "cotangent", "sum"))
    with code.loop(table.integer("n_entries")) as entry:
        k = components[entry]
        total[k] = code.fma(values[entry], cotangent[places[entry]], total[k])
    dtotals = table.vectors("dtotals")
    with code.loop(table.integer("n_components")) as k:
        dtotals[k] = code.lanes(total[k])
        total[k] = 0.0
