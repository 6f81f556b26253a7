"""Light along a run of direct dynamics: labels of its source at some of its geometries."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid
from typer.testing import CliRunner

from nadyn.analysis.joined import open_runs_as_one
from nadyn.analysis.light import Light, dipole_and_emission, transient_absorption
from nadyn.checks.errors import InputError
from nadyn.cli.light_of_labels import n_labels, seen_by_source
from nadyn.cli.main import build_app
from nadyn.interfaces.direct_run import run
from nadyn.interfaces.sources import source_from
from nadyn.learning import labelling
from nadyn.learning.labelling import Labelled

# Two states of a diatomic that cross; the dipole between the diabatic states grows with the distance.
SURFACES = """
import numpy as np

def label(positions, doubted=0.0, shifted=0.0):
    arrow = positions[1] - positions[0]
    r = np.linalg.norm(arrow)
    axis = arrow / r
    w = np.array([[0.5 * 0.3 * (r - 2.0) ** 2, 0.004], [0.004, 0.10 + 0.5 * 0.2 * (r - 2.6) ** 2]])
    slope = np.diag([0.3 * (r - 2.0), 0.2 * (r - 2.6)])
    energies, states = np.linalg.eigh(w)
    # Signs that nobody may rely on.
    states = states * np.sign(np.sin(1e4 * r + np.arange(2)))
    adiabatic = states.T @ slope @ states
    along = np.stack([-axis, axis])
    between = np.array([[0.3, 0.5 * r], [0.5 * r, -0.7]])
    moments = states.T @ between @ states
    answer = {
        "energies": energies + (shifted if r > 2.05 else 0.0),
        "forces": -np.array([adiabatic[k, k] * along for k in range(2)]),
        "interstate_couplings": adiabatic[0, 1] * along[None],
        "dipoles": moments[:, :, None] * axis,
    }
    if doubted and r > doubted:
        answer["doubt"] = "too far"
    return answer
"""


def command(*words):
    words = [str(word) for word in words]
    return CliRunner().invoke(build_app([words[0]]), words, catch_exceptions=False)


def source(**options):
    section = {"function": "surfaces.py:label", "theory": "formula", "multiplicities": [1, 1]}
    section["gives"] = ["forces", "interstate_couplings", "dipoles"]
    return {"python": section | ({"options": options} if options else {})}


@pytest.fixture
def direct(tmp_path, monkeypatch):
    """Four diatomics on the upper state, which go through the crossing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "surfaces.py").write_text(SURFACES)
    (tmp_path / "start.xyz").write_text("2\n\nH 0 0 0\nF 0.50803 0.63504 0.67738\n")
    (tmp_path / "source.yaml").write_text(json.dumps(source()))
    run(
        {
            "model": source(),
            "method": "fssh",
            "propagation": "tdc",
            "initial": {"sample": "wigner", "geometry": "start.xyz", "n": 4, "state": 1},
            "labels": {"processes": 0},
            "dt_fs": 0.5,
            "time_fs": 6.0,
            "seed": 3,
            "output": "run.h5",
        },
        progress=False,
    )
    return tmp_path


@pytest.fixture
def in_this_process(monkeypatch):
    """Labels without the processes, the store and the judgement of `nadyn label`."""

    def labelled(configuration, geometries, store, *, processes, report):
        asked = source_from(configuration, geometries.atomic_numbers)
        return Labelled(asked, geometries, tuple(asked.label(one) for one in geometries.positions))

    monkeypatch.setattr(labelling, "label_geometries", labelled)


def by_hand(held, frames, trajectories):
    """Energies and squares of dipoles of the formula, without signs."""
    arrows = np.array(held.positions[:, :, 1] - held.positions[:, :, 0])[np.ix_(frames, trajectories)]
    r = np.linalg.norm(arrows, axis=-1)
    w = np.zeros((*r.shape, 2, 2))
    w[..., 0, 0], w[..., 1, 1] = 0.15 * (r - 2.0) ** 2, 0.10 + 0.10 * (r - 2.6) ** 2
    w[..., 0, 1] = w[..., 1, 0] = 0.004
    energies, states = np.linalg.eigh(w)
    between = np.zeros_like(w)
    between[..., 0, 0], between[..., 1, 1] = 0.3, -0.7
    between[..., 0, 1] = between[..., 1, 0] = 0.5 * r
    moments = np.einsum("...ak,...ab,...bl->...kl", states, between, states)
    own = np.einsum("...kk->...k", moments)[..., None] * (arrows / r[..., None])[..., None, :]
    return Light(frames, trajectories, energies, own, moments**2)


