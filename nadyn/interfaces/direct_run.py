"""Runs whose model may be a label source: direct dynamics."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.run.loop import run as run_with
from nadyn.dynamics.run.model_source import direct_source
from nadyn.dynamics.run.result import RunResult
from nadyn.dynamics.run_file import LabelsSection, RunConfiguration
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.questions import Desk, OwnProcess
from nadyn.electronic.labels import LabelSource
from nadyn.models.model import Model
from nadyn.structures import read_xyz
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import read_initial_conditions

# As many labels at once as there are processors.
_MANY = 1_000_000


def run(
    config: RunConfiguration | dict[str, object] | str | Path,
    *,
    model: Model | LabelSource | Desk | None = None,
    molecule: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> RunResult:
    """Run trajectories and return where they are and how they went.

    Args:
        config: A run file, its content, or a validated configuration. Relative paths in a run file begin at
            its folder. Its `model` may be a label source, {pyscf: {…}}, for direct dynamics.
        model: A model object, or a label source or what has one answer, instead of `model` in the run file.
        molecule: Instead of `molecule` in the run file.
        resume: Go on with the file `output`, from its newest checkpoint; begin where there is none yet. The
            result is the file that a run without interruption would have written, bit for bit, as far as a
            label source gives the same twice. A larger `time_fs` makes the run longer.
        overwrite: Replace the file `output` if there is one.
        progress: Show a live table on stderr.

    Raises:
        InputError: The run file, the model or the initial conditions cannot be used; `output` exists and
            neither `resume` nor `overwrite` is given; the file to resume belongs to another run.
        RunError: The disk is full.
        KeyboardInterrupt: Ctrl-C or SIGTERM; a checkpoint was written, and the message says how to go on.
    """
    return run_with(
        config,
        model=model,
        sources=desk_of,
        molecule=molecule,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
    )


def desk_of(config: RunConfiguration, folder: Path, *, processes: int | None = None) -> Desk | None:
    """Return the desk of the label source that `model` of a run file names; None where it names a model.

    Args:
        config: The run file, its paths as this process can open them.
        folder: Where paths of the source begin.
        processes: How many label at once where the run file does not say it; by default as many as there are
            processors or trajectories.

    Raises:
        InputError: There is no such source, or nothing says of which atoms it is.
    """
    named = config.model
    if not names_source(named):
        return None
    # Here, because a run of a model needs none of the programs that label.
    from nadyn.interfaces.label_desk import PoolDesk
    from nadyn.interfaces.sources import source_from, source_section

    source_section(named, where="`model`", folder=folder)
    if "folder" in named:
        raise InputError(
            "`model` must be a source that answers while a trajectory waits, but folder answers when "
            "somebody has filled it. Label a dataset with `nadyn label` and train a model."
        )
    labels = config.labels or LabelsSection()
    numbers = _atomic_numbers(config)
    if labels.processes == 0:
        return OwnProcess(source_from(named, numbers, folder=folder))
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    n_most = config.initial.n or n_processors
    return PoolDesk(
        named,
        numbers,
        folder=folder,
        processes=labels.processes or processes or max(1, min(n_processors, n_most)),
        timeout_seconds=60.0 * labels.timeout_minutes,
    )


def source_model(
    named: Mapping[str, object],
    geometry: str,
    *,
    folder: Path,
    isotopes: Mapping[str | int, int],
    labels: object = None,
) -> tuple[DirectModel, Desk]:
    """Return a label source as a model, for what happens before a run, and the desk to be closed after it.

    Args:
        named: `model` of a run file.
        geometry: An .xyz file with the atoms.
        folder: Where paths of the source begin.
        isotopes: Mass number by element or atom.
        labels: `labels` of a run file.

    Raises:
        InputError: There is no such source, atom or isotope.
    """
    content: dict[str, object] = {"model": dict(named), "labels": labels, "method": "nve", "time_fs": 1.0}
    content["initial"] = {"sample": "wigner", "n": _MANY, "geometry": geometry}
    desk = desk_of(parse_configuration(content, RunConfiguration, where="sample"), folder)
    return direct_source(desk, isotopes=isotopes).model, desk


def names_source(named: object) -> bool:
    """Tell whether `model` of a run file is a label source; options of an analytic model hold its name."""
    if not isinstance(named, Mapping) or len(named) != 1 or "name" in named:
        return False
    from nadyn.interfaces.sources import SOURCES

    (name, section), *_ = named.items()
    # Of an unknown source it is said which ones there are.
    return name in SOURCES or isinstance(section, Mapping)


def _atomic_numbers(config: RunConfiguration) -> tuple[int, ...]:
    """Return the atoms of the starting geometries, which those of the source are."""
    initial = config.initial
    numbers: np.ndarray | None = None
    if initial.geometry is not None:
        numbers = read_xyz(initial.geometry).atomic_numbers
    elif initial.file is not None:
        numbers = read_initial_conditions(initial.file).atomic_numbers
    elif initial.run is not None:
        numbers = open_run(initial.run).atomic_numbers
    if numbers is None:
        raise InputError(
            "`initial` must say which atoms a label source is asked about, by `file` or `run` of a "
            "molecule or "
            "by `geometry`, but does not. Try initial: {sample: wigner, geometry: start.xyz, n: 20}."
        )
    return tuple(int(number) for number in numbers)
