"""Absorption from an ensemble of geometries: each of them contributes its vertical excitations."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from nadyn.checks.errors import InputError
from nadyn.electronic.state_spins import has_several_spins, known_multiplicities, state_multiplicities
from nadyn.electronic.surfaces import surfaces
from nadyn.models.model import Model
from nadyn.units import ANGSTROM_PER_BOHR, FINE_STRUCTURE

_CHUNK = 256
# Half the width at half height of a Gaussian in units of its standard deviation, twice.
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_Z_95 = 1.96


@dataclass(frozen=True, eq=False)
class Excitations:
    """Vertical excitations of an ensemble, from one state into all others.

    Attributes:
        from_state: Where they begin.
        to_states: Where they end.
        energies: ΔE of each of these [hartree]; negative for states below.
        strengths: Oscillator strengths 2/3 ΔE |μ|², negative for emission.
        weight: Of each geometry, 1 in the mean.
        by_energy: The states where they end, counted among all states of a geometry by energy.
    """

    from_state: int
    to_states: tuple[int, ...]
    energies: Float[np.ndarray, "geometry transition"]
    strengths: Float[np.ndarray, "geometry transition"]
    weight: Float[np.ndarray, "geometry"]
    by_energy: Int[np.ndarray, "geometry transition"]


@dataclass(frozen=True, eq=False)
class AbsorptionSpectrum:
    """Cross section over the photon energy.

    Attributes:
        photon_energies: [hartree].
        cross_section: [Å²] of a molecule.
        of_transitions: What each transition adds to it.
        error: Half of the 95 % interval: how far another ensemble of this size may differ.
    """

    photon_energies: Float[np.ndarray, "energy"]
    cross_section: Float[np.ndarray, "energy"]
    of_transitions: Float[np.ndarray, "transition energy"]
    error: Float[np.ndarray, "energy"]


def excitations(
    model: Model,
    positions: Float[np.ndarray, "geometry atom x"],
    *,
    from_state: int = 0,
    weight: Float[np.ndarray, "geometry"] | None = None,
) -> Excitations:
    """Return the vertical excitations of each geometry.

    f_kl = 2/3 (E_l - E_k) |μ_kl|², in atomic units. Of a model with states of several multiplicities states
    are counted by multiplicity, singlets first, and those of another one, which light does not reach, are
    left out.

    Args:
        model: A model that knows dipoles.
        positions: [bohr].
        from_state: k.
        weight: Weight of each geometry.

    Raises:
        InputError: There is no other state, no such state, or the model knows no dipoles.
    """
    if not 0 <= from_state < model.n_states or model.n_states < 2:
        raise InputError(
            f"`state` must be one of at least two states of model {model.name} to excite from, but it is "
            f"{from_state} and the model has {model.n_states}."
        )
    energies, moments = [], []
    for start in range(0, len(positions), _CHUNK):
        found = surfaces(model, torch.from_numpy(positions[start : start + _CHUNK]))
        if found.dipoles is None:
            raise InputError(
                f"model {model.name} must know a dipole to have a spectrum, but does not. Train it on data "
                "that have `dipoles`."
            )
        energies.append(found.energies.numpy())
        moments.append(found.dipoles.numpy())
    levels, dipole = np.concatenate(energies), np.concatenate(moments)
    others = [state for state in range(model.n_states) if state != from_state]
    order = np.tile(np.arange(model.n_states), (len(levels), 1))
    if has_several_spins(model):
        spins = known_multiplicities(model)
        others = [state for state in others if spins[state] == spins[from_state]]
        kinds = np.array(list(dict.fromkeys(spins)))
        place = (state_multiplicities(model, positions)[..., None] == kinds).argmax(axis=-1)
        # States ascend in energy, so that a stable order by spin leaves those of one spin ascending.
        order = np.argsort(place, axis=1, kind="stable")
        levels = np.take_along_axis(levels, order, axis=1)
        dipole = np.take_along_axis(dipole, order[:, :, None, None], axis=1)
        dipole = np.take_along_axis(dipole, order[:, None, :, None], axis=2)
    dipole = dipole[:, from_state]
    gaps = levels[:, others] - levels[:, [from_state]]
    strengths = 2.0 / 3.0 * gaps * (dipole[:, others] ** 2).sum(axis=-1)
    given = np.ones(len(positions)) if weight is None else weight
    return Excitations(from_state, tuple(others), gaps, strengths, given / given.mean(), order[:, others])


def absorption(
    found: Excitations, photon_energies: Float[np.ndarray, "energy"], *, fwhm: float
) -> AbsorptionSpectrum:
    """Return the cross section of the nuclear ensemble.

    σ(E) = 2π² α / E · mean over geometries of Σ ΔE f g(E - ΔE) in atomic units, g a normalised Gaussian.
    States below the one that is excited from do not absorb.

    Source: R. Crespo-Otero and M. Barbatti, Theor. Chem. Acc. 131, 1237 (2012).

    Args:
        found: Excitations of the ensemble.
        photon_energies: Above 0 [hartree].
        fwhm: Full width at half height of the Gaussian [hartree].
    """
    sigma = fwhm / _FWHM_PER_SIGMA
    shape = np.exp(-0.5 * ((photon_energies - found.energies[..., None]) / sigma) ** 2)
    shape = shape / (sigma * np.sqrt(2.0 * np.pi))
    strength = np.where(found.energies > 0, found.energies * found.strengths, 0.0)
    factor = 2.0 * np.pi**2 * FINE_STRUCTURE / photon_energies * ANGSTROM_PER_BOHR**2
    each = factor * strength[..., None] * shape * found.weight[:, None, None]
    n = len(each)
    total = each.sum(axis=1)
    error = total.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(photon_energies), np.nan)
    return AbsorptionSpectrum(photon_energies, total.mean(axis=0), each.mean(axis=0), _Z_95 * error)
