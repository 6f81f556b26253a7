"""The whole program: groups of trajectories forwards to W, and back to the derivative in the positions."""

from dataclasses import dataclass

from llvmlite import ir

from nadyn.models.kernels.clebsch_gordan import N_TOLD
from nadyn.models.kernels.encoder import write_encode, write_encode_back
from nadyn.models.kernels.hearing import write_hear, write_hear_back
from nadyn.models.kernels.language import POINTER, Array, Code, Value
from nadyn.models.kernels.latent import write_add_share, write_share_back
from nadyn.models.kernels.layers import Machine
from nadyn.models.kernels.network import write_networks
from nadyn.models.kernels.pairs import N_COMPONENTS
from nadyn.models.kernels.sums import cleared
from nadyn.models.kernels.table import Table
from nadyn.models.kernels.told import write_tell, write_tell_back


@dataclass(frozen=True)
class _Parts:
    """Functions of one direction: the first layer, networks, sums; and messages, where there are some."""

    encode: ir.Function
    networks: ir.Function
    share: ir.Function
    tell: ir.Function | None = None
    hear: ir.Function | None = None


def write_program(machine: Machine, n_radial: int, n_channels: int, *, heard: bool = False) -> ir.Module:
    """Return the program of an encoder of this size: `forward` and `backward`, each of a table.

    Args:
        machine: What it runs on.
        n_radial: Radial functions.
        n_channels: Channels.
        heard: Whether there are messages.
    """
    module = ir.Module("nadyn")
    networks, networks_back = write_networks(module, machine)
    size = (n_radial, n_channels)
    parts = _Parts(
        write_encode(module, machine, *size, heard=heard),
        networks,
        write_add_share(module, machine.shape, n_channels, heard=heard),
        write_tell(module, machine, n_channels) if heard else None,
        write_hear(module, machine, *size) if heard else None,
    )
    _write_whole_forward(module, machine, parts, n_channels)
    parts = _Parts(
        write_encode_back(module, machine, *size, heard=heard),
        networks_back,
        write_share_back(module, machine.shape, n_channels, heard=heard),
        write_tell_back(module, machine, n_channels) if heard else None,
        write_hear_back(module, machine, *size) if heard else None,
    )
    _write_whole_backward(module, machine, parts, n_channels)
    return module


def smaller(code: Code, left: Value, right: Value | int) -> Value:
    right = code.integer(right)
    return Value(code, code.builder.select(left.compared("<", right).ir, left.ir, right.ir))


def _write_whole_forward(module: ir.Module, machine: Machine, parts: _Parts, n_channels: int) -> None:
    code = Code(module, "forward", (POINTER,), machine.shape)
    pointer = code.arguments[0]
    table, lanes, doubles = Table(code, pointer), machine.shape.lanes, machine.shape.doubles
    n_rows, n_atoms, n_places = (table.integer(name) for name in ("n_rows", "n_atoms", "n_places"))
    n_outputs, n_components = table.integer("n_outputs"), table.integer("n_components")
    totals, matrix = (table.vectors(name).seen_as(doubles) for name in ("totals", "matrix"))
    with code.loop((n_rows + (lanes - 1)) / lanes) as group:
        n_used = smaller(code, n_rows - group * lanes, lanes)
        bad = _write_places(code, table, group)
        with code.loop(n_components) as k:
            totals[k] = code.doubles(0.0)
        matrix[n_places] = code.doubles(0.0)
        if parts.tell is not None:
            with code.loop(n_atoms) as atom:
                code.call(parts.encode, pointer, group, atom, atom)
                code.call(parts.tell, pointer, group, atom)
        with code.loop(table.integer("n_runs")) as run:
            element, stop = table.integers("run_element")[run], table.integers("run_stop")[run]
            with code.loop(stop, table.integers("run_start")[run], machine.columns) as first:
                n_some = smaller(code, stop - first, machine.columns)
                with code.loop(n_some) as slot:
                    code.call(parts.hear or parts.encode, pointer, group, first + slot, slot)
                row = group * n_atoms + first
                base = code.integer(0) if parts.hear is None else first
                code.call(parts.networks, pointer, element, n_used, n_some * n_used, row, base)
                with code.loop(n_some) as slot:
                    outputs = table.vectors("outputs").at((row + slot) * n_outputs)
                    turned(code, table.numbers("results").at(slot * lanes * n_outputs), outputs, n_outputs)
                    mixed = table.vectors("mixed").at((row + slot) * (n_channels * N_COMPONENTS))
                    arrays = [outputs, mixed]
                    if parts.hear is not None:
                        arrays.append(table.vectors("heard").at((row + slot) * (N_TOLD * n_channels)))
                    share = [Value(code, array.pointer) for array in arrays]
                    code.call(parts.share, pointer, element, *share)
        _write_matrix(code, table, group, n_used, bad)
    code.finish()


