"""What light would see of a run: absorption of its starts, transient absorption, dipoles and emission.

Energies and dipoles come from the model of the run; this file knows none, and takes them as arrays.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from nadyn.analysis.fates import known
from nadyn.analysis.occupations import occupations
from nadyn.analysis.sums import votes
from nadyn.trajectory import Run
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    AU_PER_FEMTOSECOND,
    DEBYE_PER_AU,
    ELECTRONVOLT_PER_HARTREE,
    FINE_STRUCTURE,
    HARTREE_PER_EV,
)

# Widths of transitions, at half height [eV].
WIDTH_EV = 0.2
_SIGMA_PER_FWHM = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))
_Z_95 = 1.96
_MOST_FRAMES, _MOST_TRAJECTORIES = 61, 400
# Atoms at all of these places together; some ten microseconds each.
_MOST_ATOMS, _FEWEST_TRAJECTORIES = 400_000, 50
_ENERGIES = 160
_PER_NANOSECOND = 1e6 * AU_PER_FEMTOSECOND
# The lowest photon energy [eV], and the part of the strength that the highest one is beyond.
_LOWEST, _NEARLY_ALL = 0.1, 0.999


@dataclass(frozen=True, eq=False)
class Absorption:
    """Absorption of an ensemble of geometries.

    Attributes:
        energies_ev: Photon energies [eV].
        cross_section: [Å²] of a molecule.
        error: Half of the 95 % interval.
        of_transitions: What each transition adds.
        names: Of the transitions.
        window_ev: Lowest and highest photon energy that was excited [eV]; None where it is not known.
        origin: Which geometries these are, in words.
        file: Where it was read from; None where it was not.
    """

    energies_ev: Float[np.ndarray, "energy"]
    cross_section: Float[np.ndarray, "energy"]
    error: Float[np.ndarray, "energy"]
    of_transitions: Float[np.ndarray, "transition energy"]
    names: list[str]
    window_ev: tuple[float, float] | None
    origin: str
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class Light:
    """What a model says of light at some frames of some trajectories of a run.

    Attributes:
        frames: Numbers of the frames, the first one among them.
        trajectories: Numbers of the trajectories.
        energies: [hartree]; NaN where nothing is known, which is left out of all means.
        dipoles: Of each state [e bohr].
        squares: |⟨k|μ|l⟩|² [e² bohr²].
        absorption: Of the starts, or of a larger ensemble; None without one.
        words: A sentence on where these numbers are from, if it is not the model of the run.
    """

    frames: Int[np.ndarray, "frame"]
    trajectories: Int[np.ndarray, "traj"]
    energies: Float[np.ndarray, "frame traj state"]
    dipoles: Float[np.ndarray, "frame traj state 3"]
    squares: Float[np.ndarray, "frame traj state state2"]
    absorption: Absorption | None = None
    words: str = ""


@dataclass(frozen=True, eq=False)
class Transient:
    """Transient absorption, [Å²] of a molecule: what light finds minus what it would find without excitation.

    Attributes:
        time_fs: [fs].
        energies_ev: Photon energies [eV].
        parts: Stimulated emission (negative), absorption of excited states, absorption of molecules that came
            back to the lowest state, and what is missing at the geometries of the start (negative).
        error: Half of the 95 % interval of their sum.
    """

    time_fs: Float[np.ndarray, "frame"]
    energies_ev: Float[np.ndarray, "energy"]
    parts: dict[str, Float[np.ndarray, "frame energy"]]
    error: Float[np.ndarray, "frame energy"]

    @property
    def total(self) -> Float[np.ndarray, "frame energy"]:
        """The signal: the sum of its parts."""
        return sum(self.parts.values())


def chosen(run: Run) -> tuple[Int[np.ndarray, "frame"], Int[np.ndarray, "traj"]]:
    """Return frames and trajectories at which light is looked at: all, or evenly chosen ones of many.

    Of large molecules fewer trajectories, fifty at least: a page should not take minutes.
    """
    frames = np.linspace(0, run.committed_frames - 1, min(run.committed_frames, _MOST_FRAMES))
    affordable = max(_FEWEST_TRAJECTORIES, _MOST_ATOMS // (len(frames) * run.positions.shape[2]))
    most = min(run.n_trajectories, _MOST_TRAJECTORIES, affordable)
    trajectories = np.linspace(0, run.n_trajectories - 1, most)
    return frames.round().astype(int), trajectories.round().astype(int)


def transient_absorption(run: Run, light: Light, *, width_ev: float = WIDTH_EV) -> Transient:
    """Return the transient absorption of a run, excited at its start from the lowest state.

    A molecule in state k absorbs σ_k(E) = 4π²α/3 · 1/E · Σ_l sgn(ΔE) ΔE² |μ_kl|² g(E - |ΔE|) with
    ΔE = E_l - E_k and g a normalised Gaussian; what it emits when stimulated counts negative. The signal is
    the mean over trajectories of Σ_k P_k σ_k at their geometries minus σ_0 at those of their starts. Pulses
    are taken as short, their lengths as included in the width.

    Source: M. F. Gelin, X. Huang, W. Xie, L. Chen, N. Došlić and W. Domcke, J. Chem. Theory Comput. 17, 2394
    (2021), of which this is the limit of short pulses; cross section as in
    `nadyn.dynamics.spectra.excitation.absorption`.

    Args:
        run: The run.
        light: Energies and dipoles of its model.
        width_ev: Full width at half height of each transition [eV].
    """
    weight, share = _weights(run, light)
    sigma = width_ev * HARTREE_PER_EV * _SIGMA_PER_FWHM
    energies_ev = _photon_energies(light, share, width_ev)
    photons = energies_ev * HARTREE_PER_EV
    ground = np.zeros((len(light.trajectories), light.energies.shape[2]))
    ground[:, 0] = 1.0
    names = ("stimulated emission", "excited-state absorption", "absorption of the lowest state", "bleach")
    parts = {name: np.zeros((len(light.frames), len(photons))) for name in names}
    error = np.full((len(light.frames), len(photons)), np.nan)
    ground[np.isnan(light.energies[0]).any(axis=-1)] = 0.0
    missing = -_cross_sections(light.energies[0], light.squares[0], ground, photons, sigma)[2]
    for row in range(len(light.frames)):
        found = (
            *_cross_sections(light.energies[row], light.squares[row], share[row], photons, sigma),
            missing,
        )
        own = weight[row] / weight[row].sum() if weight[row].sum() > 0 else weight[row]
        for name, each in zip(names, found, strict=True):
            parts[name][row] = own @ each if own.any() else np.nan
        error[row] = _half_interval(own, sum(found))
    return Transient(run.time_fs[light.frames], energies_ev, parts, error)


def dipole_and_emission(run: Run, light: Light) -> dict[str, Float[np.ndarray, "frame"]]:
    """Return the dipole of the occupied state [debye] and the rate of spontaneous emission [1/ns].

    Means over trajectories of Σ_k P_k |μ_kk| and of Σ_k P_k Σ_l<k 4/3 α³ ΔE³ |μ_kl|², each with half of its
    95 %
    interval: keys `dipole_debye`, `dipole_error`, `emission_per_ns`, `emission_error`.

    Source: R. C. Hilborn, Am. J. Phys. 50, 982 (1982).

    Args:
        run: The run.
        light: Energies and dipoles of its model.
    """
    weight, share = _weights(run, light)
    sizes = np.linalg.norm(light.dipoles, axis=-1) * DEBYE_PER_AU
    down = np.maximum(light.energies[..., :, None] - light.energies[..., None, :], 0.0)
    rates = 4.0 / 3.0 * FINE_STRUCTURE**3 * (down**3 * light.squares).sum(axis=-1) * _PER_NANOSECOND
    total = weight.sum(axis=1, keepdims=True)
    own = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    columns: dict[str, Float[np.ndarray, frame]] = {}
    for name, error, values in (
        ("dipole_debye", "dipole_error", (share * sizes).sum(axis=-1)),
        ("emission_per_ns", "emission_error", (share * rates).sum(axis=-1)),
    ):
        # Not known times no weight is nothing.
        values = np.where(weight > 0, values, 0.0)
        columns[name] = np.where(total[:, 0] > 0, (own * values).sum(axis=1), np.nan)
        columns[error] = np.array(
            [_half_interval(w, v[:, None])[0] for w, v in zip(own, values, strict=True)]
        )
    return columns


def _weights(
    run: Run, light: Light
) -> tuple[Float[np.ndarray, "frame traj"], Float[np.ndarray, "frame traj state"]]:
    """Return the weights of the trajectories that are known, and what each contributes to each state."""
    place = np.ix_(light.frames, light.trajectories)
    share = occupations(run)
    weight = votes(run, known(run), share)[place]
    there = np.isfinite(light.energies).all(axis=-1)
    # A signal is a difference from the start, which must be known too.
    weight = np.where(there & there[0], weight, 0.0)
    return weight, np.where(weight[..., None] > 0, share[place], 0.0)


def _cross_sections(
    energies: Float[np.ndarray, "traj state"],
    squares: Float[np.ndarray, "traj state state2"],
    share: Float[np.ndarray, "traj state"],
    photons: Float[np.ndarray, "energy"],
    sigma: float,
) -> tuple[Float[np.ndarray, "traj energy"], ...]:
    """Return stimulated emission, absorption of states above the lowest, and that of the lowest [Å²]."""
    emission, excited, lowest = (np.zeros((len(energies), len(photons))) for _ in range(3))
    n_states = energies.shape[1]
    factor = 4.0 / 3.0 * np.pi**2 * FINE_STRUCTURE * ANGSTROM_PER_BOHR**2 / photons
    for k in range(n_states):
        some = np.flatnonzero(share[:, k])
        if not len(some):
            continue
        for l in range(n_states):
            gap = energies[some, l] - energies[some, k]
            lines = np.exp(-0.5 * ((photons - np.abs(gap)[:, None]) / sigma) ** 2) / (
                sigma * np.sqrt(2 * np.pi)
            )
            strength = share[some, k] * np.sign(gap) * gap**2 * squares[some, k, l]
            where = emission if l < k else lowest if k == 0 else excited
            where[some] += factor * strength[:, None] * lines
    return emission, excited, lowest


def _photon_energies(
    light: Light, share: Float[np.ndarray, "frame traj state"], width_ev: float
) -> Float[np.ndarray, "energy"]:
    """Return photon energies that hold the lines of nearly all of the strength."""
    upper = np.triu_indices(light.energies.shape[2], 1)
    gaps = (light.energies[..., upper[1]] - light.energies[..., upper[0]]).reshape(-1)
    strength = (
        light.squares[..., upper[0], upper[1]] * (share[..., upper[0]] + share[..., upper[1]] != 0)
    ).reshape(-1)
    strength = np.where(np.isfinite(gaps * strength), gaps**2 * strength, 0.0)
    order = np.argsort(gaps)
    sums = np.cumsum(strength[order])
    last = min(int(np.searchsorted(sums, _NEARLY_ALL * sums[-1])), len(order) - 1)
    highest = float(gaps[order[last]]) * ELECTRONVOLT_PER_HARTREE
    return np.linspace(_LOWEST, max(highest, _LOWEST) + 1.5 * width_ev, _ENERGIES)


def _half_interval(
    own: Float[np.ndarray, "traj"], values: Float[np.ndarray, "traj value"]
) -> Float[np.ndarray, "value"]:
    """Return half of the 95 % interval of a weighted mean; NaN of fewer than two trajectories."""
    squares = float((own**2).sum())
    number = 1.0 / squares if squares > 0 else 0.0
    if number <= 1.0 + 1e-9:
        return np.full(values.shape[1], np.nan)
    values = np.where(own[:, None] > 0, values, 0.0)
    spread = own @ (values - own @ values) ** 2
    return _Z_95 * np.sqrt(spread / (number - 1.0))