def test_the_signal_of_labels_is_that_of_the_formula_behind_the_source(direct, in_this_process):
    held = open_runs_as_one([direct / "run.h5"])
    files = ["--json", direct / "t.json", "--csv", direct / "t.csv", "--figure", direct / "t.svg"]
    done = command("spectrum", "source.yaml", "--kind", "transient", "--run", "run.h5", *files)
    assert done.exit_code == 0
    assert f"By {n_labels(held)} labels at geometries of 4 trajectories." in " ".join(done.output.split())
    plain = json.loads((direct / "t.json").read_text())
    frames = np.arange(held.committed_frames)
    assert n_labels(held) == 4 * len(frames) and plain["time_fs"] == held.time_fs.tolist()
    expected = transient_absorption(held, by_hand(held, frames, np.arange(4)))
    assert plain["photon_energies_ev"] == pytest.approx(expected.energies_ev.tolist())
    np.testing.assert_allclose(plain["difference_angstrom2"], expected.total, rtol=1e-9, atol=1e-12)
    # Light that comes out of an excited molecule, and what is missing from the ground state.
    assert np.array(plain["difference_angstrom2"])[0].min() < -0.01


def test_the_absorption_of_the_starts_has_the_area_of_their_oscillator_strengths(direct, in_this_process):
    held = open_runs_as_one([direct / "run.h5"])
    found = seen_by_source(source(), held, direct / "labels")[0].absorption
    gaps = held.energies[0, :, 1] - held.energies[0, :, 0]
    light = by_hand(held, np.arange(1), np.arange(4))
    strength = np.mean(2 / 3 * gaps * light.squares[0, :, 0, 1])
    area = trapezoid(found.cross_section, found.energies_ev / 27.211386)
    assert area == pytest.approx(2 * np.pi**2 / 137.036 * strength * 0.529177**2, rel=0.01)
    assert found.window_ev == pytest.approx((27.211386 * gaps.min(), 27.211386 * gaps.max()))
    assert found.names == ["0-1"] and found.origin.startswith("4 geometries")


@pytest.mark.slow
def test_labels_are_kept_for_the_page_of_the_run(direct):
    held = open_runs_as_one([direct / "run.h5"])
    done = command("spectrum", "source.yaml", "--kind", "transient", "--run", "run.h5", "--json", "t.json")
    assert done.exit_code == 0
    done = command("report", "run.h5", "--labels", "labels", "--output", "page.html")
    assert done.exit_code == 0
    page = (direct / "page.html").read_text()
    for name in ("absorption", "transient", "dipole"):
        assert f'<figure id="{name}">' in page
    assert f"By {n_labels(held)} labels at geometries of 4 trajectories." in page


def test_labels_of_no_use_are_left_out_and_counted(direct, in_this_process):
    held = open_runs_as_one([direct / "run.h5"])
    r = np.linalg.norm(held.positions[:, :, 1] - held.positions[:, :, 0], axis=-1)
    whole, _ = seen_by_source(source(), held, direct / "whole")
    for options, far, name in (
        ({"doubted": 2.1}, r > 2.1, "not trusted"),
        ({"shifted": 0.01}, r > 2.05, "of another solution"),
        ({"shifted": -0.01}, r > 2.05, "of another solution"),
    ):
        found, words = seen_by_source(source(**options), held, direct / name)
        assert words == (
            f"By {(~far).sum()} labels at geometries of 4 trajectories; left out: {far.sum()} {name}."
        )
        assert np.array_equal(np.isnan(found.energies).all(axis=-1), far)
        assert far.any() and not far.all()
        np.testing.assert_array_equal(found.squares[~far], whole.squares[~far])
    codes = {name: code for code, name in held.status_names.items()}
    early = replace(
        held,
        last_step=np.where(np.arange(4) == 1, 4, held.last_step),
        status=np.where(np.arange(4) == 1, codes["close_atoms"], held.status),
    )
    # Frames 5 to 12 of one of them say nothing.
    assert n_labels(early) == n_labels(held) - (held.committed_frames - 5)


