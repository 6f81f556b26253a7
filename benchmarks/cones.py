"""The cone of ammonia as two models have it: the latent equivariant basis and the matrix of invariants.

    python benchmarks/cones.py EQUIVARIANT.safetensors INVARIANT.safetensors FRAMES.h5 --output cones.png

Both models are drawn over the same branching plane: that of the equivariant model, at the intersection
closest to the frame with the smallest gap. The mean of both energies is taken off, so that the tilt of the
cone does not hide its shape. Printed are the exponents of the gap against the displacement, and the signs
that eigenvectors bring back from a loop around the seam and beside it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

import nadyn
from nadyn.analysis.plots_style import COLOURS, INK, QUIET
from nadyn.electronic.cones import (
    branching_vectors,
    find_intersection,
    geometric_phase,
    loop_in_plane,
)
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model
from nadyn.units import ELECTRONVOLT_PER_HARTREE

_HALF_WIDTH = 0.06
_RADIUS = 0.1
_LEGEND = {"frameon": False, "fontsize": 7.5, "labelcolor": INK}
_STEPS = np.logspace(-6.5, -0.5, 25)


def energies(model: Model, centre: Tensor, plane: Tensor, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return energies [eV] at centre + x e₁ + y e₂, the states last."""
    shifts = torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=-1))
    positions = centre + (shifts[:, :, None, None] * plane).sum(1)
    values, _ = energies_and_eigenvectors(model, positions)
    return values.numpy().reshape(*x.shape, -1) * ELECTRONVOLT_PER_HARTREE


def carried(model: Model, loop: Tensor) -> np.ndarray:
    """Return ⟨0(0)|0(φ)⟩ of the lower state, its eigenvector carried along the loop without a jump."""
    _, vectors = energies_and_eigenvectors(model, torch.cat([loop, loop[:1]]))
    lower = vectors[:, :, 0]
    steps = (lower[1:] * lower[:-1]).sum(-1).sign().cumprod(0)
    signs = torch.cat([torch.ones(1, dtype=steps.dtype), steps])
    return (signs * (lower @ lower[0])).numpy()


def _legend(models: dict[str, Model], kinds: tuple[str, str], styles: tuple[str, str]) -> list[Line2D]:
    lines = [Line2D([], [], color=COLOURS[2 + i], label=name) for i, name in enumerate(models)]
    return lines + [
        Line2D([], [], color=INK, ls=style, label=kind) for kind, style in zip(kinds, styles, strict=True)
    ]


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("equivariant", type=Path)
    parser.add_argument("invariant", type=Path)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    models = {
        "latent equivariant basis": nadyn.load_model(options.equivariant).double(),
        "matrix of invariants": nadyn.load_model(options.invariant).double(),
    }
    exact = models["latent equivariant basis"]
    group = nadyn.load_dataset(options.frames).groups[0]
    closest = int(np.argmin(group.energies[:, 1] - group.energies[:, 0]))
    found = find_intersection(exact, torch.from_numpy(group.positions[closest : closest + 1]))
    centre = found.positions[0]
    plane = branching_vectors(exact, found.positions).plane()[0]
    print(
        f"intersection: gap {float(found.gap[0]):.1e} hartree, moved from the frame by "
        f"{float((centre - torch.from_numpy(group.positions[closest])).norm()):.3f} bohr"
    )

    figure = Figure(figsize=(7.4, 6.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.35, 1.0))
    gaps, phase = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    axis = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, 41)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    around = loop_in_plane(centre, plane, radius_bohr=_RADIUS, n_points=200)
    beside = loop_in_plane(centre + 2.5 * _RADIUS * plane[0], plane, radius_bohr=_RADIUS, n_points=200)
    for column, (name, model) in enumerate(models.items()):
        surface = energies(model, centre, plane, x, y)
        surface = surface - surface.mean(axis=-1, keepdims=True)
        panel = figure.add_subplot(grid[0, column], projection="3d")
        for state in (0, 1):
            panel.plot_surface(
                x,
                y,
                surface[..., state],
                color=COLOURS[state],
                alpha=0.85,
                linewidth=0.2,
                edgecolor="white",
                rstride=2,
                cstride=2,
                shade=True,
            )
        panel.set_title(name, fontsize=10, color=INK)
        panel.set_xlabel("along g (bohr)", fontsize=8, color=INK)
        panel.set_ylabel("along h (bohr)", fontsize=8, color=INK)
        if column == 0:
            panel.set_zlabel("± half the gap (eV)", fontsize=8, color=INK)
        panel.tick_params(labelsize=7, colors=INK)
        panel.set_xticks([-0.05, 0.0, 0.05])
        panel.set_yticks([-0.05, 0.0, 0.05])
        panel.set_box_aspect((1, 1, 0.9), zoom=0.95)
        panel.view_init(elev=8, azim=-60)
        colour = COLOURS[2 + column]
        for direction, style in ((0, "-"), (1, "--")):
            shift = np.zeros((len(_STEPS), 2))
            shift[:, direction] = _STEPS
            values = energies(model, centre, plane, shift[:, 0], shift[:, 1])
            gap = values[:, 1] - values[:, 0]
            gaps.loglog(_STEPS, gap, style, color=colour)
            exponent = np.polyfit(np.log(_STEPS[:15]), np.log(gap[:15]), 1)[0]
            print(
                f"{name}, along {'gh'[direction]}: gap {gap[0]:.2e} eV at {_STEPS[0]:.1e} bohr, "
                f"exponent {exponent:.4f}"
            )
        degrees = np.linspace(0, 360, len(around) + 1)
        phase.plot(degrees, carried(model, around), color=colour)
        phase.plot(degrees, carried(model, beside), ":", color=colour)
        print(
            f"{name}: signs around {geometric_phase(model, around).tolist()}, "
            f"beside {geometric_phase(model, beside).tolist()}"
        )
    gaps.set_xlabel("displacement from the intersection (bohr)", color=INK, fontsize=9)
    gaps.set_ylabel("gap (eV)", color=INK, fontsize=9)
    phase.set_xlabel("angle along the loop (degrees)", color=INK, fontsize=9)
    phase.set_ylabel("overlap with the start", color=INK, fontsize=9)
    phase.set_xticks([0, 90, 180, 270, 360])
    for axes in (gaps, phase):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(QUIET)
        axes.tick_params(colors=INK, labelsize=8, color=QUIET)
    gaps.legend(handles=_legend(models, ("along g", "along h"), ("-", "--")), loc="lower right", **_LEGEND)
    phase.legend(handles=_legend(models, ("around the seam", "beside it"), ("-", ":")), **_LEGEND)
    figure.savefig(options.output, dpi=150, facecolor="white")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
