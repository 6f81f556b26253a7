"""Two states in a bath of oscillators.

Source: A. J. Leggett, S. Chakravarty, A. T. Dorsey, M. P. A. Fisher, A. Garg and W. Zwerger,
Rev. Mod. Phys. 59, 1 (1987); for the discretisation P. L. Walters, T. C. Allen and N. Makri,
J. Comput. Chem. 38, 110 (2017).
"""

import math

from nadyn.checks.errors import InputError
from nadyn.models.analytic.option_values import number
from nadyn.models.analytic.vibronic import VibronicCoupling, vibronic_model
from nadyn.models.analytic.vibronic_parameters import VibronicParameters

_DENSITIES = ("debye", "ohmic")
_MOST_MODES = 10_000


def spin_boson(
    density: str,
    modes: int,
    bias_au: float,
    coupling_au: float,
    reorganisation_au: float,
    cutoff_au: float,
) -> VibronicCoupling:
    """Return the spin-boson model with a discretised bath, in dimensionless coordinates Q_j.

    W = Σ_j ω_j Q_j²/2 + [[ε, Δ], [Δ, -ε]] + [[1, 0], [0, -1]] Σ_j κ_j Q_j. The bath is that of
    J(ω) = (π/2) Σ_j (c_j²/ω_j) δ(ω - ω_j) with c_j = κ_j √ω_j and the reorganisation energy
    λ = (4/π) ∫ J(ω)/ω dω, the energy from the minimum of one diabatic state to the other curve there.

        debye:  J(ω) = (λ/2) ω ω_c / (ω² + ω_c²),   ω_j = ω_c tan[π (j - ½) / (2N)]
        ohmic:  J(ω) = (π λ / (4 ω_c)) ω exp(-ω/ω_c),   ω_j = -ω_c ln[1 - (j - ½)/N]

    for j = 1 … N. Every mode carries λ/N, so κ_j = √(λ ω_j / (2N)). The Kondo parameter of the Ohmic bath is
    λ/(2 ω_c).

    Args:
        density: "debye" or "ohmic".
        modes: N.
        bias_au: ε, half the difference of the diabatic energies [hartree].
        coupling_au: Δ [hartree].
        reorganisation_au: λ [hartree].
        cutoff_au: ω_c [hartree].

    Raises:
        InputError: An unknown density, or a number that is none or not positive where it must be.
    """
    if density not in _DENSITIES:
        raise InputError(
            f"`density` of model spin_boson must be one of {', '.join(_DENSITIES)}, but is {density!r}."
        )
    if type(modes) is not int or not 1 <= modes <= _MOST_MODES:
        raise InputError(
            f"`modes` of model spin_boson must be a number from 1 to {_MOST_MODES}, but is {modes!r}."
        )
    bias = number("spin_boson", "bias_au", bias_au)
    coupling = number("spin_boson", "coupling_au", coupling_au)
    reorganisation = number("spin_boson", "reorganisation_au", reorganisation_au, positive=True)
    cutoff = number("spin_boson", "cutoff_au", cutoff_au, positive=True)
    middles = [(j + 0.5) / modes for j in range(modes)]
    if density == "debye":
        frequencies = tuple(cutoff * math.tan(0.5 * math.pi * middle) for middle in middles)
    else:
        frequencies = tuple(-cutoff * math.log1p(-middle) for middle in middles)
    linear = {}
    for mode, frequency in enumerate(frequencies):
        linear[0, 0, mode] = math.sqrt(0.5 * reorganisation * frequency / modes)
        linear[1, 1, mode] = -linear[0, 0, mode]
    return vibronic_model(
        VibronicParameters(
            name=f"spin-boson-{density}-{modes}",
            modes=tuple(f"{j + 1}" for j in range(modes)),
            states=("up", "down"),
            frequencies=frequencies,
            constant={(0, 0): bias, (1, 1): -bias, (0, 1): coupling},
            linear=linear,
            quadratic={},
        )
    )
