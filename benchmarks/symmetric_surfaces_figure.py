"""The figures of `symmetric_surfaces.py`: cuts through the seams, and a cone beside a rounded one."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model
from nadyn.units import ELECTRONVOLT_PER_HARTREE

FORMULA, EQUIVARIANT, INVARIANT = "0.25", "#1f6fb2", "#c8501e"
N_POINTS = 121
MEV = 1e3 * ELECTRONVOLT_PER_HARTREE


@dataclass(frozen=True)
class Cut:
    """A line through a point of the seam, and what stands on it.

    Attributes:
        title: Molecule and pair of states.
        basis: Basis of the equivariant model.
        place: Point of the seam [bohr].
        direction: Of unit length; the coupling, or the bend, changes along it.
        reach: Half the length of the line [bohr].
    """

    title: str
    basis: str
    place: Tensor
    direction: Tensor
    reach: float
    formula: Model
    equivariant: Model
    invariant: Model


def draw_cuts(cuts: list[Cut], path: Path) -> None:
    """Draw both energies along each line, and below them the gap on logarithmic axes."""
    figure, axes = plt.subplots(2, len(cuts), figsize=(3.3 * len(cuts), 5.6), squeeze=False)
    for column, cut in enumerate(cuts):
        _energies(axes[0, column], cut)
        _gaps(axes[1, column], cut)
    axes[0, 0].set_ylabel("energy [meV]")
    axes[1, 0].set_ylabel("gap [meV]")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _energies(axis: plt.Axes, cut: Cut) -> None:
    x = torch.linspace(-cut.reach, cut.reach, N_POINTS, dtype=torch.float64)
    zero = float(energies_and_eigenvectors(cut.formula, cut.place[None])[0].mean())
    for model, style, label in (
        (cut.formula, {"color": FORMULA, "marker": ".", "linestyle": "", "markevery": 6}, "formula"),
        (cut.equivariant, {"color": EQUIVARIANT, "linewidth": 1.4}, cut.basis),
        (cut.invariant, {"color": INVARIANT, "linewidth": 1.4, "linestyle": "--"}, "2x0e"),
    ):
        energies = energies_and_eigenvectors(model, cut.place + x[:, None, None] * cut.direction)[0]
        lines = axis.plot(x, (energies - zero) * MEV, **style)
        lines[0].set_label(label)
    axis.set_title(cut.title, fontsize=10)
    axis.set_xlabel("displacement [bohr]")
    axis.legend(frameon=False, fontsize=7, loc="upper center")


def _gaps(axis: plt.Axes, cut: Cut) -> None:
    x = torch.logspace(-6, 0, N_POINTS, dtype=torch.float64) * cut.reach
    for model, style in (
        (cut.formula, {"color": FORMULA, "marker": ".", "linestyle": "", "markevery": 6}),
        (cut.equivariant, {"color": EQUIVARIANT}),
        (cut.invariant, {"color": INVARIANT, "linestyle": "--"}),
    ):
        energies = energies_and_eigenvectors(model, cut.place + x[:, None, None] * cut.direction)[0]
        axis.loglog(x, (energies[:, 1] - energies[:, 0]) * MEV, **style)
    axis.set_ylim(1e-5, None)
    axis.set_xlabel("displacement [bohr]")


def draw_cones(cut: Cut, plane: Tensor, radius: float, path: Path) -> None:
    """Draw the two surfaces of both models over the branching plane of the formula."""
    figure = plt.figure(figsize=(9.0, 4.4))
    side = torch.linspace(-radius, radius, 61, dtype=torch.float64)
    first, second = torch.meshgrid(side, side, indexing="ij")
    places = cut.place + (
        first.flatten()[:, None, None] * plane[0] + second.flatten()[:, None, None] * plane[1]
    )
    zero = float(energies_and_eigenvectors(cut.formula, cut.place[None])[0].mean())
    for number, (model, title) in enumerate(((cut.equivariant, cut.basis), (cut.invariant, "2x0e"))):
        energies = (energies_and_eigenvectors(model, places)[0] - zero) * MEV
        axis = figure.add_subplot(1, 2, number + 1, projection="3d")
        for state, colour in enumerate((EQUIVARIANT, INVARIANT)):
            surface = energies[:, state].reshape(first.shape)
            axis.plot_surface(
                first.numpy(), second.numpy(), surface.numpy(), color=colour, alpha=0.75, rstride=2, cstride=2
            )
        axis.set_title(f"{cut.title}, {title}", fontsize=10, y=0.98)
        axis.set_xlabel("e₁ [bohr]", fontsize=8)
        axis.set_ylabel("e₂ [bohr]", fontsize=8)
        axis.set_zlabel("energy [meV]", fontsize=8)
        axis.set_xticks([-radius, 0.0, radius])
        axis.set_yticks([-radius, 0.0, radius])
        axis.tick_params(labelsize=7)
        axis.view_init(elev=12, azim=-55)
        axis.set_box_aspect((1, 1, 0.9), zoom=0.9)
    # The labels of the vertical axis stand outside what a tight layout knows of.
    figure.subplots_adjust(left=0.0, right=0.95, bottom=0.02, top=0.98, wspace=0.1)
    figure.savefig(path, dpi=150)
    plt.close(figure)
