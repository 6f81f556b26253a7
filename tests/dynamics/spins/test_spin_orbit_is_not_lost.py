"""No method leaves out the spin-orbit coupling of a model without being asked or saying so."""

import numpy as np
import pytest
from spin_models import SpinCrossing

from nadyn.analysis import analyse
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.table import METHODS, motion_of
from nadyn.dynamics.run.loop import run
from nadyn.dynamics.run_file import RunConfiguration

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

MIXING = [name for name, method in METHODS.items() if method.mixes_spins]
WITHOUT_SPINS = sorted(name for name, m in METHODS.items() if m.needs_two_states and name not in MIXING)


def configuration(**keys):
    start = {"position_au": -2, "momentum_au": 20, "n": 3}
    return parse_configuration(
        {"initial": start, "time_fs": 1, "dt_fs": 0.5, **keys}, RunConfiguration, where="run"
    )


def ready(model, **keys):
    return motion_of(configuration(**keys), model, model.masses)


@pytest.mark.parametrize("method", WITHOUT_SPINS)
def test_a_method_without_spins_wants_to_be_told_to_ignore_their_coupling(method):
    with pytest.raises(
        InputError,
        match=f"`representation` must be spin_free for method {method}, which ignores the spin-orbit "
        f"coupling of model spin-crossing, but is missing. Add it, or use method {' or '.join(MIXING)}",
    ):
        ready(SpinCrossing(), method=method)
    with pytest.raises(InputError, match=r"must be spin_free for method .*, but is spin_adiabatic"):
        ready(SpinCrossing(spin_orbit=None), method=method, representation="spin_adiabatic")
    ready(SpinCrossing(), method=method, representation="spin_free")
    ready(SpinCrossing(spin_orbit=None), method=method)


@pytest.mark.parametrize("method", sorted(MIXING))
def test_a_method_with_spins_needs_no_telling(method):
    ready(SpinCrossing(), method=method)


def test_motion_on_one_state_says_that_it_ignores_the_coupling(tmp_path):
    noticed = {}
    for name, model in (("with", SpinCrossing()), ("without", SpinCrossing(spin_orbit=None))):
        config = configuration(method="nve", output=str(tmp_path / f"{name}.h5"))
        noticed[name] = run(config, model=model, progress=False).notices
    sentence = "the spin-orbit coupling of model spin-crossing is ignored: method nve moves on one spin-free"
    assert sentence in noticed["with"][0] and not noticed["without"]
    with pytest.raises(InputError, match="`laser` must be left out for method nve"):
        run(
            configuration(
                method="nve",
                laser={
                    "peak_field_au": 0.01,
                    "photon_energy_ev": 3,
                    "fwhm_fs": 5,
                    "centre_fs": 5,
                    "polarisation": [0, 0, 1],
                },
            ),
            model=SpinCrossing(),
        )


def test_the_file_of_a_run_knows_the_multiplicity_of_each_diabatic_state(tmp_path):
    config = configuration(method="fssh", output=str(tmp_path / "run.h5"))
    run(config, model=SpinCrossing(), progress=False)
    numbers = analyse(config.output)
    shares = np.array([numbers["multiplicity_populations"][kind] for kind in ("1", "3")])
    np.testing.assert_allclose(shares.T, numbers["diabatic_populations"], atol=1e-14)
    np.testing.assert_allclose(shares.sum(0), 1.0, atol=1e-12)
