"""What is cited is what was used; entries are whole and stand once."""

import re

import numpy as np
import pytest
from synthetic_run import write_run
from typer.testing import CliRunner

from nadyn.analysis import citations
from nadyn.analysis.citations import as_bibtex, cited_by_model, cited_by_run
from nadyn.analysis.references import REFERENCES
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app
from nadyn.dynamics.baths.table import THERMOSTATS
from nadyn.dynamics.methods.table import METHODS
from nadyn.models.encoders.table import ENCODERS
from nadyn.trajectory import open_run


def keys_of(used):
    return {reference.key for one in used for reference in one.references}


def run_of(tmp_path, config, method="fssh"):
    state = np.ones((6, 4), int)
    return write_run(tmp_path / "run.h5", state, n_states=2, config={"seed": 3, **config}, method=method)


@pytest.mark.parametrize(
    ("method", "config", "expected", "absent"),
    [
        (
            "fssh",
            {"decoherence": {"name": "edc"}, "initial": {"sample": "wigner"}},
            {"tully1990", "hammesschiffer1994", "granucci2001", "plasser2012", "granucci2007", "wigner1932"},
            {"jain2016", "mannouch2023"},
        ),
        (
            "fssh",
            {"decoherence": "none", "propagation": "nac", "model": {"pyscf": {}}},
            {"tully1990", "hammesschiffer1994", "sun2020"},
            {"granucci2007", "granucci2001", "wigner1932"},
        ),
        ("mash", {"decoherence": {"name": "edc"}}, {"mannouch2023"}, {"tully1990", "granucci2007"}),
        ("nvt", {"thermostat": {"name": "nose_hoover"}}, {"martyna1992"}, {"granucci2001", "bussi2007"}),
    ],
)
def test_a_run_cites_what_it_used_and_nothing_else(tmp_path, method, config, expected, absent):
    found = keys_of(cited_by_run(open_run(run_of(tmp_path, config, method))))
    assert expected <= found and not absent & found


def test_the_tables_name_what_exists():
    assert set(citations._METHODS) <= set(METHODS)
    assert set(citations._ENCODERS) == set(ENCODERS)
    assert set(citations._THERMOSTATS) == {
        one.model_fields["name"].annotation.__args__[0] for one in THERMOSTATS
    }
    assert keys_of(cited_by_model({"encoder": "soap"})) == {"bartok2013"}


def test_entries_are_whole_and_of_one_kind():
    for key, one in REFERENCES.items():
        assert key == one.key and re.fullmatch(r"[a-z]+\d{4}", key)
        assert key.endswith(str(one.year))
        assert one.doi == "" or re.fullmatch(r"10\.\d{4,5}/\S+", one.doi)
        assert all(", " in name or name == "others" for name in one.authors.split(" and "))
        assert one.bibtex.count("{") == one.bibtex.count("}")
        assert "\\" not in one.text and "{" not in one.text
    with_doi = [one.doi for one in REFERENCES.values() if one.doi]
    assert len(set(with_doi)) == len(with_doi)
    assert REFERENCES["tully1990"].text == (
        "John C. Tully, Molecular dynamics with electronic transitions, The Journal of Chemical Physics 93, "
        "1061 (1990), https://doi.org/10.1063/1.459170"
    )


def test_the_command_prints_and_writes_each_entry_once(tmp_path):
    path = run_of(tmp_path, {"decoherence": {"name": "edc"}})
    app, out = build_app(("cite",)), tmp_path / "run.bib"
    found = CliRunner().invoke(app, ["cite", str(path), str(path), "--bibtex", str(out)])
    assert found.exit_code == 0, found.output
    assert found.output.count("method fssh") == 1 and "10.1063/1.459170" in found.output
    text = out.read_text()
    assert text.count("@article{tully1990,") == 1 and text.startswith("@software{nadyn,")
    assert text.count("@article") == as_bibtex(cited_by_run(open_run(path))).count("@article") + 2
    again = CliRunner().invoke(app, ["cite", str(path), "--bibtex", str(out)])
    assert isinstance(again.exception, InputError)
