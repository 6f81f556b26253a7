"""The exponential and the activation of the kernels, number by number."""

import ctypes

import numpy as np
import pytest
from llvmlite import ir

from nadyn.models.kernels import compiled
from nadyn.models.kernels.exponential import exponential, silu
from nadyn.models.kernels.language import INTEGER, POINTER, Array, Code, Shape

pytestmark = pytest.mark.skipif(compiled.host().refusal is not None, reason="no machine code here")
KINDS = {"float": np.float32, "double": np.float64}


def by_machine_code(real, numbers):
    """exp, the activation and its slope of many numbers."""
    shape = Shape(real, compiled.host().lanes if real == "float" else compiled.host().lanes // 2)
    module = ir.Module("exponential")
    code = Code(module, "all_of", (POINTER, *(POINTER,) * 3, INTEGER), shape)
    given, *targets = (Array(code, argument.ir, shape.vector) for argument in code.arguments[:4])
    with code.loop(code.arguments[4]) as k:
        for target, value in zip(targets, (exponential(code, given[k]), *silu(code, given[k])), strict=True):
            target[k] = value
    code.finish()
    engine = compiled.machine_code(module)
    function = ctypes.CFUNCTYPE(None, *(ctypes.c_void_p,) * 4, ctypes.c_int64)(
        engine.get_function_address("all_of")
    )
    n = -(-len(numbers) // shape.lanes)
    padded = np.zeros(n * shape.lanes, KINDS[real])
    padded[: len(numbers)] = numbers
    found = [np.empty_like(padded) for _ in range(3)]
    function(padded.ctypes.data, *(one.ctypes.data for one in found), n)
    return [one[: len(numbers)] for one in found]


@pytest.mark.parametrize("real", list(KINDS))
def test_it_is_right_to_the_last_digits_over_its_whole_range(real):
    largest = {"float": 87.0, "double": 700.0}[real]
    some = np.random.default_rng(1).uniform(-largest, largest, 20_000)
    edges = [0.0, -0.0, 1e-30, -1e-9, np.log(2) / 2, -np.log(2) / 2, largest, -largest]
    numbers = np.concatenate([some, some / 40, edges]).astype(KINDS[real])
    found, activated, slope = by_machine_code(real, numbers)
    exact = numbers.astype(np.longdouble)
    ulp = np.finfo(KINDS[real]).eps
    assert np.abs(found / np.exp(exact) - 1).max() < ulp
    sigmoid = 1 / (1 + np.exp(-exact))
    other = exact != 0
    assert np.abs(activated[other] / (exact * sigmoid)[other] - 1).max() < 2 * ulp
    assert (activated[~other] == 0).all()
    # 1 - sigmoid loses digits where it is small, and is multiplied by x.
    right = sigmoid * (1 + exact * (1 - sigmoid))
    assert (np.abs(slope - right) / (1 + np.abs(exact))).max() < ulp


@pytest.mark.parametrize("real", list(KINDS))
def test_beyond_its_range_it_stays_finite_and_what_is_no_number_shows(real):
    found, activated, slope = by_machine_code(real, np.array([1e4, -1e4, np.inf, -np.inf, np.nan]))
    assert np.isfinite(found[:4]).all() and found[0] > 1e37 and found[1] < 1e-37
    assert activated[0] == 1e4 and abs(activated[1]) < 1e-30
    assert slope[0] == 1.0 and abs(slope[1]) < 1e-30
    assert np.isnan(found[4]) and np.isnan(activated[4]) and np.isnan(slope[4])
