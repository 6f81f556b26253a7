"""Shapes from outside are compared with what is expected."""

import re

import pytest

from nadyn.checks.errors import InputError
from nadyn.checks.shapes import check_shape


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((7, 4, 5, 3), (7, 4, 5, 3)),
        ((7, 4, 5, 3), ("n_frames", 4, "n_atoms", 3)),
        ((), ()),
        ((0, 3), ("n", 3)),
    ],
)
def test_a_shape_that_fits_is_accepted(shape, expected):
    assert check_shape("forces", shape, expected) is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((7, 5, 3), ("n_frames", "n_states", "n_atoms", 3)),
        ((7, 4, 5, 2), ("n_frames", "n_states", "n_atoms", 3)),
        ((6, 4), (7, "n_states")),
        ((), ("n",)),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_in_one_sentence(shape, expected):
    wanted = ", ".join(map(str, expected))
    sentence = f"`forces` must have shape ({wanted}), but has shape {shape}. Add an axis."
    with pytest.raises(InputError, match=re.escape(sentence)):
        check_shape("forces", shape, expected, "Add an axis.")


def test_without_a_hint_the_sentence_ends_with_the_shape():
    with pytest.raises(InputError, match=r"has shape \(2,\)\.$"):
        check_shape("energies", (2,), (3,))
