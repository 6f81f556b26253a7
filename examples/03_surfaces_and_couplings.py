"""Energies and couplings of Tully's three models, as in the figures of his paper.

    python examples/03_surfaces_and_couplings.py [--output surfaces]

`nadyn.surfaces` gives everything about the adiabatic states at a batch of positions. The sign of a coupling
follows the arbitrary signs of the eigenvectors, so each curve is drawn after making neighbours agree.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import nadyn


def main() -> None:
    """Draw energies and the non-adiabatic coupling d_01 of each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("surfaces"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    x = torch.linspace(-8.0, 8.0, 401, dtype=torch.float64)
    figure, panels = plt.subplots(1, 3, figsize=(10.0, 3.2), layout="constrained")
    for variant, axes in zip((1, 2, 3), panels, strict=True):
        model = nadyn.models.analytic.tully(variant)
        surfaces = nadyn.surfaces(model, x[:, None, None])

        # The overlap of neighbouring eigenvectors carries the sign of each state along the line.
        u = surfaces.eigenvectors
        signs = torch.sign((u[:-1] * u[1:]).sum(dim=1)).cumprod(dim=0)
        signs = torch.cat([torch.ones(1, 2, dtype=x.dtype), signs])
        coupling = surfaces.nac[:, 0, 1, 0, 0] * signs[:, 0] * signs[:, 1]

        # d is the derivative of the mixing angle: its integral over one crossing is pi/2 = 1.571.
        turn = torch.trapezoid(coupling, x).abs()
        gap = (surfaces.energies[:, 1] - surfaces.energies[:, 0]).min()
        print(f"{model.name}: smallest gap {gap:.5f} hartree, integral of d over x {turn:.3f}")
        axes.plot(x.numpy(), 1e3 * surfaces.energies.numpy())
        axes.set(title=f"model {variant}", xlabel="x [bohr]", ylabel="energy [millihartree]")
        right = axes.twinx()
        right.plot(x.numpy(), coupling.numpy(), "k:", lw=1)
        right.set(ylabel="coupling d [1/bohr]")
    figure.savefig(options.output / "tully_surfaces.png", dpi=150)
    print(f"Figure: {options.output / 'tully_surfaces.png'}")


if __name__ == "__main__":
    main()
