"""The reference of the demo: ammonia after excitation on the analytic surfaces that made its data.

    python benchmarks/ammonia_reference.py

3,000 trajectories of the demo's run file with starts and random numbers of their own, on the surfaces of
`ammonia_surfaces.py` (whose package it needs) instead of the learned ones. Written is what the demo shows
beside its own numbers: populations every femtosecond and products, as `nadyn analyse --json` gives them.
Three to six minutes.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from ammonia_surfaces import SURFACE, AmmoniaSurfaces

import nadyn
from nadyn.analysis import analyse
from nadyn.cli.demo import run_file

TARGET = Path(nadyn.__file__).parent / "shipped" / "ammonia" / "analytic_surfaces.json"
NAME = "analytic surfaces"
KEPT = ("populations", "populations_low", "populations_high")


def main() -> None:
    """Run the trajectories and write the file."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = run_file(n=3000, time_fs=60.0) | {"seed": 101, "output": str(Path(folder) / "run.h5")}
        config.pop("model")
        result = nadyn.run(config, model=AmmoniaSurfaces(), progress=False)
        numbers = analyse(result.path)
    time = np.array(numbers["time_fs"])
    frames = [int(np.abs(time - femtosecond).argmin()) for femtosecond in range(61)]
    text = {
        "name": NAME,
        "surfaces": f"{SURFACE} of chempotpy 1.0.7 (Apache-2.0); Z. H. Li, R. Valero and D. G. Truhlar, "
        "Theor. Chem. Acc. 118, 9 (2007)",
        "made_by": "python benchmarks/ammonia_reference.py",
        "run": {key: value for key, value in config.items() if key != "output"},
        "n_trajectories": numbers["n_trajectories"],
        "time_fs": time[frames].tolist(),
        **{key: np.round(np.array(numbers[key])[frames], 5).tolist() for key in KEPT},
        "products": numbers["products"],
    }
    TARGET.write_text(json.dumps(text) + "\n", encoding="utf-8")
    print(f"Written: {TARGET}")


if __name__ == "__main__":
    main()
