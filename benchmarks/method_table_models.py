"""The models of method_table.py: where each starts, for how long it runs, and its exact answer."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nadyn.models.analytic import analytic_model
from nadyn.models.spin_states import HasSpinStates, spin_states
from nadyn.quantum import Grid, Packet, basis_propagation, scattering, split_operator
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

FIXTURES = Path(__file__).parents[1] / "tests" / "quantum" / "fixtures"


@dataclass(frozen=True)
class Case:
    """One model and one start.

    Attributes:
        title: How the page names it.
        model: The model as in a run file.
        packet: The start; trajectories are drawn from its Wigner function.
        n: Trajectories.
        dt_fs: Time step.
        time_fs: Length; the longest one where trajectories end when they have left.
        exact: Returns the exact answer: `branching`, or `time_fs` and `populations`.
        quantity: branching, diabatic or adiabatic populations.
        frame_fs: Time between compared populations.
        labels: Names of the states, where numbers are not enough.
        diabatic_start: The diabatic state that is the adiabatic one of the packet where it starts, for
            methods that start in diabatic states only.
    """

    title: str
    model: dict[str, object]
    packet: Packet
    n: int
    dt_fs: float
    time_fs: float
    exact: Callable[["Case"], dict[str, object]]
    quantity: str = "diabatic"
    frame_fs: float = 1.0
    labels: tuple[str, ...] = ()
    diabatic_start: int | None = None

    @property
    def spin_orbit(self) -> bool:
        """Whether singlets and triplets mix."""
        model = analytic_model(self.model)
        return isinstance(model, HasSpinStates) and model.spin_orbit is not None

    @property
    def deviation(self) -> float:
        """Standard deviation of the density, the geometric mean over the coordinates [bohr]."""
        logarithms = [math.log(width / math.sqrt(2.0)) for width in self.packet.width]
        return math.exp(sum(logarithms) / len(logarithms))


def drawn(case: Case, *, seed: int, only_diabatic: bool) -> InitialConditions:
    """Return trajectories from the Wigner function of the packet, which is a product of Gaussians."""
    packet, masses = case.packet, analytic_model(case.model).masses.numpy()
    rng = np.random.default_rng(seed)
    width = np.array(packet.width)
    shape = (case.n, len(width))
    x = np.array(packet.position) + rng.standard_normal(shape) * width / math.sqrt(2.0)
    p = np.array(packet.momentum) + rng.standard_normal(shape) / (math.sqrt(2.0) * width)
    diabatic, state = packet.representation == "diabatic", packet.state
    if only_diabatic and case.diabatic_start is not None:
        diabatic, state = True, case.diabatic_start
    return InitialConditions(
        positions=x[:, :, None],
        momenta=p[:, :, None],
        weight=np.ones(case.n),
        masses=masses,
        atomic_numbers=None,
        state=None if diabatic else state,
        diabatic_state=state if diabatic else None,
        origin="Wigner function of a Gaussian packet",
        temperature_kelvin=0.0,
    )


def _branching(case: Case) -> dict[str, object]:
    # A wide absorber: slow parts of the packet would be reflected by a narrow one.
    found = scattering(analytic_model(case.model), case.packet, dt=1.0, absorber_width=30.0)
    return {"branching": found.fraction}


def _on_grid(grid: Grid, steps_per_fs: int) -> Callable[[Case], dict[str, object]]:
    def exact(case: Case) -> dict[str, object]:
        model = analytic_model(case.model)
        run = split_operator(
            model,
            grid,
            case.packet,
            dt=AU_PER_FEMTOSECOND / steps_per_fs,
            time=case.time_fs * AU_PER_FEMTOSECOND,
            write_every=round(case.frame_fs * steps_per_fs),
        )
        found = run.diabatic_populations
        if case.quantity == "adiabatic":
            found = run.adiabatic_populations[:, : model.n_states]
        return {"time_fs": run.times_fs.tolist(), "populations": found.tolist()}

    return exact


def _in_basis(limit_ev: float) -> Callable[[Case], dict[str, object]]:
    def exact(case: Case) -> dict[str, object]:
        model = analytic_model(case.model)
        run = basis_propagation(
            model,
            state=case.packet.state,
            time=case.time_fs * AU_PER_FEMTOSECOND,
            write_interval=case.frame_fs * AU_PER_FEMTOSECOND,
            energy_limit=limit_ev * HARTREE_PER_EV,
        )
        populations = run.diabatic_populations
        if case.spin_orbit:
            rows = spin_states(model.multiplicities).row.numpy()
            populations = np.stack([populations[:, rows == row].sum(1) for row in range(model.n_basis)], 1)
        return {"time_fs": run.times_fs.tolist(), "populations": populations.tolist()}

    return exact


def _mctdh(case: Case) -> dict[str, object]:
    mctdh = json.loads((FIXTURES / "pyrazine4_mctdh.json").read_text(encoding="utf-8"))
    times = np.arange(0.0, case.time_fs + 0.5 * case.frame_fs, case.frame_fs)
    upper = np.interp(times, mctdh["time_fs"], mctdh["population_s2"])
    return {"time_fs": times.tolist(), "populations": np.stack([1.0 - upper, upper], axis=1).tolist()}


def _tully(variant: int, momentum: float, *, start: float, diabatic_start: int) -> Case:
    # Adiabatic, because both kinds of MASH need fewer trajectories so; the states are the same there.
    packet = Packet((start,), (momentum,), (20.0 / momentum,), 0, "adiabatic")
    return Case(
        f"Tully {variant}, k = {momentum:g}",
        {"name": "tully", "variant": variant},
        packet,
        n=2000,
        dt_fs=4.0 / momentum,
        time_fs=600.0,
        exact=_branching,
        quantity="branching",
        frame_fs=20.0,
        diabatic_start=diabatic_start,
    )


def _morse(variant: int, place: float, time_fs: float) -> Case:
    return Case(
        f"Morse {variant}",
        {"name": "morse", "variant": variant},
        Packet((place,), (0.0,), (0.1,), 0, "diabatic"),
        n=500,
        dt_fs=0.5,
        time_fs=time_fs,
        exact=_on_grid(Grid((1.0,), (25.0,), (720,)), 20),
        frame_fs=2.0,
    )


def _oscillators(title: str, model: dict[str, object], **keys: object) -> Case:
    n_modes, state = len(analytic_model(model).masses), int(keys.pop("state"))
    at_rest = (0.0,) * n_modes
    return Case(title, model, Packet(at_rest, at_rest, (1.0,) * n_modes, state, "diabatic"), **keys)


def _sulfur_dioxide(state: int) -> Case:
    return _oscillators(
        f"SO2, 3 singlets, from S{state}",
        {"name": "sulfur_dioxide", "variant": "singlets"},
        state=state,
        n=500,
        dt_fs=0.2,
        time_fs=100.0,
        exact=_in_basis(8.5),
        labels=("S0", "S1", "S2"),
    )


CASES: dict[str, Case] = {
    "pyrazine": _oscillators(
        "pyrazine, from S2",
        {"name": "pyrazine", "variant": 4},
        state=1,
        n=2000,
        dt_fs=0.2,
        time_fs=120.0,
        exact=_mctdh,
        labels=("S1", "S2"),
    ),
    "tully_1_10": _tully(1, 10.0, start=-12.0, diabatic_start=0),
    "tully_1_20": _tully(1, 20.0, start=-10.0, diabatic_start=0),
    "tully_2_16": _tully(2, 16.0, start=-10.0, diabatic_start=0),
    "tully_2_30": _tully(2, 30.0, start=-10.0, diabatic_start=0),
    # Far to the left the second diabatic state of the third model is the lower one.
    "tully_3_10": _tully(3, 10.0, start=-15.0, diabatic_start=1),
    "tully_3_20": _tully(3, 20.0, start=-11.0, diabatic_start=1),
    "conical_intersection": Case(
        "conical intersection, γ = 0.04",
        {"name": "conical_intersection", "coupling_au": 0.04},
        Packet((2.0, 0.0), (0.0, 0.0), (0.2236, 0.1968), 0, "diabatic"),
        n=500,
        dt_fs=0.2,
        time_fs=100.0,
        exact=_on_grid(Grid((0.4, -1.8), (8.0, 1.8), (180, 96)), 10),
    ),
    "jahn_teller_modes": _oscillators(
        "E⊗e Jahn-Teller",
        {"name": "jahn_teller_modes", "frequency_au": 0.005, "linear_au": 0.008, "quadratic_au": 0.0005},
        state=0,
        n=500,
        dt_fs=0.25,
        time_fs=100.0,
        exact=_in_basis(4.5),
        labels=("E x", "E y"),
    ),
    "spin_boson": _oscillators(
        "spin-boson, 4 modes, 0 K",
        {
            "name": "spin_boson",
            "density": "ohmic",
            "modes": 4,
            "bias_au": 0.001,
            "coupling_au": 0.002,
            "reorganisation_au": 0.004,
            "cutoff_au": 0.004,
        },
        state=0,
        n=500,
        dt_fs=0.5,
        time_fs=150.0,
        exact=_in_basis(1.3),
        labels=("up", "down"),
    ),
    "sulfur_dioxide_1": _sulfur_dioxide(1),
    "sulfur_dioxide_2": _sulfur_dioxide(2),
    # Counted from 0, S1 is also the second of the spin states.
    "sulfur_dioxide_triplets": _oscillators(
        "SO2, 3 singlets and 3 triplets, from S1",
        {"name": "sulfur_dioxide", "variant": "triplets"},
        state=1,
        n=300,
        dt_fs=0.5,
        time_fs=100.0,
        exact=_in_basis(7.5),
        labels=("S0", "S1", "S2", "T1", "T2", "T3"),
    ),
    "morse_1": _morse(1, 2.9, 250.0),
    "morse_2": _morse(2, 3.3, 250.0),
    "morse_3": _morse(3, 2.1, 200.0),
    "shin_metiu": Case(
        "Shin-Metiu, from 1",
        {"name": "shin_metiu"},
        Packet((-4.0,), (0.0,), (0.5924,), 1),
        n=150,
        dt_fs=0.25,
        time_fs=35.0,
        exact=_on_grid(Grid((-8.5,), (8.5,), (255,)), 40),
        quantity="adiabatic",
    ),
}