def parts_of(light, chosen):
    """The same light of some of its trajectories."""
    arrays = (one[:, chosen] for one in (light.energies, light.dipoles, light.squares))
    return Light(light.frames, light.trajectories[chosen], *arrays)


def test_what_is_not_known_of_a_trajectory_leaves_means_to_the_others(direct):
    held = open_runs_as_one([direct / "run.h5"])
    frames = np.arange(held.committed_frames)
    whole = by_hand(held, frames, np.arange(4))
    # Of the second trajectory the start is not known, so that there is no difference from it.
    gone = [one.copy() for one in (whole.energies, whole.dipoles, whole.squares)]
    for one in gone:
        one[0, 1] = np.nan
    found = Light(frames, np.arange(4), *gone)
    expected = parts_of(whole, np.array([0, 2, 3]))
    signal, rest = (transient_absorption(held, one) for one in (found, expected))
    np.testing.assert_allclose(signal.energies_ev, rest.energies_ev)
    np.testing.assert_allclose(signal.total, rest.total, atol=1e-12)
    np.testing.assert_allclose(signal.error, rest.error, atol=1e-12)
    # Of the third one a later time is not known, and that time alone is of the others.
    gone = [one.copy() for one in (whole.energies, whole.dipoles, whole.squares)]
    for one in gone:
        one[3, 2] = np.nan
    found = Light(frames, np.arange(4), *gone)
    signal, complete = (dipole_and_emission(held, one) for one in (found, whole))
    without = dipole_and_emission(held, parts_of(whole, np.array([0, 1, 3])))
    for name, column in signal.items():
        np.testing.assert_allclose(np.delete(column, 3), np.delete(complete[name], 3), atol=1e-12)
        np.testing.assert_allclose(column[3], without[name][3], atol=1e-12)


def test_the_dipole_of_an_ion_is_about_its_centre_of_mass(direct, in_this_process):
    held = open_runs_as_one([direct / "run.h5"])
    # Samples lie about the origin.
    held = replace(held, positions=np.add(held.positions, [1.0, -2.0, 0.5]))
    charged = source()
    charged["python"]["charge"] = 1
    neutral, _ = seen_by_source(source(), held, direct / "neutral")
    found, _ = seen_by_source(charged, held, direct / "ion")
    centre = np.einsum("a,ftax->ftx", held.masses, held.positions) / held.masses.sum()
    np.testing.assert_allclose(found.dipoles, neutral.dipoles - centre[:, :, None], atol=1e-12)


def test_what_cannot_be_seen_is_one_sentence(direct, in_this_process):
    held = open_runs_as_one([direct / "run.h5"])
    blind = source()
    blind["python"]["gives"] = ["forces"]
    with pytest.raises(
        InputError, match=r"must give dipoles of the 2 states of run '.*', but gives no dipoles"
    ):
        seen_by_source(blind, held, direct / "labels")
    with pytest.raises(
        InputError, match="must be trusted at the start of a trajectory at least, but none is"
    ):
        seen_by_source(source(doubted=0.1), held, direct / "labels")
    with pytest.raises(InputError, match=r"must be the folder of labels of 'run.h5', but 'nowhere' has none"):
        command("report", "run.h5", "--labels", "nowhere", "--output", "page.html")
    run(
        {
            "model": {"name": "tully", "variant": 1},
            "initial": {"position_au": -2, "momentum_au": 20, "n": 2, "state": 1},
            "method": "fssh",
            "dt_fs": 0.5,
            "time_fs": 1,
            "output": "tully.h5",
        },
        progress=False,
    )
    with pytest.raises(
        InputError, match=r"`--labels` must come with a run of direct dynamics, but 'tully.h5'"
    ):
        command("report", "tully.h5", "--labels", "labels", "--output", "page.html")
    with pytest.raises(InputError, match=r"run '.*tully.h5' must be of atoms for a label source to see it"):
        command("spectrum", "source.yaml", "--kind", "transient", "--run", "tully.h5")
