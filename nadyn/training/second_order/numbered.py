"""The matrix of numbered atoms and its derivatives, as a part of an evaluation.

The network reads a row for each frame and product of exchanges; those of frames that are asked for
derivatives come first, as in `layers`.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.matrix.numbered_atoms import NumberedAtoms
from nadyn.training.second_order import layers
from nadyn.training.second_order.geometry import Frames
from nadyn.training.second_order.layers import Layers, Pulled, Pushed


class Numbered:
    """The matrix of some frames, in units of the energy scale."""

    def __init__(self, part: NumberedAtoms, frames: Sequence[Frames], asked: Sequence[Frames], copies: int):
        """Evaluate; frames that are asked for derivatives in so many directions are the first ones."""
        self.part, self.asked, self.copies = part, tuple(asked), copies
        functions = torch.cat([one.geometry.numbered for one in frames])
        networks = part.network
        self.layers: Layers = layers.evaluate(
            networks.networks[0],
            networks.mean[0],
            networks.inverse_spread[0],
            part.rows(functions).flatten(0, 1),
        )
        self.matrix: Float[Tensor, "frame basis basis"] = part.matrix(self._unflat(self.layers.outputs))

    def pull_back(
        self, of_matrix: Float[Tensor, "copy frame basis basis"]
    ) -> list[Float[Tensor, "copy _ atom 3 slot"]]:
        """Return cotangents of the vectors between atoms of the frames that are asked, by molecule."""
        of_outputs = self.part.outputs(of_matrix).to(self.layers.outputs.dtype).flatten(0, 2)
        self.pulled: Pulled = layers.pull_back(self.layers, of_outputs, self.copies)
        of_functions = self.part.functions(self._unflat(self.pulled.inputs)).unflatten(0, (self.copies, -1))
        slopes = torch.cat([one.geometry.numbered_slope for one in self.asked])
        of_distances = (of_functions * slopes).sum(dim=-1)
        first, second = self._atoms()
        result, sizes = [], [len(one) for one in self.asked]
        for one, own in zip(self.asked, of_distances.split(sizes, dim=1), strict=True):
            unit = one.geometry.pairs.unit
            found = own.new_zeros((self.copies, *unit.shape))
            # Indices of two axes come first: pair, copy, frame, xyz.
            along = unit[:, first, :, second].unsqueeze(1) * own.permute(2, 0, 1).unsqueeze(-1)
            found[:, :, first, :, second] = along
            result.append(found)
        return result

    def push_forward(
        self, moved: Sequence[Float[Tensor, "copy _ atom 3 slot"]]
    ) -> Float[Tensor, "copy frame basis basis"]:
        """Return the change of the matrix along tangents of the vectors between atoms."""
        first, second = self._atoms()
        parts = []
        for one, own in zip(self.asked, moved, strict=True):
            unit = one.geometry.pairs.unit[:, first, :, second].unsqueeze(1)
            along = (own[:, :, first, :, second] * unit).sum(dim=-1).permute(1, 2, 0)
            parts.append(along.unsqueeze(-1) * one.geometry.numbered_slope)
        rows = self.part.rows(torch.cat(parts, dim=1)).flatten(0, 2)
        self.pushed: Pushed = layers.push_forward(self.layers, rows, self.copies)
        return self.part.matrix(self._unflat(self.pushed.outputs).unflatten(0, (self.copies, -1)))

    def gradients(
        self, of_matrix: Float[Tensor, "frame basis basis"], *, has_slopes: bool
    ) -> dict[Tensor, Tensor]:
        """Return the gradient in each parameter for cotangents of the matrix, and of the tangents before."""
        pulled, pushed = (self.pulled, self.pushed) if has_slopes else (None, None)
        of_outputs = self.part.outputs(of_matrix).to(self.layers.outputs.dtype).flatten(0, 1)
        found, _ = layers.gradients(self.layers, pulled, pushed, of_outputs, self.copies)
        return dict(zip(layers.parameters_of(self.part.network.networks[0]), found, strict=True))

    def _unflat(self, rows: Float[Tensor, "_ output"]) -> Float[Tensor, "_ product output"]:
        return rows.unflatten(0, (-1, len(self.part.orders)))

    def _atoms(self) -> tuple[list[int], list[int]]:
        first, second = zip(*self.part.pairs, strict=True)
        return list(first), list(second)
