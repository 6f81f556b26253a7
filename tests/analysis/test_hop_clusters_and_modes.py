"""Hops grouped whatever the order of like atoms and the hand; coordinates and modes with known values."""

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from synthetic_run import hop_table, write_run
from typer.testing import CliRunner

from nadyn.analysis import report
from nadyn.analysis.geometry import measure, pyramidalisation, read_quantity
from nadyn.analysis.hop_clusters import beside_crossings, hop_clusters, read_crossings
from nadyn.analysis.mode_activity import NormalModes, mode_activity
from nadyn.analysis.page_parts import figure_html
from nadyn.analysis.quantum_yields import clopper_pearson
from nadyn.analysis.sections_of_coordinates import coordinate_sections, modes_section
from nadyn.analysis.sections_of_hops import hop_groups, hop_groups_section
from nadyn.analysis.summary import summarise
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app
from nadyn.structures import masses
from nadyn.trajectory import open_run
from nadyn.units import ANGSTROM_PER_BOHR

NUMBERS = np.array([7, 1, 1, 1])
FLAT = 1.9 * np.array([[0, 0, 0], [1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]])
TALL = FLAT + np.array([[0, 0, 1.8], [0, 0, -0.6], [0, 0, -0.6], [0, 0, -0.6]])
LONG = FLAT + np.array([[0, 0, 0], [3.0, 0, 0], [0, 0, 0], [0, 0, 0]])


def turned(rng, geometry):
    """A geometry with its hydrogens exchanged, turned, mirrored perhaps, and moved."""
    order = np.concatenate([[0], 1 + rng.permutation(3)])
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return geometry[order] @ rotation + rng.normal(size=3)


@pytest.fixture
def run_path(tmp_path):
    """Of 18 hops 9 are flat, 6 tall and 3 long, written every second step."""
    rng = np.random.default_rng(3)
    n = 18
    state = np.ones((8, n), int)
    state[4:] = 0
    kind = np.arange(n) % 6
    shapes = [FLAT if k < 3 else TALL if k < 5 else LONG for k in kind]
    positions = np.zeros((8, n, 4, 3))
    for traj, shape in enumerate(shapes):
        positions[:, traj] = turned(rng, shape + rng.normal(scale=0.02, size=(4, 3)))
    hops = hop_table(state) | {"step": np.full(n, 7), "gap": np.full(n, 0.01)}
    hops["accepted"][0] = 0
    hops["gap"] = 0.001 * (1 + kind)
    # At step 7 the last frame is number 3; what comes later is not looked at.
    positions[4:] += rng.normal(scale=3.0, size=(4, n, 4, 3))
    return write_run(
        tmp_path / "run.h5",
        state,
        n_states=2,
        write_every=2,
        dt_fs=0.5,
        positions=positions,
        atomic_numbers=NUMBERS,
        masses=masses(NUMBERS),
        hops=hops,
    )


def test_hops_are_grouped_whatever_the_order_of_like_atoms_and_the_hand(run_path):
    found, numbers = hop_clusters(open_run(run_path))
    assert [one.n for one in found] == [8, 6, 3]
    assert numbers[0] == -1
    assert [int((numbers == k).sum()) for k in range(3)] == [8, 6, 3]
    assert set(numbers[[3, 4, 9]]) == {1} and set(numbers[[5, 11, 17]]) == {2}
    for one in found:
        assert numbers[one.row] == one.number and one.pairs == {"1-0": one.n}
        # 0.02 bohr in three directions of two geometries, less what turning takes up.
        assert 0.005 < one.spread_angstrom < 0.04
        assert one.time_fs == pytest.approx(3.5) and one.frame == 3
    # Of kinds 0 to 2, less the refused one of kind 0; 3 and 4; 5. In electronvolts.
    gaps = 27.2113862 * np.array([0.001 * (2 * 1 + 3 * 2 + 3 * 3) / 8, 0.0045, 0.006])
    assert [one.gap_ev for one in found] == pytest.approx(gaps.tolist())
    assert [one.share for one in found] == pytest.approx([8 / 17, 6 / 17, 3 / 17])
    # Three intervals hold at once where each has the level 1 - 0.05/3.
    ends = [clopper_pearson(n, 17, 1 - 0.05 / 3) for n in (8, 6, 3)]
    assert [(one.low, one.high) for one in found] == [pytest.approx(end) for end in ends]
    wide, _ = hop_clusters(open_run(run_path), within_angstrom=5.0)
    assert [one.n for one in wide] == [17]


