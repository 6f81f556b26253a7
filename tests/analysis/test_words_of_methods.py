"""What the report says of a run fits its method."""

import pytest

from nadyn.analysis import analyse
from nadyn.analysis.key_numbers import key_numbers
from nadyn.analysis.sections import sections
from nadyn.analysis.summary import summarise
from nadyn.dynamics.run.loop import run as run_trajectories
from nadyn.trajectory import open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.fixture
def made(tmp_path):
    """Run a method for some steps through the crossing of Tully's first model."""

    def make(method):
        content = {
            "model": {"name": "tully", "variant": 1},
            "initial": {"position_au": -1, "momentum_au": 20, "n": 7, "state": 0},
            "method": method,
            "dt_fs": 0.5,
            "time_fs": 8,
            "output": str(tmp_path / f"{method}.h5"),
        }
        return open_run(run_trajectories(content, progress=False).path)

    return make


@pytest.mark.parametrize("method", ["fssh", "gfsh", "landau_zener", "mash", "ehrenfest", "csdm", "spin_lsc"])
def test_amplitudes_are_compared_only_where_they_should_agree(made, method):
    run = made(method)
    # Of a run that does not scatter to its end populations are drawn, too.
    found = {section.name: section for section in sections(run, summarise(run))}
    labels = [text.get_text() for text in found["populations"].figure.axes[0].get_legend().get_texts()]
    compares = method in ("fssh", "gfsh")
    assert ("dashed" in found["populations"].caption) == compares
    assert ("mean |c|²" in labels) == compares


@pytest.mark.parametrize(
    ("method", "name", "coloured"),
    [
        ("mash", "Hops", "coloured by the state they move on"),
        ("csdm", "Changes of the pointer state", "coloured by their pointer state"),
        ("ehrenfest", None, "each moving on the mean of its states"),
        ("spin_lsc", None, "each moving on the mean of its states"),
    ],
)
def test_what_has_no_active_state_has_no_hops(made, method, name, coloured):
    run = made(method)
    numbers = analyse(run.path)
    names = {number.name for number in key_numbers(run, numbers)}
    assert names & {"Hops", "Changes of the pointer state"} == ({name} - {None})
    hops = [section for section in sections(run, numbers) if section.name == "hops"]
    if method == "csdm":
        # A change of the pointer state costs nothing: there are no gaps to draw.
        assert len(hops) == 1 and len(hops[0].figure.axes) == 1
        assert hops[0].caption.startswith("When pointer states were changed")
    captions = [section.caption for section in sections(run, numbers) if section.name == "geometry"]
    assert len(captions) == 1 and coloured in captions[0]
