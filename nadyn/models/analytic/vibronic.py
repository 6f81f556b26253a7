"""Vibronic coupling Hamiltonians: coupled harmonic oscillators in dimensionless normal coordinates.

Source: H. Köppel, W. Domcke and L. S. Cederbaum, Adv. Chem. Phys. 57, 59 (1984), equations 2.5 to 2.9.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.models.analytic.generalised import GeneralisedCoordinates
from nadyn.models.analytic.normal_coordinates import NormalCoordinates
from nadyn.models.analytic.vibronic_parameters import VibronicParameters, parse_parameters
from nadyn.models.model import Evaluation
from nadyn.models.spin_states import spin_states


@dataclass(frozen=True, eq=False)
class VibronicCoupling(GeneralisedCoordinates):
    """Harmonic oscillators coupled to any number of diabatic states.

    W_ab = δ_ab Σ_m ω_m Q_m² / 2 + E_ab + Σ_m κ_abm Q_m + Σ_{m≤n} γ_abmn Q_m Q_n

    The kinetic energy is Σ_m ω_m P_m² / 2, so that the mass of the coordinate Q_m is 1/ω_m. In its
    ground state an oscillator has the widths 1/√2 in Q and in P.

    Attributes:
        name: Name of the model.
        mode_names: One name a coordinate.
        state_names: One name a diabatic state.
        frequencies: ω_m [hartree].
        pairs: The two modes m, n of every product Q_m Q_n that occurs.
        place: Number of the element of the upper triangle that stands at each place of W.
        polynomial: Coefficients of 1, of every Q_m and of every product [hartree], for each element.
        multiplicities: 2S + 1 of each diabatic state; states of different multiplicity do not couple in W.
        spin_orbit: Constant Hermitian matrix between the spin states [hartree], in the order of
            `nadyn.models.spin_states`, or None. It is no part of W.
        dipoles: Constant dipole matrix of the spin states [e bohr], or None.
        frame: What the coordinates mean in a molecule, or None.
    """

    name: str
    mode_names: tuple[str, ...]
    state_names: tuple[str, ...]
    frequencies: Float[Tensor, "atom"]
    pairs: Int[Tensor, "two pair"]
    place: Int[Tensor, "basis basis"]
    polynomial: Float[Tensor, "term element"]
    multiplicities: tuple[int, ...]
    spin_orbit: Complex[Tensor, "spin_state spin_state"] | None = None
    dipoles: Complex[Tensor, "spin_state spin_state 3"] | None = None
    frame: NormalCoordinates | None = None

    block_width: ClassVar[int] = 256

    @property
    def n_states(self) -> int:
        return len(self.state_names)

    @property
    def n_basis(self) -> int:
        return len(self.state_names)

    @property
    def operators(self) -> tuple[str, ...]:
        """See `HasOperators`."""
        return () if self.dipoles is None else ("dipole",)

    def operator(
        self, name: str, positions: Float[Tensor, "traj atom x"]
    ) -> Float[Tensor, "traj basis basis 3"]:
        """Return the dipoles of the diabatic states in the lowest M_S [e bohr], in the frame of the model."""
        spins = spin_states(self.multiplicities)
        first = [int(torch.nonzero(spins.row == row)[0]) for row in range(self.n_basis)]
        return self.dipoles.real[first][:, first].expand(len(positions), -1, -1, -1)

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return 1.0 / self.frequencies

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W [hartree] at dimensionless coordinates Q of shape (traj, mode, 1)."""
        q = positions[:, :, 0]
        products = q[:, self.pairs[0]] * q[:, self.pairs[1]]
        terms = torch.cat([torch.ones_like(q[:, :1]), q, products], dim=1)
        upper = _sum_of_terms(terms[:, :, None] * self.polynomial)
        # Each element is computed once and placed twice: W is symmetric to the last bit.
        return Evaluation(upper[:, self.place], torch.zeros_like(q[:, 0]))


def _sum_of_terms(terms: Float[Tensor, "traj term element"]) -> Float[Tensor, "traj element"]:
    """Sum over the terms by adding halves.

    A matrix product would be shorter, but rounds a row by its place in the batch (measured on CPU).
    """
    while terms.shape[1] > 1:
        half = terms.shape[1] // 2
        added = terms[:, :half] + terms[:, half : 2 * half]
        terms = torch.cat([added, terms[:, 2 * half :]], dim=1)
    return terms[:, 0]


def vibronic_model(parameters: VibronicParameters) -> VibronicCoupling:
    """Return the model with the given parameters."""
    modes, n = parameters.modes, len(parameters.states)
    rows, columns = torch.triu_indices(n, n)
    place = torch.zeros(n, n, dtype=torch.long)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows))
    quadratic = dict(parameters.quadratic)
    for mode, frequency in enumerate(parameters.frequencies):
        for state in range(n):
            key = (state, state, mode, mode)
            quadratic[key] = quadratic.get(key, 0.0) + 0.5 * frequency
    pairs = sorted({key[2:] for key in quadratic})
    polynomial = torch.zeros(1 + len(modes) + len(pairs), len(rows), dtype=torch.float64)
    for (a, b), value in parameters.constant.items():
        polynomial[0, place[a, b]] = value
    for (a, b, mode), value in parameters.linear.items():
        polynomial[1 + mode, place[a, b]] = value
    for (a, b, *pair), value in quadratic.items():
        polynomial[1 + len(modes) + pairs.index(tuple(pair)), place[a, b]] = value
    return VibronicCoupling(
        name=parameters.name,
        mode_names=modes,
        state_names=parameters.states,
        frequencies=torch.tensor(parameters.frequencies, dtype=torch.float64),
        pairs=torch.tensor(pairs).T.contiguous(),
        place=place,
        polynomial=polynomial,
        multiplicities=(1,) * n,
    )


def read_vibronic_model(path: str | Path) -> VibronicCoupling:
    """Return the vibronic coupling model of a parameter file (JSON, see `parse_parameters`).

    Raises:
        InputError: The file is missing or its content is not as described there.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"`file` of a vibronic model must be a file name, but is {path!r}.")
    path = Path(path)
    check_file(path, f"`file` {str(path)!r} of a vibronic model")
    return vibronic_model(parse_parameters(path.read_bytes(), where=str(path)))


def pyrazine(variant: int) -> VibronicCoupling:
    """Return the vibronic coupling model of pyrazine, S1 and S2, with 4 modes and bilinear terms.

    Source: A. Raab, G. A. Worth, H.-D. Meyer and L. S. Cederbaum, J. Chem. Phys. 110, 936 (1999).

    Args:
        variant: Number of modes; 4 is available.

    Raises:
        InputError: Another number of modes.
    """
    if type(variant) is not int or variant != 4:
        raise InputError(f"`variant` of the pyrazine model must be 4 (modes), but is {variant!r}.")
    file = resources.files("nadyn.models.analytic") / "pyrazine4.json"
    return vibronic_model(parse_parameters(file.read_bytes(), where=file.name))
