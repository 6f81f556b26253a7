"""Whether learned states go through narrow gaps as those of the source do: which state becomes which.

    python benchmarks/passes.py reference direct.h5 passes.npz --method "sa3-casscf(2,2)/6-31g*"
    python benchmarks/passes.py judge direct.h5 passes.npz model.safetensors [...]

A pass is a piece of a direct trajectory around a smallest gap of the two lowest states below 0.5 eV, eight
frames to each side. The overlaps of the source's states from frame to frame, each made orthogonal, give one
matrix, whose square says which state before has become which after. Of a model it is that of its
eigenvectors before and after, because the basis of W is the same everywhere.

Energies do not tell: surfaces that avoid each other where they should cross have nearly the same.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from nadyn.electronic.labels import Known
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.interfaces.sources import source_from
from nadyn.models.committee import Committee
from nadyn.models.model import Model
from nadyn.models.model_file import load_model
from nadyn.trajectory import Run, open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

_SIDE = 8
_NARROW_EV = 0.5
# Another solution than that of the trajectory tells nothing of it.
_SAME_EV = 0.02


def passes_of(run: Run) -> list[tuple[int, int]]:
    """Return trajectory and frame of each smallest gap."""
    gap = np.diff(np.array(run.energies)[..., :2], axis=2)[..., 0] * ELECTRONVOLT_PER_HARTREE
    alive = np.array(run.alive())
    found = []
    for traj in range(run.n_trajectories):
        own = gap[: alive[:, traj].sum(), traj]
        frame = _SIDE
        while frame < len(own) - _SIDE:
            around = own[frame - _SIDE : frame + _SIDE + 1]
            if own[frame] < _NARROW_EV and own[frame] == around.min():
                found.append((traj, frame))
                frame += _SIDE
            frame += 1
    return found


def connection(run: Run, source: object, traj: int, frame: int) -> Float[np.ndarray, "state state"] | None:
    """Return the product of the source's overlaps through a pass, None where it finds another solution."""
    before, product = None, np.eye(run.n_states)
    for k in range(frame - _SIDE, frame + _SIDE + 1):
        positions = np.array(run.positions[k, traj])
        if before is None:
            label = source.label_parts(positions, [], forces=[], pairs=[])
        else:
            label = source.label_along(positions, before, forces=[], pairs=[])
        if not np.abs(label.energies - run.energies[k, traj]).max() < _SAME_EV * HARTREE_PER_EV:
            return None
        after = Known(positions, label)
        if before is not None:
            left, _, right = np.linalg.svd(source.overlaps(before, after))
            product = product @ (left @ right)
        before = after
    return product


def of_model(
    model: Model, run: Run, traj: np.ndarray, frame: np.ndarray
) -> Float[np.ndarray, "pass state state"]:
    """Return the squared overlaps of a model's states before and after each pass."""
    positions = np.array(run.positions)
    sides = [torch.from_numpy(positions[frame + by, traj]) for by in (-_SIDE, _SIDE)]
    before, after = (energies_and_eigenvectors(model, one)[1].detach().numpy() for one in sides)
    return np.einsum("pak,pal->pkl", before, after) ** 2


def main() -> None:
    """Make the reference, or judge models by it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("reference", "judge"))
    parser.add_argument("direct", type=Path)
    parser.add_argument("passes", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--method", default="sa3-casscf(2,2)/6-31g*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run = open_run(arguments.direct)
    if arguments.what == "reference":
        numbers = tuple(int(number) for number in run.atomic_numbers)
        source = source_from({"pyscf": {"method": arguments.method}}, numbers)
        found = [(*one, connection(run, source, *one)) for one in passes_of(run)]
        known = [one for one in found if one[2] is not None]
        traj, frame, squared = ([one[k] for one in known] for k in range(3))
        np.savez(arguments.passes, traj=traj, frame=frame, squared=np.array(squared) ** 2)
        print(f"{len(known)} of {len(found)} passes")
        return
    stored = np.load(arguments.passes)
    exact = stored["squared"]
    print(f"{len(exact)} passes")
    print(f"source: {_in_words(exact)}")
    for path in arguments.models:
        model = load_model(path)
        for number, member in enumerate(model.members if isinstance(model, Committee) else [model]):
            found = of_model(member, run, stored["traj"], stored["frame"])
            off = np.abs(found - exact)[:, 0].mean(axis=0)
            alike = np.corrcoef(found[:, 0, 1], exact[:, 0, 1])[0, 1]
            print(
                f"{path} {number}: {_in_words(found)}; off by {off[1]:.3f} and {off[0]:.3f} in the mean, "
                f"correlation {alike:.2f}"
            )


def _in_words(squared: Float[np.ndarray, "pass state state"]) -> str:
    mean = squared.mean(axis=0)
    return f"S0 becomes S1 {mean[0, 1]:.3f}, S0 {mean[0, 0]:.3f}"


if __name__ == "__main__":
    main()
