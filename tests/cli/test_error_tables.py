"""The table of errors names a frame by its place in the file, or not at all."""

import io

import numpy as np
import pytest
from rich.console import Console

from nadyn.cli.error_tables import error_table
from nadyn.training.evaluation import Comparison


def _printed(frames, multiplicities=()):
    """The table of five frames of two states; the fourth has an absurd coupling."""
    random = np.random.default_rng(4)
    energies = np.cumsum(random.uniform(0.5, 0.9, size=(5, 2)), axis=1)
    couplings = random.normal(size=(5, 1, 4, 3))
    couplings[3] *= 40.0
    comparison = Comparison(
        "toy",
        energies,
        energies,
        np.zeros((5, 2, 4, 3)),
        None,
        0.9 * couplings,
        couplings,
        np.full(5, np.inf),
        multiplicities=multiplicities,
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(error_table(comparison, title="toy", frames=frames))
    norm = np.sqrt((couplings[3] ** 2).sum())
    return console.file.getvalue(), f"(|h| = {norm:.0f} eV/Å)"


@pytest.mark.parametrize(
    "frames, name",
    [(None, "the largest"), (range(5), "frame 3"), (range(0, 55, 11), "frame 33")],
)
def test_the_frame_left_out_is_named_by_its_place_in_the_file(frames, name):
    text, norm = _printed(frames)
    assert f"coupling without {name} {norm}" in text
    assert "coupling, median of frames" in text


@pytest.mark.parametrize(
    ("multiplicities", "names"), [((), ("S0", "S1")), ((3, 3), ("T1", "T2")), ((2, 2), ("D0", "D1"))]
)
def test_states_are_named_by_their_multiplicity(multiplicities, names):
    text, _ = _printed(None, multiplicities)
    assert all(f"energy {name} " in text for name in names)
