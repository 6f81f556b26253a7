"""Crystal and liquid of copper in nadyn's own runner, on EMT and on what learned it.

python bulk.py run WHAT MODEL SEED FOLDER      WHAT: crystal, liquid or diffusion; MODEL: emt or a model file
python bulk.py show FOLDER                     density, energy and diffusion constants side by side
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from emt_model import emt_model

import nadyn
from nadyn.analysis.summary import analyse
from nadyn.data.structure_file import read_structure

# Kelvin, GPa; of the liquid the volume at which it diffuses, in Å³ an atom, for both.
CRYSTAL_KELVIN, LIQUID_KELVIN, LIQUID_VOLUME = 600.0, 1600.0, 13.5
DT_FS = 4.0


def run(what: str, model: str, seed: int, folder: Path, time_ps: float, repeat: int) -> None:
    """Write one run, `WHAT_MODEL_SEED.h5`."""
    import torch

    folder.mkdir(exist_ok=True)
    start = folder / f"{what}_{seed}_{repeat}.extxyz"
    if not start.exists():
        (_crystal(repeat) if what == "crystal" else _molten(seed, repeat)).write(start)
    kelvin = CRYSTAL_KELVIN if what == "crystal" else LIQUID_KELVIN
    name = "emt" if model == "emt" else "learned"
    config = {
        "initial": {"structure": str(start), "temperature_kelvin": kelvin, "n": 1},
        "method": "nvt" if what == "diffusion" else "npt",
        "thermostat": {
            "name": "velocity_rescaling",
            "temperature_kelvin": kelvin,
            "relaxation_fs": 500 if what == "diffusion" else 100,
        },
        "dt_fs": DT_FS,
        "time_fs": 1000 * time_ps,
        "write_every": 3,
        "seed": seed,
        "stop": None if model == "emt" else {"novelty": 0.2},
        "max_energy_step_ev": 2.0,
        "output": str(folder / f"{what}_{name}_{seed}.h5"),
    }
    if what != "diffusion":
        config["barostat"] = {"pressure_gpa": 0.0, "relaxation_ps": 0.5, "compressibility_per_gpa": 0.01}
    found = read_structure(start)
    teacher = emt_model(found.atomic_numbers, torch.from_numpy(found.cell))
    chosen = {"model": teacher} if model == "emt" else {}
    if model != "emt":
        config["model"] = model
    result = nadyn.run(
        {k: v for k, v in config.items() if v is not None}, overwrite=True, progress=False, **chosen
    )
    print(f"{config['output']}: {result.n_finished} finished, {result.n_stopped}, {result.seconds:.0f} s")


def _crystal(repeat: int) -> Atoms:
    return bulk("Cu", cubic=True, a=3.63) * (repeat, repeat, repeat)


def _molten(seed: int, repeat: int) -> Atoms:
    """Molten at 4,000 K, then 3 ps at the temperature of the runs."""
    generator = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=(4 * LIQUID_VOLUME) ** (1 / 3)) * (repeat, repeat, repeat)
    atoms.rattle(0.1, rng=generator)
    atoms.calc = EMT()
    for kelvin, steps in ((4000, 300), (LIQUID_KELVIN, 600)):
        Langevin(
            atoms, 5 * units.fs, temperature_K=kelvin, friction=0.02 / units.fs, rng=generator, fixcm=False
        ).run(steps)
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


def show(folder: Path) -> None:
    """Print means over the runs of each kind; errors are from their spread and within."""
    found: dict[tuple[str, str], list[dict]] = {}
    for path in sorted(folder.glob("*_*_*.h5")):
        what, name, _ = path.stem.split("_")
        found.setdefault((what, name), []).append(analyse(path)["bulk"])
    for (what, name), runs in sorted(found.items()):
        words = [f"{what:10} {name:8} {len(runs)} runs"]
        for key in ("temperature_kelvin", "pressure_gpa", "density_g_per_cm3", "potential_ev_per_atom"):
            words.append(_mean(key, [(one[key]["mean"], one[key]["error"]) for one in runs]))
        if what == "diffusion":
            of = [one["diffusion"]["Cu"] for one in runs]
            for way in ("by_msd", "by_vacf"):
                pairs = [(one[f"{way}_cm2_per_s"], one[f"{way}_error"]) for one in of]
                words.append(_mean(f"D_{way}_1e-5_cm2_per_s", (1e5 * np.array(pairs, dtype=float)).tolist()))
        print("; ".join(words))
    (folder / "bulk.json").write_text(json.dumps({f"{w} {n}": runs for (w, n), runs in found.items()}))


def _mean(name: str, pairs: list[tuple[float, float]]) -> str:
    values, errors = (np.array(one, dtype=float) for one in zip(*pairs, strict=True))
    within = float(np.sqrt((errors**2).sum()) / len(errors))
    between = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 2 else within
    return f"{name} {values.mean():.5g} ± {max(within, between):.2g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("what", choices=["crystal", "liquid", "diffusion"])
    one.add_argument("model")
    one.add_argument("seed", type=int)
    one.add_argument("folder", type=Path)
    one.add_argument("--time-ps", type=float, default=40.0)
    one.add_argument("--repeat", type=int, default=3)
    commands.add_parser("show").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(
            arguments.what,
            arguments.model,
            arguments.seed,
            arguments.folder,
            arguments.time_ps,
            arguments.repeat,
        )
    else:
        show(arguments.folder)
