"""The kernels as one operation of torch, chosen by itself where they serve a model."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.kernels.applies import refusal
from nadyn.models.kernels.bound import Bound, Tape, bind
from nadyn.models.kernels.compiled import host, kernel
from nadyn.models.kernels.known import Known, known_of, say
from nadyn.models.kernels.weights import packed_weights
from nadyn.models.surroundings import element_slices

# Rows of atoms that are evaluated at once: enough that what surrounds the kernel costs little, and few enough
# that the tape stays in the cache of the processor.
_ATOM_ROWS = 3072
# How far W, of the size of what the networks say, and its derivatives may be from the reference path's.
_LARGEST_ERROR, _LARGEST_ERROR_OF_GRADIENT = 1e-4, 1e-3
# What rounding leaves where the energies of the atoms cancel [hartree an atom].
_ROUNDING = 1e-6

REAL = {torch.float32: "float", torch.float64: "double"}
Cells = Float[Tensor, "traj 3 3"] | None
Reference = Callable[[Tensor], tuple[Tensor, Tensor]]
PullBack = Callable[[Float[Tensor, "traj basis basis"]], Float[Tensor, "traj atom 3"]]


@dataclass(frozen=True)
class FastPath:
    """The fast path of a potential for some atoms.

    Attributes:
        potential: What was trained.
        order: For each sorted atom, which of the positions it is.
        numbers: Atomic numbers of the sorted atoms.
        precision: Of the network.
        is_periodic: Whether there is a cell.
    """

    potential: nn.Module
    order: tuple[int, ...]
    numbers: tuple[int, ...]
    precision: torch.dtype
    is_periodic: bool

    @property
    def refusal(self) -> str | None:
        """Why it is not taken, as far as the model and the machine say before anything is compiled."""
        return refusal(self.potential, n_atoms=len(self.numbers), is_periodic=self.is_periodic)

    def in_words(self) -> str:
        """Say which path a model takes here, and why."""
        reason = self.refusal
        if reason is None:
            return f"compiled kernels ({host().name}, {host().lanes} lanes)"
        return f"networks of torch: {reason}"

    @property
    def rows_at_once(self) -> int | None:
        """How many rows are evaluated at once at most; None where the path is not taken."""
        known = self._known()
        if known is None:
            return None
        lanes = known.bound.kernel.lanes
        return max(lanes, _ATOM_ROWS // len(self.numbers) // lanes * lanes)

    def evaluate(
        self, positions: Float[Tensor, "traj atom 3"], cells: Cells, reference: Reference
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"]] | None:
        """Return W [hartree] and the novelty, or None where the path is not taken.

        Args:
            positions: [bohr]
            cells: Cell of each row [bohr]; there must be none.
            reference: What does the same with torch.
        """
        bound = self._serving(positions, reference) if cells is None else None
        if bound is None:
            return None
        hamiltonian, novelty, _ = _Evaluate.apply(positions, bound, reference)
        return hamiltonian, novelty

    def evaluate_once(
        self, positions: Float[Tensor, "traj atom 3"], cells: Cells, reference: Reference
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"], PullBack] | None:
        """Return the same without a graph, and what gives the derivative of Σ_ab C_ab W_ab for a C."""
        bound = self._serving(positions, reference) if cells is None else None
        if bound is None:
            return None
        hamiltonian, novelty, tape = bound.evaluate(positions.detach().contiguous())
        return hamiltonian, novelty, _Kept(bound, tape).gradient

    def _serving(self, positions: Tensor, reference: Reference) -> Bound | None:
        """Return the kernel, compared with the reference at the first time, or None."""
        if not positions.is_cpu or positions.dtype != torch.float64:
            return None
        known = self._known()
        if known is None:
            return None
        if not known.is_checked:
            known.is_checked = True
            if not _agrees(known.bound, positions.detach(), reference):
                known.bound = None
                say("compiled kernels and the networks of torch disagree on this machine")
        return known.bound

    def _known(self) -> Known | None:
        """Return what is known where the path is taken, compiled at the first time, else None."""
        key = (self.numbers, self.order, self.precision, self.is_periodic)
        return known_of(self.potential, key, refusal=lambda: self.refusal, bind=self._bind)

    @torch.no_grad()
    def _bind(self) -> Bound:
        potential = self.potential
        encoder = potential.network.encoder
        settings, slices = encoder.settings, element_slices(self.numbers)
        heard = type(encoder) is EquivariantMessages
        own = kernel(REAL[self.precision], settings.n_radial, settings.n_channels, heard=heard)
        return bind(
            own,
            packed_weights(potential, own, self.precision),
            order=torch.tensor(self.order),
            slices=slices,
            elements=potential.network.elements,
            reference=reference_of(potential, self.numbers),
            n_radial=settings.n_radial,
            n_channels=settings.n_channels,
            heard=heard,
            dtype=self.precision,
        )


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(positions: Tensor, bound: Bound, reference: Reference) -> tuple[Tensor, Tensor, "_Kept"]:
        hamiltonian, novelty, tape = bound.evaluate(positions.detach().contiguous())
        return hamiltonian, novelty, _Kept(bound, tape)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.reference = inputs[2]
        ctx.kept = output[2]
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, cotangent: Tensor | None, *_: object) -> tuple[Tensor | None, None, None]:
        if cotangent is None:
            return None, None, None
        if torch.is_grad_enabled():
            # Derivatives of derivatives are asked for, which the kernels have not.
            (positions,) = ctx.saved_tensors
            hamiltonian, _ = ctx.reference(positions)
            (gradient,) = torch.autograd.grad(hamiltonian, positions, cotangent, create_graph=True)
            return gradient, None, None
        return ctx.kept.gradient(cotangent), None, None


class _Kept:
    """A tape that gives its memory back when nobody holds it any more."""

    def __init__(self, bound: Bound, tape: Tape):
        self.bound = bound
        self.tape = tape

    def gradient(self, cotangent: Tensor) -> Tensor:
        return self.bound.gradient(self.tape, cotangent.contiguous())

    def __del__(self) -> None:
        self.bound.release(self.tape)


def _agrees(bound: Bound, positions: Tensor, reference: Reference) -> bool:
    """Compare with the reference at the first geometry; one that gives no finite numbers says nothing."""
    if not len(positions):
        return True
    first = positions[:1].clone()
    with torch.enable_grad():
        leaf = first.clone().requires_grad_(True)
        expected, _ = reference(leaf)
        cotangent = torch.ones_like(expected)
        (slope,) = torch.autograd.grad(expected, leaf, cotangent)
    found, _, tape = bound.evaluate(first)
    gradient = bound.gradient(tape, cotangent)
    bound.release(tape)
    return is_alike((found, gradient), (expected.detach(), slope), bound.reference, positions.shape[1])


def is_alike(
    found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], reference: Tensor, n_atoms: int
) -> bool:
    """Tell whether W and a derivative are those of the reference path; what is not finite says nothing.

    Args:
        found: By a kernel.
        expected: By the networks of torch.
        reference: What W has of the elements alone.
        n_atoms: Over which energies are summed.
    """
    (own, gradient), (matrix, slope) = found, expected
    if not (matrix.isfinite().all() and slope.isfinite().all()):
        return True
    size = (matrix - reference).abs().max()
    near = (own - matrix).abs().max() <= _LARGEST_ERROR * size + _ROUNDING * n_atoms
    return bool(near) and bool(
        (gradient - slope).abs().max() <= _LARGEST_ERROR_OF_GRADIENT * slope.abs().max() + 1e-7
    )


def reference_of(potential: nn.Module, numbers: tuple[int, ...]) -> Float[Tensor, "basis"]:
    """Return the energies of the elements and the offset of each row [hartree]."""
    reference = potential.reference.offsets.clone()
    for element, energy in zip(potential.reference.elements, potential.reference.per_element, strict=True):
        reference = reference + numbers.count(element) * energy
    return reference