def test_few_are_compared_in_full_and_many_join_the_nearest(run_path, monkeypatch):
    """The groups are the same from half of the hops, and with one representative compared for each."""
    run = open_run(run_path)
    _, expected = hop_clusters(run)
    monkeypatch.setattr("nadyn.analysis.hop_clusters._MOST_PAIRED", 9)
    monkeypatch.setattr("nadyn.analysis.hop_clusters._MOST_COMPARED", 1)
    found, numbers = hop_clusters(run)
    assert numbers.tolist() == expected.tolist()
    assert all(one.spread_angstrom < 0.04 for one in found)


def test_the_page_shows_groups_with_what_represents_them_and_known_crossings(run_path, tmp_path):
    lines = ["4", "crossing"]
    lines += [f"{s} {x} {y} {z}" for s, (x, y, z) in zip("NHHH", ANGSTROM_PER_BOHR * TALL, strict=True)]
    (tmp_path / "seen.xyz").write_text("\n".join(lines) + "\n")
    run = open_run(run_path)
    found = hop_groups(run, tmp_path / "seen.xyz")
    (section,) = hop_groups_section(run, found)
    rows = re.findall(r"<tr><th scope=row>(.*?)</tr>", section.markup)
    assert len(rows) == 3
    for one, row in zip(found.groups, rows, strict=True):
        share = f"{100 * one.share:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"
        assert row.startswith(f"{one.number}</th><td>{one.n}</td><td>{share}</td><td>{one.n} 1→0</td>")
        assert f"<td>{one.gap_ev:.2f} eV</td>" in row
        assert f'<a href="#t{one.traj}s6">trajectory {one.traj} at 3.5 fs</a>' in row
        assert f"number 0, {one.crossing_angstrom:.2f} Å away" in row
    assert found.groups[1].crossing_angstrom < 0.05 < found.groups[0].crossing_angstrom
    assert found.moments == [(one.traj, 3) for one in found.groups]
    assert (section.table["hops"], section.table["states"][0]) == ([8, 6, 3], "8x1-0")
    x = [section.table[f"{name}_x_angstrom"][0] for name in ("N0", "H1", "H2", "H3")]
    assert x == pytest.approx((ANGSTROM_PER_BOHR * found.groups[0].positions[:, 0]).tolist())
    drawn = figure_html(section)
    assert section.markup in drawn
    width, height = re.search(r'style="--shape:([0-9.]+)/([0-9.]+)"', drawn).groups()
    assert f'viewBox="0 0 {width} {height}"' in drawn and float(width) > float(height) > 0


def test_a_run_without_hops_of_a_molecule_has_no_groups(tmp_path):
    path = write_run(tmp_path / "run.h5", np.array([[1, 1], [0, 1], [0, 0]]), n_states=2)
    assert hop_groups(open_run(path)).groups == []
    with pytest.raises(InputError, match="must come with a run of a molecule"):
        hop_groups(open_run(path), tmp_path)


def test_the_nearest_known_crossing_is_named_with_its_distance(run_path, tmp_path):
    rng = np.random.default_rng(5)
    lines = []
    for shape in (LONG, TALL, FLAT):
        points = ANGSTROM_PER_BOHR * turned(rng, shape)
        lines += ["4", "crossing"] + [f"{s} {x} {y} {z}" for s, (x, y, z) in zip("NHHH", points, strict=True)]
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "crossings.xyz").write_text("\n".join(lines) + "\n")
    run = open_run(run_path)
    found = beside_crossings(hop_clusters(run)[0], run, *read_crossings(tmp_path / "found"))
    assert [one.crossing for one in found] == [2, 1, 0]
    assert all(one.crossing_angstrom < 0.03 for one in found)
    with pytest.raises(InputError, match="holds others"):
        beside_crossings(found, run, NUMBERS[::-1], np.zeros((1, 4, 3)))


