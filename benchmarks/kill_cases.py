"""The cases of kill_every_option.py: every method, thermostat, barostat, correction and option at least once.

Models and the short runs of most methods are those of the tests, made longer.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import ase
import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "dynamics", "training")]
from contracts.committees import CALIBRATION, committee
from contracts.methods import METHOD_CASES, configuration
from contracts.untrained import untrained
from signless_teacher import PartTeacher
from spin_models import SpinCrossing
from teacher import dataset
from toy_molecule import ToyMolecule, start

from nadyn import shipped
from nadyn.checks.configuration import parse_configuration
from nadyn.data import Dataset
from nadyn.dynamics.baths.table import THERMOSTATS
from nadyn.dynamics.decoherence.table import CORRECTIONS
from nadyn.dynamics.electrons.ways import Propagate
from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.settle import Rescale
from nadyn.dynamics.methods.table import METHODS
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.analytic import analytic_model, tully
from nadyn.structures import masses
from nadyn.training.configuration import TrainingConfiguration
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import ANGSTROM_PER_BOHR

CELL = np.array([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]])
PLACES = np.array([[0.1, 0.2, -0.1], [3.0, 2.6, 0.4], [1.1, 0.9, 3.2], [4.4, 4.0, 4.1], [2.9, -0.2, 4.6]])
BAROSTAT = {"pressure_gpa": 1, "relaxation_ps": 0.05, "compressibility_per_gpa": 0.01}
RESCALING = {"name": "velocity_rescaling", "temperature_kelvin": 300, "relaxation_fs": 20}
PULSE = {
    "peak_field_au": 0.01,
    "photon_energy_ev": 3,
    "fwhm_fs": 20,
    "centre_fs": 20,
    "polarisation": [0, 0, 1],
}


@dataclass(frozen=True)
class Run:
    """A run that is killed.

    Attributes:
        keys: Its run file.
        model: Makes the model; None where the run file names it.
        prepare: Writes what the run reads into a folder.
    """

    keys: dict[str, object]
    model: Callable[[], object] | None = None
    prepare: Callable[[Path], None] = lambda folder: None

    @property
    def configuration(self) -> RunConfiguration:
        """The run file; its paths begin at the working folder, because the digest covers them."""
        return parse_configuration({**self.keys, "output": "run.h5"}, RunConfiguration, where="run")


@dataclass(frozen=True)
class Training:
    """A training that is killed.

    Attributes:
        keys: Its training file.
        data: Makes the dataset.
        members: Of a committee; None for one model.
    """

    keys: dict[str, object]
    data: Callable[[], Dataset]
    members: int | None = None

    @property
    def configuration(self) -> TrainingConfiguration:
        """The training file."""
        return parse_configuration(self.keys, TrainingConfiguration, where="training")


def _of_methods() -> dict[str, Run]:
    """Every case of the contract that all methods keep, made longer."""
    runs = {}
    for name, case in METHOD_CASES.items():
        begin = {"position_au": -2, "momentum_au": 12, "width_au": 0.7, "n": 60, **case.start}
        # Twice the shortest parts of divided steps.
        dt = 0.25 if "adaptive" in name else 0.2
        asked = configuration(case, initial=begin, dt_fs=dt, time_fs=12, checkpoint_every=3, write_every=4)
        runs[name] = Run(
            asked.model_dump(exclude_unset=True), SpinCrossing if case.spins else lambda: tully(1)
        )
    return runs


def _moved(**changes: object) -> Run:
    """Surface hopping of a molecule of four states, which is not at rest."""
    base = {"initial": {"file": "initial.h5"}, "method": "fssh", "dt_fs": 0.5, "time_fs": 25}
    keys = {**base, "checkpoint_every": 4, "write_every": 3, **changes}
    return Run(keys, ToyMolecule, lambda folder: _write_start(folder, *start(30), ToyMolecule()))


def _judged(**changes: object) -> Run:
    """A committee whose members stop trajectories."""
    several = committee(3, calibration=CALIBRATION)
    return Run(
        {
            "initial": {"file": "initial.h5"},
            **{"method": "fssh", "dt_fs": 0.25, "time_fs": 12, "checkpoint_every": 3, "write_every": 3},
            **changes,
        },
        lambda: several,
        lambda folder: _write_start(folder, *_around_the_middle(), several),
    )


def _in_a_cell(**changes: object) -> Run:
    keys = {
        "initial": {"structure": "start.extxyz", "temperature_kelvin": 300, "n": 4},
        **{"dt_fs": 0.5, "time_fs": 20, "write_every": 2, "checkpoint_every": 3, "max_energy_step_ev": 100},
        **{"method": "npt", "thermostat": RESCALING, "barostat": BAROSTAT},
        **changes,
    }

    def prepare(folder: Path) -> None:
        cell, places = CELL * ANGSTROM_PER_BOHR, PLACES * ANGSTROM_PER_BOHR
        ase.Atoms((9, 1, 6, 1, 7), positions=places, cell=cell, pbc=True).write(folder / "start.extxyz")

    return Run(keys, lambda: untrained("moments", None, cutoff=5.0), prepare)


def _asked(**changes: object) -> Run:
    """Direct dynamics: labels of a model, whose states have random signs."""

    def source() -> PartTeacher:
        return PartTeacher(_Labelled(n_states=3, n_basis=3), settled=start(3)[0].numpy())

    keys = {
        "initial": {"file": "initial.h5"},
        **{"method": "fssh", "dt_fs": 0.5, "time_fs": 20, "checkpoint_every": 3, "write_every": 1},
        "stop": {"dissociated": False},
        **changes,
    }
    return Run(keys, source, lambda folder: _write_start(folder, *start(3), _Labelled(3, 3)))


@dataclass(frozen=True)
class _Labelled(ToyMolecule):
    """A molecule with the masses of a label source."""

    block_width = 1

    @property
    def masses(self) -> torch.Tensor:
        return torch.from_numpy(masses(self.atomic_numbers))


def _around_the_middle() -> tuple[torch.Tensor, torch.Tensor]:
    middle = torch.tensor(
        [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
    )
    noise = torch.randn(2, 16, 4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return middle + 0.1 * noise[0], 5.0 * noise[1]


def _write_start(folder: Path, positions: torch.Tensor, momenta: torch.Tensor, model: object) -> None:
    initial = InitialConditions(
        positions=positions.numpy(),
        momenta=momenta.numpy(),
        weight=np.ones(len(positions)),
        masses=model.masses.numpy(),
        atomic_numbers=np.array(model.atomic_numbers),
        state=1,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions(folder / "initial.h5", initial)


def _shared(keys: dict[str, object]) -> Run:
    """A run that a run file asks for alone."""
    return Run({"dt_fs": 0.5, "time_fs": 25, "checkpoint_every": 3, **keys})


_WIGNER = {"sample": "wigner", "n": 30, "temperature_kelvin": 0, "state": 1}
_SPINS = {
    "model": {"name": "sulfur_dioxide", "variant": "triplets"},
    "initial": {**_WIGNER, "n": 12, "state": 1},
}

RUNS: dict[str, Run] = {
    **_of_methods(),
    **{f"rescale {how}": _moved(rescale=how) for how in get_args(Rescale)},
    **{f"frustrated {how}": _moved(frustrated=how) for how in get_args(Frustrated)},
    "shared loss": _moved(options={"probability": "shared_loss"}),
    "dish with a time": _moved(method="dish", options={"dephasing_fs": 5}),
    "diabatic start": _moved(initial={"file": "initial.h5", "diabatic_state": 2}, method="multistate_mash"),
    "fragments that go on": _moved(stop={"dissociated": False}, max_energy_step_ev=0.05),
    "beyond": Run(
        {
            "initial": {"position_au": -4, "momentum_au": 25, "n": 100, "state": 0},
            **{
                "method": "fssh",
                "dt_fs": 0.2,
                "time_fs": 40,
                "checkpoint_every": 4,
                "stop": {"beyond_au": 5},
            },
        },
        lambda: tully(2),
    ),
    "npt isotropic": _in_a_cell(),
    "npt full": _in_a_cell(barostat={**BAROSTAT, "cell": "full"}),
    "npt langevin": _in_a_cell(thermostat={"temperature_kelvin": 300}),
    "npt nose_hoover": _in_a_cell(thermostat={"name": "nose_hoover", "temperature_kelvin": 300}),
    "committee": _judged(),
    "committee that stops nothing": _judged(stop={"committee": False}, method="ehrenfest"),
    "another member": _judged(member=2),
    "spin-orbit": _shared({**_SPINS, "method": "fssh", "decoherence": {"name": "sdm"}}),
    "spin-free": _shared(
        {**_SPINS, "method": "mash", "representation": "spin_free"} | {"method": "multistate_mash"}
    ),
    "laser": _shared(
        {**_SPINS, "initial": {**_SPINS["initial"], "state": 0}, "method": "fssh", "laser": PULSE}
    ),
    "learned": _shared(
        {
            "model": str(shipped.path("ammonia/ammonia.safetensors")),
            **{"initial": _WIGNER, "method": "fssh", "isotopes": {"H": 2}},
        }
    ),
    "a packet in several modes": _shared(
        {
            "model": {"name": "pyrazine", "variant": 4},
            **{"initial": {**_WIGNER, "diabatic_state": 1, "state": None}, "method": "spin_lsc"},
        }
    ),
    "a label source": _asked(),
    "a label source in divided steps": _asked(adaptive={"gap_ev": 0.4, "shortest_dt_fs": 0.25}),
}

_SMALL = {"encoder": {"n_radial": 4, "n_channels": 3}, "model": {"hidden": [8], "basis": "2x0e"}}
_SHORT = {"steps": 60, "batch_size": 4, "checkpoint_every": 4, "warmup_steps": 10}


def _learned(members: int | None = None, **changes: object) -> Training:
    return Training({**_SMALL, **_SHORT, **changes}, dataset, members)


def _with_moments(dataset: Dataset) -> Dataset:
    """Return the data with dipoles and polarisabilities of point charges that differ by state."""
    group = dataset.groups[0]
    charges = np.linspace(-0.4, 0.4, group.n_atoms)
    mean = np.einsum("a,fax->fx", charges, group.positions)
    dipoles = np.zeros((group.n_frames, group.n_states, group.n_states, 3))
    polarisabilities = np.zeros((group.n_frames, group.n_states, 3, 3))
    for state in range(group.n_states):
        dipoles[:, state, state] = (1 + 0.3 * state) * mean
        polarisabilities[:, state] = (10 + state) * np.eye(3) + np.einsum("fx,fy->fxy", mean, mean)
    return Dataset((replace(group, dipoles=dipoles, polarisabilities=polarisabilities),))


TRAININGS: dict[str, Training] = {
    "muon": _learned(),
    "adamw": _learned(optimizer="adamw"),
    "weighted by gaps, blocks": _learned(gap_weight=True, split="blocks", batch_size=3),
    **{
        f"encoder {name}": _learned(encoder={"name": name, **keys})
        for name, keys in {
            "acsf": {"n_radial": 4},
            "equivariant": {"n_radial": 4, "n_channels": 2},
            "messages": {"n_radial": 4, "n_channels": 8, "n_layers": 2},
            "soap": {"n_radial": 4, "highest_rank": 2},
            "moments": {"n_radial": 4, "n_channels": 3, "element_channels": 2},
        }.items()
    },
    "one network": _learned(
        model={"hidden": [8], "basis": "2x0e", "networks": "shared", "activation": "tanh"}
    ),
    "vectors, repulsion": _learned(model={"hidden": [8], "basis": "1x0e + 1x1o", "repulsion": "zbl"}),
    "a search": _learned(model={"hidden": [8], "basis": "auto"}, steps=24),
    "atomic sum": Training(
        {**_SMALL, **_SHORT, "model": {"hidden": [8]}}, lambda: dataset(basis=None, n_states=1)
    ),
    "without couplings": Training({**_SMALL, **_SHORT}, lambda: dataset(couplings=False)),
    "dipole, polarisability": Training({**_SMALL, **_SHORT}, lambda: _with_moments(dataset())),
    "charges": _learned(model={"hidden": [8], "basis": "2x0e", "electrostatics": {}}),
    "members": _learned(members=2, steps=24, validation_fraction=0.4),
}


def not_covered() -> list[str]:
    """Return what the tables of the dynamics and training know and no case has."""
    said = repr([run.keys for run in RUNS.values()]) + repr([one.keys for one in TRAININGS.values()])
    names = [*METHODS, *get_args(Propagate), *get_args(Rescale), *get_args(Frustrated)]
    for section in (*THERMOSTATS, *CORRECTIONS):
        names += get_args(section.model_fields["name"].annotation)
    # Defaults, and what a section without a name is.
    names = [name for name in names if name not in ("local_diabatisation", "edc", "langevin", "nac", "keep")]
    keys = [key for key in RunConfiguration.model_fields if key not in _NO_PHYSICS]
    return [name for name in (*names, *keys) if f"'{name}'" not in said]


# Keys that say where and how long, or that belong to what is not run here.
_NO_PHYSICS = ("molecule", "device", "labels", "output", "seed")

__all__ = ["RUNS", "TRAININGS", "Run", "Training", "analytic_model", "not_covered"]
