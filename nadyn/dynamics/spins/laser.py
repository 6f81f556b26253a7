"""A laser pulse: its field in time, when it is on, and which hops it can pay for."""

import math
from dataclasses import dataclass

from jaxtyping import Bool, Complex, Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration


class LaserSection(Configuration):
    """A Gaussian pulse of methods fssh and gfsh, see the page of the laser.

    The field is E0 e exp(-4 ln2 (t - t0)^2 / fwhm^2) cos(w (t - t0) + phase) along the polarisation e.
    """

    peak_field_au: float = Field(gt=0.0, allow_inf_nan=False)
    photon_energy_ev: float = Field(gt=0.0, allow_inf_nan=False)
    fwhm_fs: float = Field(gt=0.0, allow_inf_nan=False)
    centre_fs: float = Field(allow_inf_nan=False)
    polarisation: tuple[float, float, float]
    phase_rad: float = Field(default=0.0, allow_inf_nan=False)
    bandwidth_ev: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)


# The field is zero where the envelope is below this.
_SMALLEST_ENVELOPE = 1e-6
# Largest phase of the carrier in one of the parts into which the electronic step is cut.
_LARGEST_PHASE = 0.15


@dataclass(frozen=True)
class Pulse:
    """E(t) = E0 ε exp(-4 ln2 (t - t0)²/τ²) cos(ω (t - t0) + φ), in atomic units.

    Attributes:
        peak_field: E0.
        polarisation: ε, of length 1, in the frame of the dipoles.
        frequency: ω.
        fwhm: τ, the full width of the envelope of the field at half its height.
        centre: t0.
        phase: φ.
        bandwidth: A hop is paid by the field where | |ΔE| - ω | is at most this.
    """

    peak_field: float
    polarisation: tuple[float, float, float]
    frequency: float
    fwhm: float
    centre: float
    phase: float
    bandwidth: float

    def envelope(self, time: float) -> float:
        """Return the envelope, 0 to 1; it is cut off below one millionth."""
        value = math.exp(-4.0 * math.log(2.0) * ((time - self.centre) / self.fwhm) ** 2)
        return value if value >= _SMALLEST_ENVELOPE else 0.0

    def field(self, time: float) -> float:
        """Return the field along the polarisation."""
        return (
            self.peak_field
            * self.envelope(time)
            * math.cos(self.frequency * (time - self.centre) + self.phase)
        )

    def is_on(self, time: float, dt: float) -> bool:
        """Tell whether there is a field between a time and `dt` later."""
        inside = time < self.centre < time + dt
        return inside or self.envelope(time) > 0.0 or self.envelope(time + dt) > 0.0

    def fields_of_step(self, time: float, dt: float) -> list[float]:
        """Return the field in the middle of each of the equal parts of a step, short against the carrier."""
        parts = max(1, math.ceil(self.frequency * dt / _LARGEST_PHASE))
        return [self.field(time + (part + 0.5) * dt / parts) for part in range(parts)]

    def pays(self, energy_change: Float[Tensor, "hop"]) -> Bool[Tensor, "hop"]:
        """Tell which hops lie inside the bandwidth, up by absorption or down by emission."""
        return (energy_change.abs() - self.frequency).abs() <= self.bandwidth


def spectral_width(fwhm: float) -> float:
    """Return the full width at half height 8 ln2/τ of the spectrum of the field, the envelope having τ."""
    return 8.0 * math.log(2.0) / fwhm


def along(
    dipoles: Complex[Tensor, "spin_state spin_state2 3"], polarisation: tuple[float, float, float]
) -> Complex[Tensor, "spin_state spin_state2"]:
    """Return the dipole matrix along the polarisation [e bohr]."""
    return sum(dipoles[:, :, axis] * polarisation[axis] for axis in range(3))
