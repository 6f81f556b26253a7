"""While the tests run, annotations are compared with what is passed: at first always, then now and then."""

from dataclasses import dataclass

import jaxtyping
import pytest
import shape_checks
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from nadyn.electronic.eigen import eigh

RIGHT, WRONG = torch.zeros(5, 3), torch.zeros(5, 2)


@shape_checks.sparing
def passed_on(points: Float[Tensor, "point 3"], *, instead: Tensor | None = None) -> Float[Tensor, "point 3"]:
    return points if instead is None else instead


@shape_checks.sparing
@dataclass(frozen=True)
class Points:
    points: Float[Tensor, "point 3"]


def refused(call) -> bool:
    try:
        call()
    except TypeCheckError:
        return True
    return False


def test_functions_of_nadyn_are_checked():
    with pytest.raises(TypeCheckError):
        eigh(torch.zeros(4, 2, 3))


def test_arguments_what_is_returned_and_what_makes_a_dataclass_are_checked():
    assert not refused(lambda: passed_on(RIGHT)) and not refused(lambda: Points(RIGHT))
    assert refused(lambda: passed_on(WRONG)) and refused(lambda: Points(WRONG))
    assert refused(lambda: passed_on(RIGHT, instead=WRONG))
    # The same axis has another length.
    assert refused(lambda: passed_on(RIGHT, instead=torch.zeros(4, 3)))


def test_what_a_loop_does_wrong_late_is_found_and_most_of_its_rounds_are_free():
    for _ in range(40):
        passed_on(RIGHT)
    found = [refused(lambda: passed_on(WRONG)) for _ in range(170)]
    assert sum(found) == 10


def test_each_test_begins_anew():
    for _ in range(40):
        passed_on(RIGHT)
    shape_checks.begin_test()
    assert [refused(lambda: passed_on(WRONG)) for _ in range(12)] == [True] * 10 + [False] * 2


def test_nothing_is_checked_where_a_test_wants_that(unchecked_annotations):
    assert jaxtyping.config.jaxtyping_disable and passed_on(WRONG) is WRONG
