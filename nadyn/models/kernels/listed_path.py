"""The kernel for lists of neighbours as one operation of torch, chosen by itself where it serves a model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nadyn.data.kept_neighbors import Candidates, KeptNeighbors
from nadyn.models.kernels.applies import listed_refusal, takes_lists
from nadyn.models.kernels.compiled import host, listed_kernel
from nadyn.models.kernels.fast_path import REAL, Cells, FastPath, PullBack, is_alike, reference_of
from nadyn.models.kernels.known import known_of, say
from nadyn.models.kernels.listed_bound import ListedAnswer, ListedBound, bind_listed
from nadyn.models.kernels.numbered_path import NumberedPath, without_numbered
from nadyn.models.kernels.weights import packed_weights
from nadyn.models.potential import Potential
from nadyn.models.surroundings import Surroundings, all_pairs

Reference = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


def path_of(
    potential: nn.Module,
    order: list[int],
    precision: torch.dtype,
    kept: KeptNeighbors,
    *,
    numbers: tuple[int, ...],
    cell: Float[Tensor, "3 3"] | None,
) -> "FastPath | ListedPath | NumberedPath":
    """Return the fast path for some atoms: with lists of neighbours in a cell and where there are many."""
    periodic = cell is not None
    if isinstance(potential, Potential) and potential.numbered is not None:
        sums = FastPath(without_numbered(potential), tuple(order), numbers, precision, periodic)
        return NumberedPath(potential, sums)
    if takes_lists(len(order), is_periodic=periodic):
        return ListedPath(potential, torch.tensor(order), numbers, precision, kept)
    return FastPath(potential, tuple(order), numbers, precision, periodic)


@dataclass(frozen=True)
class ListedPath:
    """The path of a potential for some atoms with lists of neighbours.

    Attributes:
        potential: What was trained.
        order: For each sorted atom, which of the positions it is.
        numbers: Atomic numbers of the sorted atoms.
        precision: Of the network.
        kept: Lists of the neighbours of the sorted atoms.
    """

    potential: nn.Module
    order: Int[Tensor, "atom"]
    numbers: tuple[int, ...]
    precision: torch.dtype
    kept: KeptNeighbors

    # Each row is evaluated alone, and has the bits that it has alone.
    rows_at_once: ClassVar[None] = None

    @property
    def refusal(self) -> str | None:
        """Why it is not taken, as far as the model and the machine say before anything is compiled."""
        return listed_refusal(self.potential)

    def in_words(self) -> str:
        """Say which path a model takes here, and why."""
        reason = self.refusal
        if reason is None:
            return f"compiled kernels ({host().name}, lists of neighbours, {host().lanes} lanes)"
        return f"networks of torch: {reason}"

    def evaluate(
        self, positions: Float[Tensor, "traj atom 3"], cells: Cells, reference: Reference
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"]] | None:
        """Return W [hartree] and the novelty, or None where the path is not taken.

        Args:
            positions: [bohr]
            cells: Cell of each row [bohr], or None.
            reference: What does the same with torch.
        """
        rows = self._rows(positions, cells)
        if rows is None:
            return None
        leaves = (positions, cells) if cells is not None else (positions,)
        wanted = torch.is_grad_enabled() and any(leaf.requires_grad for leaf in leaves)
        hamiltonian, novelty, _ = _Evaluate.apply(positions, cells, rows, reference, wanted)
        return hamiltonian, novelty

    def evaluate_once(
        self, positions: Float[Tensor, "traj atom 3"], cells: Cells, reference: Reference
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"], PullBack] | None:
        """Return the same without a graph, and what gives the derivative of Σ_ab C_ab W_ab for a C."""
        rows = self._rows(positions, cells)
        if rows is None:
            return None
        rows.ask(wanted=True)
        return rows.hamiltonian, rows.novelty, lambda cotangent: rows.gradient(cotangent)[0]

    def share(
        self,
        positions: Float[Tensor, "atom 3"],
        pairs: Candidates,
        centres: Int[Tensor, "centre"],
        cotangent: Float[Tensor, "basis basis"],
    ) -> ListedAnswer | None:
        """Return what the networks of some of the sorted atoms add to W, and its derivative.

        Energies of elements and offsets are not among it. None where the path is not taken.
        """
        bound = self._serving(positions, None, pairs)
        if bound is None:
            return None
        nothing = torch.zeros_like(bound.reference)
        return bound.evaluate(positions, None, pairs, reference=nothing, cotangent=cotangent, centres=centres)

    def _rows(self, positions: Tensor, cells: Cells) -> "_Rows | None":
        if not len(positions) or not positions.is_cpu or positions.dtype != torch.float64:
            return None
        sorted_atoms = positions.detach()[:, self.order]
        boxes = [None] * len(positions) if cells is None else list(cells.detach())
        finite = [sorted_atoms.isfinite().all(), *(box.isfinite().all() for box in boxes if box is not None)]
        if self._bound() is None or not all(finite):
            return None
        # A list for the first row only: each is kept, but not as many as there may be rows.
        bound = self._serving(sorted_atoms[0], boxes[0], self.kept.candidates(sorted_atoms[0], boxes[0]))
        return None if bound is None else _Rows(bound, self.kept, self.order, sorted_atoms, boxes)

    def _bound(self) -> ListedBound | None:
        known = self._known()
        return None if known is None else known.bound

    def _known(self):
        key = ("listed", self.numbers, self.precision)
        return known_of(self.potential, key, refusal=lambda: self.refusal, bind=self._bind)

    def _serving(self, positions: Tensor, cell: Tensor | None, pairs: Candidates) -> ListedBound | None:
        """Return the kernel, compared with the reference at the first time, or None."""
        known = self._known()
        if known is None:
            return None
        if not known.is_checked:
            known.is_checked = True
            if not self._agrees(known.bound, positions, cell, pairs):
                known.bound = None
                say("compiled kernels and the networks of torch disagree on this machine")
        return known.bound

    @torch.no_grad()
    def _bind(self) -> ListedBound:
        potential, settings = self.potential, self.potential.network.encoder.settings
        own = listed_kernel(REAL[self.precision], settings.n_radial, settings.n_channels)
        return self._for(own, packed_weights(potential, own, self.precision), self.numbers)

    def _for(self, kernel: object, weights: object, numbers: tuple[int, ...]) -> ListedBound:
        settings = self.potential.network.encoder.settings
        return bind_listed(
            kernel,
            weights,
            numbers=numbers,
            elements=self.potential.network.elements,
            reference=reference_of(self.potential, numbers),
            n_radial=settings.n_radial,
            n_channels=settings.n_channels,
            dtype=self.precision,
        )

    def _agrees(self, bound: ListedBound, positions: Tensor, cell: Tensor | None, pairs: Candidates) -> bool:
        """Compare with the reference in the surroundings of the first atom, cut out of the structure."""
        places, numbers = _cut_out(positions, cell, pairs, self.numbers)
        cutoff = self.potential.network.cutoff
        with torch.enable_grad():
            leaf = places.clone().requires_grad_(True)
            around: Surroundings = all_pairs(leaf[None], numbers, cutoff, self.precision)
            expected = self.potential.evaluate(around).hamiltonian[0]
            cotangent = torch.ones_like(expected)
            (slope,) = torch.autograd.grad(expected, leaf, cotangent)
        own = self._for(bound.kernel, bound.weights, numbers)
        cluster = KeptNeighbors(numbers, cutoff, skin=0.0).candidates(places, None)
        found = own.evaluate(places, None, cluster, cotangent=cotangent.detach())
        return is_alike(
            (found.hamiltonian, found.gradient), (expected.detach(), slope), own.reference, len(numbers)
        )


def _cut_out(
    positions: Tensor, cell: Tensor | None, pairs: Candidates, numbers: tuple[int, ...]
) -> tuple[Float[Tensor, "near 3"], tuple[int, ...]]:
    """Return the first atom and those on its list, sorted by element."""
    n_kinds = (len(pairs.first) - 1) // len(numbers)
    own = slice(int(pairs.first[0]), int(pairs.first[n_kinds]))
    others = pairs.other[own].long()
    around = positions[others]
    if cell is not None:
        around = around + pairs.offsets[pairs.shift[own].long()].to(cell.dtype) @ cell
    places = torch.cat([positions[:1], around])
    found = torch.tensor(numbers)[torch.cat([torch.zeros(1, dtype=torch.int64), others])]
    order = torch.argsort(found, stable=True)
    return places[order], tuple(found[order].tolist())


class _Rows:
    """Some structures in turn, and what is asked of them."""

    def __init__(
        self, bound: ListedBound, kept: KeptNeighbors, order: Tensor, positions: Tensor, boxes: list
    ) -> None:
        self.bound, self.kept = bound, kept
        self.order, self.positions, self.boxes = order, positions, boxes
        self.hamiltonian = self.novelty = torch.zeros(0)
        self._answers: list[ListedAnswer] | None = None

    def ask(self, *, wanted: bool) -> None:
        """Evaluate all; with the derivative where it is wanted and W is one number."""
        one = torch.ones(1, 1, dtype=torch.float64)
        known = wanted and self.bound.reference.shape == (1, 1)
        answers = [self._answer(row, one if known else None) for row in range(len(self.boxes))]
        self.hamiltonian = torch.stack([one.hamiltonian for one in answers])
        self.novelty = torch.stack([one.novelty for one in answers])
        self._answers = answers if known else None

    def gradient(self, cotangent: Float[Tensor, "traj basis basis"]) -> tuple[Tensor, Tensor | None]:
        """Return the derivatives of Σ_ab C_ab W_ab in positions and cells."""
        if self._answers is None:
            answers = [self._answer(row, of_row) for row, of_row in enumerate(cotangent)]
        else:
            answers = [_scaled(one, of_row) for one, of_row in zip(self._answers, cotangent, strict=True)]
        gradient = torch.empty_like(self.positions)
        gradient[:, self.order] = torch.stack([one.gradient for one in answers])
        if self.boxes[0] is None:
            return gradient, None
        return gradient, torch.stack([one.of_cell for one in answers])

    def _answer(self, row: int, cotangent: Tensor | None) -> ListedAnswer:
        positions, cell = self.positions[row], self.boxes[row]
        pairs = self.kept.candidates(positions, cell)
        return self.bound.evaluate(positions, cell, pairs, cotangent=cotangent)


def _scaled(answer: ListedAnswer, factor: Float[Tensor, "1 1"]) -> ListedAnswer:
    of_cell = None if answer.of_cell is None else answer.of_cell * factor
    return replace(answer, gradient=answer.gradient * factor, of_cell=of_cell)


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(
        positions: Tensor, cells: Tensor | None, rows: _Rows, reference: Reference, wanted: bool
    ) -> tuple[Tensor, Tensor, _Rows]:
        rows.ask(wanted=wanted)
        return rows.hamiltonian, rows.novelty, rows

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple) -> None:
        positions, cells, ctx.rows, ctx.reference, _ = inputs
        ctx.has_cells = cells is not None
        ctx.save_for_backward(positions, *([cells] if ctx.has_cells else []))
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, cotangent: Tensor | None, *_: object) -> tuple[Tensor | None, ...]:
        if cotangent is None:
            return None, None, None, None, None
        if not torch.is_grad_enabled():
            return *ctx.rows.gradient(cotangent), None, None, None
        # Derivatives of derivatives are asked for, which the kernel has not.
        leaves = ctx.saved_tensors
        hamiltonian, _ = ctx.reference(leaves[0], leaves[1] if ctx.has_cells else None)
        asked = [leaf for leaf in leaves if leaf.requires_grad]
        found = iter(torch.autograd.grad(hamiltonian, asked, cotangent, create_graph=True))
        slopes = [next(found) if leaf.requires_grad else None for leaf in leaves]
        return *slopes, *([] if ctx.has_cells else [None]), None, None, None
