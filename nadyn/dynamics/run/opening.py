"""What a run file names, opened: a model, or a label source as one."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from nadyn.data.structure_file import StartStructure, read_structure
from nadyn.dynamics.initial import InitialSection
from nadyn.dynamics.initial.end_of_run import cell_of_run
from nadyn.dynamics.run.model_source import ModelSource, direct_source, find_model
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.questions import Desk, OwnProcess
from nadyn.electronic.labels import LabelSource
from nadyn.models.model import Model
from nadyn.trajectory.initial_conditions import read_initial_conditions

# Of a run file, its paths as this process can open them, and the folder where other paths begin.
Sources = Callable[[RunConfiguration, Path], Desk | None]


def open_source(
    config: RunConfiguration,
    model: Model | LabelSource | Desk | None,
    folder: Path,
    sources: Sources | None,
    opened: ExitStack,
) -> ModelSource:
    """Return the model of a run, or its label source as one; `opened` closes what answers."""
    desk = None
    if isinstance(model, LabelSource | Desk) and config.model is None:
        desk, model = model if isinstance(model, Desk) else OwnProcess(model), None
    elif model is None and isinstance(config.model, dict) and sources is not None:
        desk = sources(config, folder)
    if desk is None:
        return find_model(
            config.model,
            model,
            molecule=config.molecule,
            isotopes=config.isotopes,
            member=config.member,
            structure=_structure_of(config.initial),
        )
    opened.callback(desk.close)
    return direct_source(desk, molecule=config.molecule, isotopes=config.isotopes, member=config.member)


def _structure_of(initial: InitialSection) -> StartStructure | None:
    """Return the atoms and the cell that a start says, None where the model knows them."""
    if initial.structure is not None:
        return read_structure(initial.structure, repeat=initial.repeat)
    if initial.file is not None and Path(initial.file).exists():
        return _structure_of_file(initial.file)
    # A run that goes on has its cells in its own file, and needs that of its start no more.
    is_there = initial.run is not None and Path(initial.run).exists()
    first = initial.first_number
    rows = slice(first, None if initial.n is None else first + initial.n)
    return cell_of_run(initial.run, rows=rows) if is_there else None


def _structure_of_file(path: str) -> StartStructure | None:
    """Return the atoms and the cell of initial conditions; None of those without a cell."""
    found = read_initial_conditions(path)
    if found.cell is None or found.atomic_numbers is None:
        return None
    numbers = tuple(int(number) for number in found.atomic_numbers)
    return StartStructure(numbers, found.positions[0], found.cell, found.pbc, None)
