"""Numbers with their nouns."""

import pytest

from nadyn.checks.counts import counted, with_article


@pytest.mark.parametrize(
    ("n", "noun", "words"),
    [
        (0, "step", "0 steps"),
        (1, "step", "1 step"),
        (2, "trajectory", "2 trajectories"),
        (1, "trajectory", "1 trajectory"),
        (3, "degree of freedom", "3 degrees of freedom"),
        (1, "pair of states", "1 pair of states"),
    ],
)
def test_one_is_singular_and_every_other_number_plural(n, noun, words):
    assert counted(n, noun) == words


def test_an_article_follows_the_sound_of_its_noun():
    assert with_article("extended xyz file") == "an extended xyz file"
    assert with_article("ASE database") == "an ASE database"
    assert with_article("dataset of nadyn") == "a dataset of nadyn"
