"""Which molecules the training molecules determine."""

import pytest

from nadyn.models.molecules import undetermined


def molecule(**counts):
    numbers = {"H": 1, "C": 6, "O": 8, "F": 9}
    return tuple(sorted(numbers[name] for name, n in counts.items() for _ in range(n)))


def trained(*molecules):
    return molecules


BUTENE = trained(molecule(C=4, H=2, F=6))


@pytest.mark.parametrize("asked", [molecule(C=1, F=4), molecule(C=2, H=4), molecule(C=2, H=2)])
def test_one_molecule_determines_no_other(asked):
    sentence = undetermined(BUTENE, asked)
    assert "C4H2F6" in sentence and sentence.count(". ") == 0 and sentence.endswith(".")


def test_a_molecule_determines_itself_in_any_order_and_its_clusters():
    water = trained(molecule(H=2, O=1))
    assert undetermined(water, (8, 1, 1)) is None
    assert undetermined(water, molecule(H=128, O=64)) is None
    assert undetermined(water, molecule(H=3, O=1)) is not None


def test_two_alkanes_determine_all_others_but_no_ring():
    alkanes = trained(molecule(C=2, H=6), molecule(C=4, H=10))
    assert undetermined(alkanes, molecule(C=10, H=22)) is None
    assert undetermined(alkanes, molecule(C=6, H=12)) is None
    assert undetermined(trained(molecule(C=2, H=4), molecule(C=4, H=8)), molecule(C=4, H=10)) is not None
    assert undetermined(alkanes, molecule(C=2, H=6, O=1)) is not None


def test_a_model_that_does_not_say_what_it_was_trained_on_gives_no_sentence():
    assert undetermined((), molecule(C=1, F=4)) is None
