"""Molecules whose states differ in symmetry, learned in the basis that fits and in the invariant one.

    python benchmarks/symmetric_surfaces.py [molecule …] [--folder symmetric] [--figures docs/images]
        [--frames 3000] [--epochs 60] [--cutoff 4] [--radial 12] [--fitting-only]

Each molecule of `nadyn.models.analytic.molecules` is distorted at random inside a box, and trained twice with
the same settings: in the latent basis that can hold both states, and as an invariant matrix. Errors are
those of frames that neither has seen. On the seam: geometries where the formula's two states are one level.
Models that are in the folder already are not trained again, and an interrupted training goes on.
"""

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from symmetric_surfaces_figure import Cut, draw_cones, draw_cuts
from torch import Tensor

from nadyn.data import Dataset, Group, group_from_arrays
from nadyn.dynamics.nuclei.rigid_motion import without_rigid_motion
from nadyn.electronic.cones import branching_vectors, find_intersection, geometric_phase, loop_in_plane
from nadyn.electronic.signs import coupling_signs
from nadyn.electronic.surfaces import surfaces
from nadyn.models import load_model
from nadyn.models.analytic.molecules import jahn_teller, renner_teller, trans_planar, twisted
from nadyn.models.model import Model
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.output import checkpoint_path
from nadyn.training.progress import Progress
from nadyn.training.train import train
from nadyn.units import ELECTRONVOLT_PER_HARTREE

N_TEST = 500
NEAR_GAP_EV = 0.1
N_SEAM = 20
LOOP_RADIUS_BOHR = 0.05
MEV = 1e3 * ELECTRONVOLT_PER_HARTREE


@dataclass(frozen=True)
class Case:
    """A molecule and how it is learned.

    Attributes:
        pair: The two states.
        basis, start: Latent basis that holds both, and what they start as.
        n_frames: Labelled frames, a tenth of which choose the best weights.
        half_width: Half the box of distortions of each atom along x, y, z [bohr].
        shift: Middle of the box from the reference geometry [bohr].
        couplings: Whether h is among the labels. The couplings of two components of one vector hold a net
            rotation, which those of the invariant matrix and of the formula of X3 do not, so there they are
            left out.
        epochs: Length of the training.
        n_radial: Radial functions of the encoder.
        cutoff_angstrom: Its radius.
    """

    build: Callable[[], Model]
    pair: str
    basis: str
    start: tuple[str, ...]
    n_frames: int
    half_width: Tensor
    shift: Tensor
    couplings: bool
    epochs: int
    n_radial: int = 8
    cutoff_angstrom: float = 6.0