@pytest.mark.parametrize("text", ["", "x\n", "2\n\nN 0 0 0\n", "2\n\nN 0 0 0\nH 0 0\n", "1\n\nQq 0 0 0\n"])
def test_what_is_no_file_of_crossings_is_refused(tmp_path, text):
    (tmp_path / "crossings.xyz").write_text(text)
    with pytest.raises(InputError, match=r"^.*crossings.*"):
        read_crossings(tmp_path)


def test_crossings_with_all_atoms_in_one_place_are_refused(tmp_path):
    text = "2\n\nN 0 0 0\nH 0 0 1\n2\n\nN 0.5 0 0\nH 0.5 0 0\n"
    (tmp_path / "crossings.xyz").write_text(text)
    with pytest.raises(InputError, match=r"geometry 1, must keep its atoms apart, but 0 and 1 are 0.000"):
        read_crossings(tmp_path)


def test_pyramidalisation_of_a_flat_and_a_tetrahedral_centre():
    tetrahedral = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1]], float)
    lifted = FLAT.copy()
    lifted[1] = [0.8, 0, 0.6]
    found = pyramidalisation(np.stack([tetrahedral, FLAT, lifted, lifted * [1, 1, -1]]))
    out = np.degrees(np.arcsin(0.6))
    assert np.abs(found[0]) == pytest.approx(np.degrees(np.arctan(2**0.5)))
    assert found[1:] == pytest.approx([0, out, -out], abs=1e-9)


def test_a_coordinate_is_read_measured_and_its_distribution_told(run_path):
    run = open_run(run_path)
    quantity = read_quantity("distance 0, 1", 4)
    assert (quantity.kind, quantity.atoms) == ("distance", (0, 1))
    values = measure(run, quantity)
    (followed,) = summarise(run, quantities=[quantity])["geometry"]
    assert followed["quantiles"]["0.5"][0] == pytest.approx(np.sort(values[0])[8])
    assert followed["quantiles"]["0.95"][0] == pytest.approx(np.sort(values[0])[17])
    assert followed["quantiles"]["0.05"][0] == pytest.approx(values[0].min())


@pytest.mark.parametrize(
    "text", ["", "torsion 0 1", "dihedral 0 1 2", "angle 0 1 1", "distance 0 9", "distance 0 x"]
)
def test_what_is_no_coordinate_is_refused_in_a_sentence(text):
    with pytest.raises(InputError, match=r"^`--coordinate` must .*\.$"):
        read_quantity(text, 4)


def test_modes_move_as_they_were_moved(tmp_path):
    """One mode swings together, another by chance, the third not at all; molecules turn about."""
    rng = np.random.default_rng(7)
    weight = np.sqrt(masses(NUMBERS))[:, None]
    # Vibrations: what is orthogonal to translations and rotations, weighted by mass.
    rigid = [weight * axis for axis in np.eye(3)] + [
        weight * np.cross(axis, FLAT - _middle()) for axis in np.eye(3)
    ]
    basis = np.linalg.qr(np.array([one.ravel() for one in rigid] + list(rng.normal(size=(6, 12)))).T)[0].T[6:]
    vectors, frequencies = basis.reshape(6, 4, 3), np.linspace(0.004, 0.02, 6)
    n, frames = 40, 25
    q = np.zeros((frames, n, 6))
    q[..., 1] = 0.5 * np.sin(np.linspace(0, 4 * np.pi, frames))[:, None]
    q[..., 4] = 0.3 * rng.normal(size=(frames, n))
    moved = np.einsum("ftm,mnx->ftnx", q / np.sqrt(frequencies), vectors) / weight
    positions = FLAT + moved
    for frame in range(frames):
        for traj in range(n):
            rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            rotation[0] *= np.linalg.det(rotation)
            positions[frame, traj] = positions[frame, traj] @ rotation + rng.normal(size=3)
    path = write_run(
        tmp_path / "run.h5",
        np.zeros((frames, n), int),
        n_states=2,
        positions=positions,
        atomic_numbers=NUMBERS,
        masses=masses(NUMBERS),
    )
    found = mode_activity(open_run(path), FLAT, vectors, frequencies)
    # Rotations of a moved geometry couple to second order only.
    assert np.allclose(found.mean[:, 1], q[:, 0, 1], atol=0.05)
    assert found.coherent[1] == pytest.approx(q[:, 0, 1].std(), rel=0.1)
    assert found.total[1] == pytest.approx(q[:, 0, 1].std(), rel=0.1)
    assert found.total[4] == pytest.approx(0.3, rel=0.1)
    assert found.coherent[4] < 0.15
    assert found.spread[:, 4].mean() == pytest.approx(0.3, rel=0.1)
    assert np.all(found.total[[0, 2, 3, 5]] < 0.08)


