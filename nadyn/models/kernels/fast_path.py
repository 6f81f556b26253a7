"""The kernels as one operation of torch, chosen by itself where they serve a model."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.checks.errors import InputWarning
from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.kernels.applies import Tables, is_off, refusal, stamp, tables_of
from nadyn.models.kernels.bound import Bound, Tape, bind
from nadyn.models.kernels.compiled import first_line, host, kernel
from nadyn.models.kernels.weights import packed_weights
from nadyn.models.surroundings import element_slices

# Rows of atoms that are evaluated at once: enough that what surrounds the kernel costs little, and few enough
# that the tape stays in the cache of the processor.
_ATOM_ROWS = 3072
# How far W, of the size of what the networks say, and its derivatives may be from the reference path's.
_LARGEST_ERROR, _LARGEST_ERROR_OF_GRADIENT = 1e-4, 1e-3
# What rounding leaves where the energies of the atoms cancel [hartree an atom].
_ROUNDING = 1e-6

_REAL = {torch.float32: "float", torch.float64: "double"}
Reference = Callable[[Tensor], tuple[Tensor, Tensor]]
PullBack = Callable[[Float[Tensor, "traj basis basis"]], Float[Tensor, "traj atom 3"]]


@dataclass
class _Known:
    """What is known of a potential for some atoms.

    Attributes:
        tables: See `tables_of`.
        stamp: State of the weights that the kernel has.
        bound: The kernel, or None where it does not serve.
        is_checked: Whether it was compared with the reference.
    """

    tables: Tables
    stamp: tuple[object, ...]
    bound: Bound | None
    is_checked: bool = False


_known: WeakKeyDictionary[nn.Module, dict[object, _Known]] = WeakKeyDictionary()


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
        self, positions: Float[Tensor, "traj atom 3"], reference: Reference
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"]] | None:
        """Return W [hartree] and the novelty, or None where the path is not taken.

        Args:
            positions: [bohr]
            reference: What does the same with torch.
        """
        bound = self._serving(positions, reference)
        if bound is None:
            return None
        hamiltonian, novelty, _ = _Evaluate.apply(positions, bound, reference)
        return hamiltonian, novelty

    def evaluate_once(
        self, positions: Float[Tensor, "traj atom 3"], reference: Reference
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"], PullBack] | None:
        """Return the same without a graph, and what gives the derivative of Σ_ab C_ab W_ab for a C."""
        bound = self._serving(positions, reference)
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
                _say("compiled kernels and the networks of torch disagree on this machine")
        return known.bound

    def _known(self) -> _Known | None:
        """Return what is known where the path is taken, compiled at the first time, else None."""
        if is_off():
            return None
        of_potential = _known.setdefault(self.potential, {})
        key = (self.numbers, self.order, self.precision, self.is_periodic)
        known = of_potential.get(key)
        tables = tables_of(self.potential) if known is None else known.tables
        now = stamp(tables)
        if now is None:
            return None
        if known is None or known.stamp != now:
            known = of_potential[key] = _Known(tables_of(self.potential), now, None)
            known.stamp = stamp(known.tables)
            if self.refusal is None:
                try:
                    known.bound = self._bind()
                except (RuntimeError, OSError, AttributeError, TypeError) as error:
                    # Whatever another version of llvmlite, or another processor, makes of it.
                    _say(f"kernels could not be compiled ({first_line(error)})")
        return None if known.bound is None else known

    @torch.no_grad()
    def _bind(self) -> Bound:
        potential = self.potential
        encoder = potential.network.encoder
        settings, slices = encoder.settings, element_slices(self.numbers)
        heard = type(encoder) is EquivariantMessages
        own = kernel(_REAL[self.precision], settings.n_radial, settings.n_channels, heard=heard)
        reference = potential.reference.offsets.clone()
        for element, energy in zip(
            potential.reference.elements, potential.reference.per_element, strict=True
        ):
            reference = reference + self.numbers.count(element) * energy
        return bind(
            own,
            packed_weights(potential, own, self.precision),
            order=torch.tensor(self.order),
            slices=slices,
            elements=potential.network.elements,
            reference=reference,
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
    expected = expected.detach()
    if not (expected.isfinite().all() and slope.isfinite().all()):
        return True
    found, _, tape = bound.evaluate(first)
    gradient = bound.gradient(tape, cotangent)
    bound.release(tape)
    size = (expected - bound.reference).abs().max()
    left = _ROUNDING * positions.shape[1]
    near = (found - expected).abs().max() <= _LARGEST_ERROR * size + left
    return bool(near) and bool(
        (gradient - slope).abs().max() <= _LARGEST_ERROR_OF_GRADIENT * slope.abs().max() + 1e-7
    )


def _say(what: str) -> None:
    warnings.warn(f"{what}; the networks of torch are used.", InputWarning, stacklevel=4)