def _write_places(code: Code, table: Table, group: Value) -> Value:
    """Set the positions in lanes, left ones to the last trajectory; return 0, or NaN where one is bad."""
    lanes, n_rows, n_atoms = code.shape.lanes, table.integer("n_rows"), table.integer("n_atoms")
    positions, places = table.float64s("positions"), table.float64s("place")
    order = table.integers("order")
    with code.loop(lanes) as lane:
        row = smaller(code, group * lanes + lane, n_rows - 1)
        with code.loop(n_atoms) as atom:
            source = positions.at((row * n_atoms + order[atom]) * 3)
            for x in range(3):
                places[(atom * 3 + x) * lanes + lane] = source[x]
    bad = code.variable(code.doubles(0.0))
    with code.loop(n_atoms * 3) as k:
        value = places.seen_as(code.shape.doubles)[k]
        bad.add(value - value)
    return bad.get()


def turned(code: Code, columns: Array, rows: Array, n: Value) -> None:
    """Set lanes of trajectories from columns of one trajectory each."""
    lanes = code.shape.lanes
    with code.loop(n, 0, lanes) as first:
        some = [columns.at(n * t + first).seen_as(code.shape.vector)[0] for t in range(lanes)]
        for k, value in enumerate(code.transposed(some)):
            rows[first + k] = value


def turned_back(code: Code, rows: Array, columns: Array, n: Value) -> None:
    lanes = code.shape.lanes
    with code.loop(n, 0, lanes) as first:
        some = [rows[first + k] for k in range(lanes)]
        for t, value in enumerate(code.transposed(some)):
            columns.at(n * t + first).seen_as(code.shape.vector)[0] = value


def _write_matrix(code: Code, table: Table, group: Value, n_used: Value, bad: Value) -> None:
    lanes, n_places = code.shape.lanes, table.integer("n_places")
    totals, matrix = (table.vectors(name).seen_as(code.shape.doubles) for name in ("totals", "matrix"))
    with code.loop(n_places) as place:
        matrix[place] = bad
    components, places = table.integers("entry_component"), table.integers("entry_place")
    values, reference = table.float64s("entry_value"), table.float64s("reference")
    with code.loop(table.integer("n_entries")) as entry:
        place = places[entry]
        matrix[place] = code.fma(values[entry], totals[components[entry]], matrix[place])
    with code.loop(n_places) as place:
        matrix[place] = matrix[place] + reference[place]
    numbers, row = table.float64s("matrix"), group * lanes
    with code.loop(n_used) as lane:
        target = table.float64s("hamiltonian").at((row + lane) * n_places)
        with code.loop(n_places) as place:
            target[place] = numbers[place * lanes + lane]
        table.float64s("novelty")[row + lane] = numbers[n_places * lanes + lane]


