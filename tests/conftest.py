"""One thread, no display, and every shape annotation of nadyn checked at run time."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ["MPLBACKEND"] = "agg"

import jaxtyping

# Before the first import of nadyn: only modules imported afterwards are checked.
jaxtyping.install_import_hook("nadyn", "beartype.beartype")

import torch

torch.set_num_threads(1)
