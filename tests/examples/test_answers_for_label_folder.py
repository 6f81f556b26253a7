"""The stand-in for a program answers what `nadyn label` asks, as the page on label folders shows it."""

import runpy
import sys
from pathlib import Path

import numpy as np

from nadyn.electronic.labels import Quality
from nadyn.interfaces.folder_source import FolderSection

EXAMPLE = Path(__file__).parents[2] / "examples" / "07_answers_for_label_folder.py"
POSITIONS = np.array([[0.0, 0.0, 0.1], [0.0, 1.4, 1.1], [0.2, -1.4, 1.1]])


def test_the_stand_in_answers_a_request(tmp_path, monkeypatch):
    section = FolderSection(folder=str(tmp_path / "asked"), theory="stand-in", states=(2,))
    source = section.source((8, 1, 1))
    assert source.label(POSITIONS) is None
    monkeypatch.chdir(source.place(POSITIONS))
    monkeypatch.setattr(sys, "argv", ["07_answers_for_label_folder.py", "QM.in"])
    surfaces = runpy.run_path(str(EXAMPLE), run_name="__main__")["surfaces"]
    energies, gradients, d = surfaces(POSITIONS)
    label = source.label(POSITIONS)
    assert label.quality == Quality.TRUSTED
    np.testing.assert_allclose(label.energies, energies)
    np.testing.assert_allclose(label.forces, -gradients, atol=1e-11)
    np.testing.assert_allclose(label.interstate_couplings, [d * (energies[1] - energies[0])], atol=1e-10)
