"""Electronic coefficients over one time step from energies and time-derivative couplings, in sub-steps."""

from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.dynamics.state.batch_independence import electronic_width
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.electronic.eigen import aligned_eigh
from nadyn.electronic.small_arrays import as_complex
from nadyn.electronic.surfaces import in_blocks

SUBSTEPS = 20


def propagator_by_tdc(
    energies: Float[Tensor, "traj state"],
    new_energies: Float[Tensor, "traj state"],
    tdc: Float[Tensor, "traj state state"],
    new_tdc: Float[Tensor, "traj state state"],
    *,
    dt: float,
) -> Complex[Tensor, "traj state state"]:
    """Return R in c(t+dt) = R c(t) for dc_k/dt = -i E_k c_k - sum_l T_kl c_l.

    E and T change linearly over the step. Each of its sub-steps is exp[-i (E - i T) dt/n] in the middle of
    it, which is unitary whatever the length of the sub-step. The states of both ends must have matching
    signs.

    Args:
        energies: E(t) [hartree].
        new_energies: E(t+dt).
        tdc: T(t), antisymmetric [1/au of time].
        new_tdc: T(t+dt).
        dt: Time step [au].
    """

    def block(*rows: Tensor) -> tuple[Tensor]:
        e, new_e, t, new_t = (trajectories_last(array) for array in rows)
        return (_product_of_substeps(e, new_e, lambda x: t + x * (new_t - t), dt),)

    width = electronic_width(2 * energies.shape[1], energies)
    return as_complex(in_blocks(width, block, energies, new_energies, tdc, new_tdc)[0])


def propagator_by_turns(
    energies: Float[Tensor, "traj state"],
    new_energies: Float[Tensor, "traj state"],
    turns: Float[Tensor, "traj substep pair"],
    *,
    dt: float,
) -> Complex[Tensor, "traj state state"]:
    """Return the same for the angles by which neighbours turn in each of the sub-steps.

    Args:
        energies: E(t) [hartree].
        new_energies: E(t+dt).
        turns: Integral of T_kl over each sub-step for neighbours k < l.
        dt: Time step [au].
    """

    def block(*rows: Tensor) -> tuple[Tensor]:
        e, new_e, angles = (trajectories_last(array) for array in rows)

        def at(x: float) -> Tensor:
            rate = (angles[int(x * SUBSTEPS)] * (SUBSTEPS / dt)).T
            return (torch.diag_embed(rate, offset=1) - torch.diag_embed(rate, offset=-1)).movedim(0, -1)

        return (_product_of_substeps(e, new_e, at, dt),)

    width = electronic_width(2 * energies.shape[1], energies)
    return as_complex(in_blocks(width, block, energies, new_energies, turns)[0])


def _product_of_substeps(e: Tensor, new_e: Tensor, tdc_at: Callable[[float], Tensor], dt: float) -> Tensor:
    real = imag = None
    for m in range(SUBSTEPS):
        x = (m + 0.5) / SUBSTEPS
        c, s = _exponential(e + x * (new_e - e), tdc_at(x), dt / SUBSTEPS)
        real, imag = (c, s) if imag is None else _complex_product(c, s, real, imag)
    return torch.stack([real, imag], dim=2).movedim(-1, 0).contiguous()


def apply_propagator(
    propagator: Complex[Tensor, "traj state state2"], coefficients: Complex[Tensor, "traj state2"]
) -> Complex[Tensor, "traj state"]:
    """Return R c, summed in one order whatever the batch."""
    n = coefficients.shape[1]
    r, c = torch.view_as_real(propagator), torch.view_as_real(coefficients)
    real = imag = torch.zeros_like(c[..., 0])
    for l in range(n):
        real = real + (r[:, :, l, 0] * c[:, l, 0, None] - r[:, :, l, 1] * c[:, l, 1, None])
        imag = imag + (r[:, :, l, 0] * c[:, l, 1, None] + r[:, :, l, 1] * c[:, l, 0, None])
    return torch.complex(real, imag)


def _exponential(energies: Tensor, tdc: Tensor, dt: float) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of exp[-i dt (E - i T)]; the trajectories are the last axis."""
    if len(energies) == 2:
        return _exponential_of_two(energies, tdc[0, 1], dt)
    n = len(energies)
    # A Hermitian A + i B has the functions of the real symmetric [[A, -B], [B, A]], here A = E and B = -T.
    diagonal = torch.diag_embed(energies.T)
    coupling = tdc.movedim(-1, 0)
    embedded = torch.cat(
        [torch.cat([diagonal, coupling], dim=2), torch.cat([-coupling, diagonal], dim=2)], dim=1
    )
    values, vectors = aligned_eigh(embedded)
    angle = values.T.contiguous() * dt
    vectors = trajectories_last(vectors)
    cosine = product(vectors[:n] * torch.cos(angle), vectors.transpose(0, 1))
    sine = product(vectors[:n] * torch.sin(angle), vectors.transpose(0, 1))
    # cos X has the real part in its first block and minus its imaginary part in the second; so has sin X.
    return cosine[:, :n] - sine[:, n:], -cosine[:, n:] - sine[:, :n]


def _exponential_of_two(energies: Tensor, coupling: Tensor, dt: float) -> tuple[Tensor, Tensor]:
    """exp(-i m dt) [cos(w dt) - i (z s_z + T s_y) sin(w dt)/w], m mean, z half gap, w^2 = z^2 + T^2."""
    m, z = 0.5 * (energies[0] + energies[1]), 0.5 * (energies[0] - energies[1])
    w = torch.sqrt(z * z + coupling * coupling)
    cos_m, sin_m = torch.cos(m * dt), torch.sin(m * dt)
    cos_w, sin_w = torch.cos(w * dt), torch.sin(w * dt)
    ratio = torch.where(w > 0, sin_w / torch.where(w > 0, w, 1.0), dt)
    z, t = z * ratio, coupling * ratio
    real = [cos_m * cos_w - sin_m * z, -cos_m * t, cos_m * t, cos_m * cos_w + sin_m * z]
    imag = [-sin_m * cos_w - cos_m * z, sin_m * t, -sin_m * t, -sin_m * cos_w + cos_m * z]
    return torch.stack(real).reshape(2, 2, -1), torch.stack(imag).reshape(2, 2, -1)


def _complex_product(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of (a + i b)(c + i d)."""
    return product(a, c) - product(b, d), product(a, d) + product(b, c)