def _write_whole_backward(module: ir.Module, machine: Machine, parts: _Parts, n_channels: int) -> None:
    code = Code(module, "backward", (POINTER,), machine.shape)
    pointer = code.arguments[0]
    table, lanes, doubles = Table(code, pointer), machine.shape.lanes, machine.shape.doubles
    n_rows, n_atoms, n_outputs = (table.integer(name) for name in ("n_rows", "n_atoms", "n_outputs"))
    size = n_channels * N_COMPONENTS
    dplaces = table.vectors("dplace").seen_as(doubles)
    doutputs = table.vectors("doutputs")
    with code.loop((n_rows + (lanes - 1)) / lanes) as group:
        n_used = smaller(code, n_rows - group * lanes, lanes)
        _read_cotangent(code, table, group, n_used)
        with code.loop(n_atoms * 3) as k:
            dplaces[k] = code.doubles(0.0)
        if parts.tell is not None:
            cleared(code, table.vectors("dtold"), n_atoms * (N_TOLD * n_channels))
        with code.loop(table.integer("n_runs")) as run:
            element, stop = table.integers("run_element")[run], table.integers("run_stop")[run]
            with code.loop(stop, table.integers("run_start")[run], machine.columns) as first:
                n_some = smaller(code, stop - first, machine.columns)
                row = group * n_atoms + first
                base = code.integer(0) if parts.hear is None else first
                with code.loop(n_some) as slot:
                    outputs = table.vectors("outputs").at((row + slot) * n_outputs)
                    mixed = table.vectors("mixed").at((row + slot) * size)
                    arrays = [
                        outputs,
                        mixed,
                        cleared(code, table.vectors("dmixed").at((base + slot) * size), size),
                    ]
                    if parts.hear is not None:
                        n_heard = N_TOLD * n_channels
                        arrays.append(table.vectors("heard").at((row + slot) * n_heard))
                        arrays.append(cleared(code, table.vectors("dheard").at(slot * n_heard), n_heard))
                    share = [Value(code, array.pointer) for array in arrays]
                    code.call(parts.share, pointer, element, *share)
                    columns = table.numbers("results").at(slot * lanes * n_outputs)
                    turned_back(code, doutputs, columns, n_outputs)
                code.call(parts.networks, pointer, element, n_used, n_some * n_used, row, base)
                with code.loop(n_some) as slot:
                    code.call(parts.hear or parts.encode, pointer, group, first + slot, slot)
        if parts.tell is not None:
            with code.loop(n_atoms) as atom:
                code.call(parts.tell, pointer, group, atom)
                code.call(parts.encode, pointer, group, atom, atom)
        gradient, numbers = table.float64s("gradient"), table.float64s("dplace")
        order = table.integers("order")
        with code.loop(n_used) as lane:
            of_row = gradient.at((group * lanes + lane) * n_atoms * 3)
            with code.loop(n_atoms) as atom:
                target = of_row.at(order[atom] * 3)
                for x in range(3):
                    target[x] = numbers[(atom * 3 + x) * lanes + lane]
    code.finish()


def _read_cotangent(code: Code, table: Table, group: Value, n_used: Value) -> None:
    """Set the derivatives in the sums from those in W; zero in lanes that are not used."""
    lanes, n_places = code.shape.lanes, table.integer("n_places")
    n_components, doubles = table.integer("n_components"), code.shape.doubles
    matrix, totals = (table.vectors(name).seen_as(doubles) for name in ("matrix", "totals"))
    numbers = table.float64s("matrix")
    with code.loop(n_places) as place:
        matrix[place] = code.doubles(0.0)
    with code.loop(n_used) as lane:
        source = table.float64s("cotangent").at((group * lanes + lane) * n_places)
        with code.loop(n_places) as place:
            numbers[place * lanes + lane] = source[place]
    with code.loop(n_components) as k:
        totals[k] = code.doubles(0.0)
    components, places = table.integers("entry_component"), table.integers("entry_place")
    values = table.float64s("entry_value")
    with code.loop(table.integer("n_entries")) as entry:
        k = components[entry]
        totals[k] = code.fma(values[entry], matrix[places[entry]], totals[k])
    dtotals = table.vectors("dtotals")
    with code.loop(n_components) as k:
        dtotals[k] = code.lanes(totals[k])
