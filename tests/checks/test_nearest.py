"""The word that was meant is the one that a slip of the keyboard leads away from."""

import pytest

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.nearest import nearest
from nadyn.dynamics.methods.table import METHODS, find_method
from nadyn.dynamics.run_file import RunConfiguration


@pytest.mark.parametrize(
    ("given", "meant"),
    [("fsh", "fssh"), ("gsh", "gfsh"), ("fsssh", "fssh"), ("mas", "mash"), ("nvee", "nve"), ("nv", "nve")],
)
def test_of_words_equally_near_it_is_the_one_with_the_same_beginning(given, meant):
    assert nearest(given, METHODS, cutoff=0.5) == meant
    content = {"initial": {"position_au": 0, "momentum_au": 0, "n": 1}, "time_fs": 1, "method": given}
    with pytest.raises(InputError, match=rf"Did you mean {meant}\? Known: "):
        find_method(parse_configuration(content, RunConfiguration, where="test"))


def test_nothing_near_is_nothing():
    assert nearest("quantum", ["fssh", "nve"]) is None
    assert nearest("fssh", []) is None


def test_a_slip_leads_back_from_wherever_it_is_made():
    """Every method, with any one letter but the first left out."""
    for name in METHODS:
        for place in range(1, len(name)):
            given = name[:place] + name[place + 1 :]
            # Of nv both nve and nvt may be meant, of nt both nvt and npt.
            if given not in METHODS and given not in ("nv", "nt"):
                assert nearest(given, METHODS, cutoff=0.5) == name, given
