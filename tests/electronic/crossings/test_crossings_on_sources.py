"""Searches on a label source: what it knows is enough, what it does not know is said."""

import numpy as np
import pytest
from seam_models import Teacher

from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.crossings import Wishes, find_crossings, landscape_of_model, landscape_of_source
from nadyn.models.analytic.molecules import jahn_teller


@pytest.fixture
def start():
    random = np.random.default_rng(2)
    return jahn_teller().starting_geometry.numpy() + 0.2 * random.standard_normal((3, 3))


def _teacher(**options):
    return Teacher(landscape_of_model(jahn_teller()), **options)


@pytest.mark.parametrize("gives", [{"forces", "interstate_couplings"}, {"forces"}])
def test_a_source_with_random_signs_gives_the_crossing_of_its_model(start, gives):
    source = _teacher(gives=frozenset(gives))
    found = find_crossings(landscape_of_source(source), [start]).found
    exact = find_crossings(landscape_of_model(jahn_teller()), [start]).found
    assert len(found) == len(exact) == 1
    assert found[0].energy == pytest.approx(exact[0].energy, abs=1e-6)
    assert found[0].cone.pitch == pytest.approx(exact[0].cone.pitch, rel=1e-3)
    assert found[0].cone.asymmetry == pytest.approx(exact[0].cone.asymmetry, abs=2e-3)
    # Without couplings nobody can say what a loop does to a sign.
    assert found[0].loop.sign == (-1 if "interstate_couplings" in gives else None)


def test_no_geometry_is_labelled_twice_and_labels_begin_from_the_nearest(start):
    source = _teacher()
    told = []
    find_crossings(landscape_of_source(source, report=told.append), [start])
    assert len({one.tobytes() for one in source.asked}) == len(source.asked) == len(told)
    assert len(source.near[0]) == 0 and len(source.near[-1]) == 3
    last, nearest = source.asked[-1], source.near[-1][0].positions
    far = [np.linalg.norm(one - last) for one in source.asked[:-1]]
    assert np.linalg.norm(nearest - last) <= min(far) + 1e-12


def test_a_label_that_fails_on_the_way_shortens_the_step_and_the_search_goes_on(start):
    source = _teacher(fails_at=(2, 5))
    result = find_crossings(landscape_of_source(source), [start], wishes=Wishes(methods="projection"))
    assert len(result.found) == 1 and result.given_up == ()
    step = [np.linalg.norm(source.asked[number] - source.asked[0]) for number in (1, 2)]
    assert step[1] < 0.6 * step[0]


def test_a_start_whose_label_fails_is_given_up_with_the_reason(start):
    source = _teacher(fails_at=(1,))
    result = find_crossings(landscape_of_source(source), [start])
    assert result.found == ()
    assert [one.reason for one in result.given_up] == ["the start has no label (it did not converge)"] * 2


def test_a_source_without_forces_is_refused():
    with pytest.raises(InputError, match="must give forces"):
        landscape_of_source(_teacher(gives=frozenset({"dipoles"})))


def test_a_source_that_answers_later_ends_the_search_with_what_to_do(start):
    source = _teacher()
    source.label = lambda positions, near=(): None
    with pytest.raises(RunError, match="Type the same command again"):
        find_crossings(landscape_of_source(source), [start])
