"""The report in Chromium: no complaint, no request; clicks and keys do what they say, downloads hold it all.

Skipped where there is no Chromium. Slow: each page takes a second or more to start a browser for.
"""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from importlib.resources import files

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from looked_at_run import ATOMS, WRITE_EVERY, write_looked_at
from synthetic_run import decaying_states, write_run

from nadyn.analysis import report
from nadyn.analysis.light import Absorption, Light, chosen
from nadyn.trajectory import open_run
from nadyn.units import ANGSTROM_PER_BOHR

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]
READY = "document.documentElement.dataset.ready === 'yes'"
WORDS = "document.getElementById('view-moment').textContent"
# Instead of saving, keep what would be saved.
KEEP = """window.kept = []; URL.createObjectURL = (make => blob => {
  window.kept.push(blob); return make.call(URL, blob); })(URL.createObjectURL);
HTMLAnchorElement.prototype.click = function () { window.named = this.download; };"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = {"model": "m.safetensors", "method": "fssh", "dt_fs": 0.25, "time_fs": 20.0, "seed": 3}
    path = tmp_path_factory.mktemp("run") / "<img src=x onerror=hacked=1>.h5"
    return open_run(write_looked_at(path, config=config))


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    """A page with everything on it: light along the run and the training of its model too."""
    record = {"model_digest": "0" * 64, "judged": "<b>held-out</b> frames", "parity": parity()}
    record |= {"history": [{"step": step, "energy_mae": [0.1 / step] * 2} for step in (1, 10, 20)]}
    run.path.with_name("m.history.json").write_text(json.dumps(record))
    return report(run.path, tmp_path_factory.mktemp("page") / "report.html", light=light(run))


def parity():
    columns = [
        {"name": name, "n": 9, "mean_absolute_error": 0.1, "label": [0, 1, 2], "prediction": [0, 1.1, 2]}
        for name in ("state 0", "<i>state 1</i>")
    ]
    return [{"quantity": "energies above the lowest label", "unit": "eV", "columns": columns}]


def light(run):
    rng = np.random.default_rng(1)
    frames, trajectories = chosen(run)
    shape = (len(frames), len(trajectories), 2)
    energies = np.sort(rng.uniform(0.0, 0.2, shape), axis=2)
    curve = np.exp(-(np.linspace(-2, 2, 50) ** 2))
    absorbed = Absorption(
        np.linspace(2, 6, 50), curve, 0.1 * curve, curve[None], ["0-1"], (3.0, 4.0), "7 <i>starts</i>"
    )
    return Light(
        frames, trajectories, energies, rng.normal(size=(*shape, 3)), rng.uniform(size=(*shape, 2)), absorbed
    )


@pytest.fixture
def browser(tmp_path):
    opened = Browser(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def shown(browser, page):
    browser.open(page)
    browser.wait(READY)
    return browser


def click(browser, script):
    """Click with the mouse at the middle of an element."""
    x, y = browser.do(
        f"(() => {{ const e = {script}; e.scrollIntoView({{block: 'center'}}); const r = "
        "e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def saved(browser, button):
    browser.do(KEEP)
    click(browser, button)
    browser.wait("window.named !== undefined")
    return browser.do("window.named"), browser.do("window.kept.at(-1).text()")


def geometry(text):
    return np.array([[float(word) for word in line.split()[1:]] for line in text.splitlines()[2:]])


def test_nothing_is_complained_of_and_no_request_leaves(shown):
    assert shown.complaints() == []
    assert {address.split(":")[0] for address in shown.requests()} <= {"file", "data", "blob"}
    assert sum(address.startswith("file:") for address in shown.requests()) == 1
    assert shown.do("typeof hacked") == "undefined"
    # The policy of the page stops what a script would send.
    assert shown.do("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')") == "stopped"
    assert any("Content Security Policy" in text for text in shown.complaints())


def test_a_click_on_a_hop_shows_its_geometry_and_its_trajectory(shown, run):
    hop = 2
    trajectory, step = int(run.hops["traj"][hop]), int(run.hops["step"][hop])
    address = f"#t{trajectory}s{step}"
    click(shown, f"document.querySelector('#hops a[*|href=\"{address}\"]').firstElementChild")
    shown.wait(f"location.hash === '{address}'")
    shown.wait(f"{WORDS}.startsWith('Trajectory {trajectory} ')")
    words = shown.do(WORDS)
    assert f"{step * 0.25:.2f} fs" in words
    assert "hop 1→0" in words
    assert shown.do("document.getElementById('view-trajectory').value") == str(trajectory)
    assert shown.do("document.querySelectorAll('#view-molecule canvas').length") > 0
    name, text = saved(shown, "document.getElementById('view-save-geometry')")
    assert name.endswith(".xyz")
    expected = ANGSTROM_PER_BOHR * run.positions[step // WRITE_EVERY, trajectory]
    assert np.abs(geometry(text) - (expected - expected.mean(axis=0))).max() < 1e-3
    assert len(geometry(text)) == len(ATOMS)


def test_a_keyboard_reaches_hops_one_after_the_other(shown, run):
    shown.do("document.querySelector('#hops a[tabindex=\"0\"]').focus()")
    shown.key("ArrowRight")
    order = np.lexsort((run.hops["traj"], run.hops["step"]))
    trajectory = int(run.hops["traj"][order[1]])
    shown.key("Enter")
    shown.wait(f"{WORDS}.startsWith('Trajectory {trajectory} ')")
    assert len(shown.do("[...document.querySelectorAll('#hops a[tabindex=\"0\"]')].map(a => 1)")) == 1
    # From the top, Tab alone comes to every control, and to each plot once.
    shown.do("document.body.tabIndex = -1; document.body.focus()")
    reached = []
    for _ in range(80):
        shown.key("Tab")
        reached.append(shown.do("document.activeElement.id || document.activeElement.tagName"))
    wanted = {"theme", "view-ended", "view-trajectory", "view-play", "view-time", "view-molecule", "a"}
    assert wanted <= set(reached), wanted - set(reached)


def test_figures_are_saved_as_they_are_and_numbers_with_them(shown, run):
    button = "document.querySelector('#hops [data-save={}]')".format
    name, text = saved(shown, button("svg"))
    assert name == "hops.svg"
    assert ET.fromstring(text).tag.endswith("svg")
    assert not re.search(r"var\(|currentColor|<a |href=\"http", text)
    shown.do("delete window.named")
    name, text = saved(shown, button("csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["trajectory"]) for row in rows] == run.hops["traj"].tolist()
    shown.do("delete window.named")
    name, text = saved(shown, button("png"))
    assert name == "hops.png"
    size = shown.do("createImageBitmap(window.kept.at(-1)).then(i => [i.width, i.height])")
    drawn = shown.do("document.querySelector('#hops svg').getAttribute('viewBox')").split()
    assert size == [round(4 * float(length)) for length in drawn[2:]]


@pytest.mark.parametrize("name", ["absorption", "transient", "dipole", "learning", "parity"])
def test_light_and_training_are_saved_like_every_figure(shown, name):
    button = f"document.querySelector('#{name} [data-save={{}}]')".format
    said, text = saved(shown, button("svg"))
    assert said == f"{name}.svg" and ET.fromstring(text).tag.endswith("svg")
    shown.do("delete window.named")
    said, text = saved(shown, button("csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert said == f"{name}.csv" and len(rows) >= 3 and all(None not in row for row in rows)


def test_controls_of_the_viewer_do_what_they_say(shown, run):
    shown.do("document.getElementById('view-ended').value = '0'")
    click(shown, "[...document.querySelectorAll('#view-stops button')].at(-1)")
    assert shown.do(WORDS).startswith("Trajectory 0 · 20.00 fs")
    click(shown, "document.getElementById('view-next')")
    assert shown.do(WORDS).startswith("Trajectory 1 · 0.00 fs")
    click(shown, "document.getElementById('view-play')")
    shown.wait(f"!{WORDS}.includes('· 0.00 fs')")
    click(shown, "document.getElementById('view-play')")
    assert shown.do("document.getElementById('view-play').textContent") == "Play"
    _, text = saved(shown, "document.getElementById('view-save-trajectory')")
    assert text.count("trajectory 1, ") == 41
    bar = shown.do("document.getElementById('view-bar').getAttribute('aria-label')")
    first = run.hops["step"][run.hops["traj"] == 1][0] * 0.25
    assert f"state 1 from 0.0 to {first:.1f} fs" in bar
    shown.do("location.hash = '#t3'")
    shown.wait(f"{WORDS}.startsWith('Trajectory 3 ')")
    before = shown.do("getComputedStyle(document.body).backgroundColor")
    click(shown, "document.getElementById('theme')")
    assert shown.do("getComputedStyle(document.body).backgroundColor") != before
    assert shown.complaints() == []


def test_without_webgl_a_sentence_stands_in_for_the_molecule(page, tmp_path):
    browser = Browser(tmp_path, webgl=False)
    try:
        browser.open(page)
        browser.wait(READY)
        assert browser.do("document.getElementById('view-no-molecule').hidden") is False
        assert browser.do("document.getElementById('view-molecule')") is None
        browser.do("location.hash = '#t2s4'")
        browser.wait(f"{WORDS}.startsWith('Trajectory 2 ')")
    finally:
        browser.close()


def test_a_model_without_atoms_has_its_trajectories_too(browser, tmp_path):
    state = decaying_states(np.random.default_rng(1), n_traj=6, time=np.arange(31.0), lifetimes=[9.0])
    path = write_run(tmp_path / "model.h5", state, n_states=2)
    page = report(path, tmp_path / "report.html")
    # The library itself; our own script names it.
    assert "GLViewer" not in page.read_text(encoding="utf-8")
    browser.open(page)
    browser.wait(READY)
    click(browser, "document.querySelector('#hops a').firstElementChild")
    browser.wait(f"{WORDS}.includes('hop 1→0')")
    assert browser.complaints() == []


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
def test_axe_finds_nothing_serious(browser, page, width, scheme):
    pytest.importorskip("axe_core_python", reason="axe-core is in the extra `test`")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", features=features)
    browser.open(page, width=width)
    browser.wait(READY)
    assert browser.do("document.documentElement.scrollWidth") == width
    browser.do(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = browser.do(
        "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html.slice(0, 200))]))"
    )
    assert [one for one in found if one[1] in ("serious", "critical")] == []
