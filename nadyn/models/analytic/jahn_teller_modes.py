"""The E⊗e Jahn-Teller problem in its two normal coordinates.

Source: H. C. Longuet-Higgins, U. Öpik, M. H. L. Pryce and R. A. Sack, Proc. R. Soc. A 244, 1 (1958);
R. Englman, The Jahn-Teller Effect in Molecules and Crystals (1972), for the quadratic term.
"""

from nadyn.models.analytic.option_values import number
from nadyn.models.analytic.vibronic import VibronicCoupling, vibronic_model
from nadyn.models.analytic.vibronic_parameters import VibronicParameters


def jahn_teller_modes(frequency_au: float, linear_au: float, quadratic_au: float) -> VibronicCoupling:
    """Return a doubly degenerate state coupled to a degenerate mode.

    W = ω (Q_x² + Q_y²)/2 + κ [[Q_x, Q_y], [Q_y, -Q_x]]
        + g/2 [[Q_x² - Q_y², -2 Q_x Q_y], [-2 Q_x Q_y, Q_y² - Q_x²]]

    in dimensionless coordinates. With g = 0 the lower energy is ω ρ²/2 - |κ| ρ, the same all around, lowest
    by κ²/(2ω) at ρ = |κ|/ω; g makes three minima and three saddles of that trough.

    Args:
        frequency_au: ω [hartree].
        linear_au: κ [hartree].
        quadratic_au: g [hartree]; |g| < ω.

    Raises:
        InputError: A number is not finite, ω is not positive, or |g| is not below ω.
    """
    frequency = number("jahn_teller_modes", "frequency_au", frequency_au, positive=True)
    linear = number("jahn_teller_modes", "linear_au", linear_au)
    quadratic = number("jahn_teller_modes", "quadratic_au", quadratic_au)
    number("jahn_teller_modes", "frequency_au - |quadratic_au|", frequency - abs(quadratic), positive=True)
    half = 0.5 * quadratic
    return vibronic_model(
        VibronicParameters(
            name="jahn-teller-modes",
            modes=("x", "y"),
            states=("E x", "E y"),
            frequencies=(frequency, frequency),
            constant={},
            linear={(0, 0, 0): linear, (1, 1, 0): -linear, (0, 1, 1): linear},
            quadratic={
                (0, 0, 0, 0): half,
                (0, 0, 1, 1): -half,
                (1, 1, 0, 0): -half,
                (1, 1, 1, 1): half,
                (0, 1, 0, 1): -quadratic,
            },
        )
    )
