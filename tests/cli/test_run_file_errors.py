"""A run file with a mistake, given to the program: one line that names the mistake and the way out."""

import pytest

from nadyn.cli.main import main

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GOOD = {
    "model": "{name: tully, variant: 1}",
    "initial": "{position_au: -10, momentum_au: 20, n: 5, state: 0}",
    "method": "fssh",
    "time_fs": "10",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"methd": "fssh"}, "`methd` is not a known key. Did you mean `method`?"),
        ({"decoherance": "none"}, "`decoherance` is not a known key. Did you mean `decoherence`?"),
        ({"initial": "{position_au: -10, momentm_au: 20, n: 5}"}, "Did you mean `momentum_au`?"),
        ({"decoherence": "{name: edc, damp: populations}"}, "Did you mean `damps`?"),
        (
            {"temperature_kelvin": "300"},
            "It belongs under `initial:` or `thermostat:` or `friction:`.",
        ),
        ({"friction_per_ps": "3"}, "`friction_per_ps` is not a known key. It belongs under `thermostat:`."),
        ({"temperature": "300"}, "`initial.temperature_kelvin` or `thermostat.temperature_kelvin`?"),
        ({"damps": "populations"}, "`damps` is not a known key. It belongs under `decoherence:`."),
        ({"thermostat": "{temperature_kelvin: 300, seed: 2}"}, "It belongs to the top level of the file."),
        ({"model": "{name: tuly, variant: 1}"}, "Did you mean tully?"),
        ({"method": "ehrenfast"}, "`method` must"),
        ({"dt_fs": "-0.5"}, "`dt_fs` must"),
        ({"dt_fs": "fast"}, "`dt_fs` must"),
        ({"dt_fs": "1e-300"}, "`time_fs` must be at most 1e+09 steps"),
        ({"dt_fs": "1e-310", "time_fs": "1e300"}, "`time_fs` must be at most 1e+09 steps"),
        (
            {"initial": "{position_au: -10, momentum_au: 20, n: 100000000000}"},
            "`initial.n` must be less than",
        ),
        ({"model": "{name: vibronic, file: 3}"}, "`file` of a vibronic model must be a file name, but is 3"),
        ({"model": "{name: tully, variant: 2024-01-01}"}, "`variant` of the Tully model must be 1, 2 or 3"),
        ({"model": "{name: pyrazine, variant: 2024-01-01}"}, "`variant` of the pyrazine model must be 4"),
        ({"model": "[tully, 1]"}, "`model"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(changes, expected, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{key}: {value}" for key, value in (GOOD | changes).items()]
    (tmp_path / "run.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as leaving:
        main(["run", "run.yaml"])
    err = capsys.readouterr().err
    assert leaving.value.code == 2
    assert err.startswith("nadyn: ")
    assert err.count("\n") == 1
    assert expected in err
    assert not (tmp_path / "run.h5").exists()


def test_a_mistyped_key_is_named_before_the_key_that_is_missing_because_of_it(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text("intial: {file: initial.h5}\nmethod: nve\ntime_fs: 1\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["run", str(path)])
    assert "Did you mean `initial`?" in capsys.readouterr().err