def test_asked_coordinates_and_modes_are_on_the_page_with_their_numbers(run_path, tmp_path):
    run = open_run(run_path)
    vectors = np.linalg.qr(np.random.default_rng(2).normal(size=(12, 12)))[0].reshape(12, 4, 3)
    modes = NormalModes(NUMBERS, FLAT, run.masses, vectors[:2], np.array([0.01, 0.02]), "m.molden")
    out = tmp_path / "page.html"
    report(run_path, out, coordinates=["distance 0 1", "pyramidalisation 0 1 2 3"], modes=modes)
    text = out.read_text("utf-8")
    names = ("geometry", "distribution", "geometry_2", "distribution_2", "modes")
    places = [text.index(f'<figure id="{name}">') for name in names]
    assert places == sorted(places)
    assert "--coordinate 'distance 0 1'" in unescape(text) and "--modes m.molden" in text
    quantity = read_quantity("distance 0 1", 4)
    _, section, *_ = coordinate_sections(run, [quantity])
    values = measure(run, quantity)
    # Of 17 accepted hops all happen after frame 3, of which one trajectory had none.
    at_hops = values[3, 1:]
    said = (
        f"{np.median(values[0]):.4g} at the start (18 values), {np.median(at_hops):.4g} at hops (17 values)"
    )
    assert said in section.caption
    assert section.table["below_50_percent"][3] == pytest.approx(np.sort(values[3])[8])
    (shown,) = modes_section(run, modes)
    activity = mode_activity(run, FLAT, modes.vectors, modes.frequencies)
    assert shown.table["mode_2_mean"] == pytest.approx(activity.mean[:, 1].tolist())
    assert f"2 ({219474.63 * 0.02:.0f} cm⁻¹)" in shown.caption
    labels = {line.get_label() for line in shown.figure.axes[0].lines}
    assert {"mode 1", "mode 2"} <= labels and "mode 0" not in labels
    with pytest.raises(InputError, match="holds others"):
        modes_section(run, replace(modes, atomic_numbers=NUMBERS[::-1]))
    heavy = run.masses.copy()
    heavy[2] *= 0.5
    with pytest.raises(InputError, match=r"isotopes of the run, but atom 2 is 2 times as heavy"):
        modes_section(run, replace(modes, masses=heavy))


def _middle():
    return np.average(FLAT, axis=0, weights=masses(NUMBERS))


def test_the_command_line_writes_what_represents_hops(run_path, tmp_path):
    app = build_app(("analyse",))
    out, xyz = tmp_path / "run.json", tmp_path / "hops.xyz"
    arguments = ["analyse", str(run_path), "--hops", str(xyz), "--coordinate", "pyramidalisation 0 1 2 3"]
    found = CliRunner().invoke(app, [*arguments, "--json", str(out)])
    assert found.exit_code == 0, found.output
    assert "Hops by geometry" in found.output and "pyramidalisation 0,1,2,3: mean" in found.output
    lines = xyz.read_text().splitlines()
    assert lines[0] == "4" and len(lines) == 18 and "n_hops=8" in lines[1]
    numbers = json.loads(out.read_text())
    assert [one["n"] for one in numbers["hop_clusters"]] == [8, 6, 3]
    alone = CliRunner().invoke(app, ["analyse", str(run_path), "--crossings", str(tmp_path)])
    assert isinstance(alone.exception, InputError)