def _box(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


CASES = {
    "jahn_teller": Case(
        jahn_teller,
        "E' (D3h)",
        "1x1o",
        ("1o", "1o"),
        600,
        _box([[0.3, 0.3, 0.3]] * 3),
        torch.zeros(3, 3, dtype=torch.float64),
        couplings=False,
        epochs=150,
    ),
    "renner_teller": Case(
        renner_teller,
        "Π (A1, B1 bent)",
        "1x1o",
        ("1o", "1o"),
        600,
        _box([[0.3, 0.3, 0.1], [0.5, 0.5, 0.2], [0.5, 0.5, 0.2]]),
        torch.zeros(3, 3, dtype=torch.float64),
        couplings=False,
        epochs=100,
    ),
    "twisted": Case(
        twisted,
        "A1, A2 (C2v)",
        "1x0e + 1x0o",
        ("0e", "0o"),
        800,
        _box([[0.07, 0.05, 0.08]] * 2 + [[0.08, 0.08, 0.25]] * 2),
        _box([[-0.03, 0, 0], [0.03, 0, 0]] * 2),
        couplings=True,
        epochs=100,
    ),
    "trans_planar": Case(
        trans_planar,
        "Ag, Bg (C2h)",
        "1x0e + 1x1e",
        ("0e", "1e"),
        1000,
        _box([[0.05, 0.05, 0.05]] * 6),
        _box([[-0.12, 0, 0], [0.12, 0, 0], [-0.08, -0.03, 0], [0.08, 0.03, 0], [-0.12, 0, 0], [0.12, 0, 0]]),
        couplings=True,
        epochs=120,
    ),
}


def frames(case: Case, n: int, *, seed: int) -> Tensor:
    """Return distorted geometries: inside the box for half of them, and ever closer to its middle."""
    generator = torch.Generator().manual_seed(seed)
    middle = case.build().starting_geometry + case.shift
    size = (2.0 * torch.rand(n, 1, 1, generator=generator, dtype=torch.float64)).clamp(max=1.0)
    inside = 2.0 * torch.rand(n, *middle.shape, generator=generator, dtype=torch.float64) - 1.0
    return middle + size * case.half_width * inside


def labelled(case: Case, positions: Tensor, *, couplings: bool) -> Group:
    """Return the frames with energies, forces and, if asked for, couplings of the formula."""
    model = case.build()
    result = surfaces(model, positions)
    h = result.interstate_coupling[:, 0, 1][:, None].numpy()
    return group_from_arrays(
        model.name,
        atomic_numbers=np.array(model.atomic_numbers),
        positions=positions.numpy(),
        energies=result.energies.numpy(),
        forces=result.forces.numpy(),
        interstate_couplings=h if couplings else None,
        theory=f"formula {model.name}",
        source="benchmarks/symmetric_surfaces.py",
        licence="CC0-1.0",
    )


def configuration(case: Case, basis: str, start: tuple[str, ...]) -> TrainingConfiguration:
    """Return settings for labels without noise: small networks, no weight decay, no outliers."""
    return TrainingConfiguration.model_validate(
        {
            "encoder": {
                "n_radial": case.n_radial,
                "n_channels": 6,
                "cutoff_angstrom": case.cutoff_angstrom,
            },
            "model": {"basis": basis, "start": start, "hidden": [64, 64]},
            "epochs": case.epochs,
            "learning_rate": 3e-3,
            "weight_decay": 0.0,
            "outlier_sigmas": 1e3,
            # Two components of one vector meet by symmetry.
            "small_starts": 0,
            "patience_epochs": 10 * case.epochs,
        }
    )


def trained(case: Case, basis: str, start: tuple[str, ...], path: Path) -> Model:
    """Return the model of a file in double precision, trained first where the file does not exist."""
    if not path.exists():
        data = Dataset((labelled(case, frames(case, case.n_frames, seed=1), couplings=case.couplings),))
        settings = configuration(case, basis, start)

        def report(progress: Progress) -> None:
            every = max(1, progress.n_steps // 10)
            if progress.step % every == 0:
                print(f"  {path.stem}: step {progress.step} of {progress.n_steps}", flush=True)

        train(data, path, settings, resume=checkpoint_path(path).exists(), report=report)
    return load_model(path).double()


def errors(case: Case, model: Model) -> dict[str, float]:
    """Return the errors of unseen frames, and what the model makes of the seam of the formula."""
    positions = frames(case, N_TEST, seed=2)
    formula = case.build()
    reference, result = surfaces(formula, positions), surfaces(model, positions)
    energy = (result.energies - reference.energies).abs() * MEV
    gap = (reference.energies[:, 1] - reference.energies[:, 0]) * MEV
    gap_error = (result.energies[:, 1] - result.energies[:, 0]) * MEV - gap
    h, expected = (
        without_rigid_motion(s.interstate_coupling[:, 0, 1], positions, formula.masses)
        for s in (result, reference)
    )
    h = h * coupling_signs(h[:, None], expected[:, None], ((0, 1),))[:, :, None]
    near = gap < 1e3 * NEAR_GAP_EV
    return {
        "energy MAE [meV]": float(energy.mean()),
        "energy max [meV]": float(energy.max()),
        "frames near the seam": int(near.sum()),
        "gap MAE near the seam [meV]": float(gap_error[near].abs().mean()),
        "h relative error": float((h - expected).norm() / expected.norm())
        if float(expected.norm()) > 1e-9
        else math.nan,
        **on_the_seam(case, model),
    }


def seam(case: Case) -> Tensor:
    """Return geometries of the seam of the formula that lie closest to unseen frames."""
    start = frames(case, N_SEAM, seed=2)
    if case.build is renner_teller:
        # Here the states only touch, so that no gradient leads to the seam: these are linear geometries.
        return start * torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    result = find_intersection(case.build(), start)
    return result.positions[result.found]


def on_the_seam(case: Case, model: Model) -> dict[str, float]:
    """Return gaps on the formula's seam, the angle between both branching planes, and signs around it."""
    places = seam(case)
    gaps = branching_vectors(model, places).gap * MEV
    result = {"seam points": len(places), "largest gap on the seam [meV]": float(gaps.max())}
    if case.build is renner_teller:
        return result
    planes = branching_vectors(case.build(), places).plane()
    loops = [
        loop_in_plane(place, plane, radius_bohr=LOOP_RADIUS_BOHR, n_points=96)
        for place, plane in zip(places, planes, strict=True)
    ]
    flips = sum(int(geometric_phase(model, loop)[0] == -1) for loop in loops)
    own = find_intersection(model, places)
    result["loops with a change of sign"] = flips
    result["own seam found"] = int(own.found.sum())
    if bool(own.found.any()):
        away = (own.positions - places).flatten(1).norm(dim=1)[own.found]
        result["own seam is away by [bohr]"] = float(away.max())
        turned = branching_vectors(model, own.positions[own.found]).plane().flatten(2)
        cosines = torch.linalg.svdvals(turned @ planes[own.found].flatten(2).mT)
        angle = torch.rad2deg(torch.acos(cosines.clamp(max=1.0)).max())
        result["branching planes differ by [degrees]"] = float(angle)
    return result


def cut_through_seam(case: Case, name: str, equivariant: Model, invariant: Model) -> Cut:
    """Return the line through a point of the seam along which the formula's coupling grows, or the bend."""
    place = seam(case)[0]
    if case.build is renner_teller:
        direction = torch.tensor([[-1.0, 0, 0], [0.5, 0, 0], [0.5, 0, 0]], dtype=torch.float64)
        direction, reach = direction / direction.norm(), 0.5
    else:
        direction, reach = branching_vectors(case.build(), place[None]).plane()[0, 1], 0.15
    title = f"{name}: {case.pair}"
    return Cut(title, case.basis, place, direction, reach, case.build(), equivariant, invariant)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("molecules", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--folder", type=Path, default=Path("symmetric"))
    parser.add_argument("--frames", type=int, help="instead of those of the table, as the next ones")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--cutoff", type=float, help="angstrom")
    parser.add_argument("--radial", type=int, help="radial functions")
    parser.add_argument("--fitting-only", action="store_true", help="no invariant matrix and no figures")
    parser.add_argument("--figures", type=Path, help="folder for the figures")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    cuts = {}
    for name in arguments.molecules:
        given = {
            "n_frames": arguments.frames,
            "epochs": arguments.epochs,
            "cutoff_angstrom": arguments.cutoff,
            "n_radial": arguments.radial,
        }
        case = replace(CASES[name], **{key: value for key, value in given.items() if value is not None})
        models = []
        invariant = () if arguments.fitting_only else (("2x0e", ("0e", "0e")),)
        for basis, start in ((case.basis, case.start), *invariant):
            path = arguments.folder / f"{name}-{basis.replace(' ', '')}.safetensors"
            models.append(trained(case, basis, start, path))
            print(f"{name}, {case.pair}, {basis}: {json.dumps(errors(case, models[-1]))}", flush=True)
        if not arguments.fitting_only:
            cuts[name] = cut_through_seam(case, name, *models)
    if arguments.figures and cuts:
        draw_cuts(list(cuts.values()), arguments.figures / "symmetric_cuts.png")
        if "jahn_teller" in cuts:
            cut = cuts["jahn_teller"]
            plane = branching_vectors(cut.formula, cut.place[None]).plane()[0]
            draw_cones(cut, plane, 0.1, arguments.figures / "symmetric_cone.png")


if __name__ == "__main__":
    main()
