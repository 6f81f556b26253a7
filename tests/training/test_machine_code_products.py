"""Products by machine code, beside those of torch."""

import pytest
import torch

from nadyn.models.kernels.compiled import host
from nadyn.training.products import product as products
from nadyn.training.products.product import add_product, is_served, product

pytestmark = pytest.mark.skipif(host().refusal is not None, reason="no machine code for this processor")

SHAPES = [
    (1, 1, 1),
    (5, 7, 3),
    (8, 16, 32),
    (9, 17, 33),
    (40, 64, 65),
    (23, 3, 100),
    (64, 131, 31),
    (17, 4, 1),
]


def _matrix(rows, columns, layout, precision, seed):
    """Rows that lie side by side, columns that do, or a part of a larger matrix."""
    values = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=precision)
    if layout == "columns":
        return values.mT.contiguous().mT
    if layout == "part":
        around = torch.full((rows + 2, columns + 5), torch.nan, dtype=precision)
        around[1:-1, 2:-3] = values
        return around[1:-1, 2:-3]
    if layout == "scattered":
        return torch.stack([values, values], dim=2)[:, :, 0]
    return values


@pytest.fixture
def always(monkeypatch):
    """Small ones too."""
    monkeypatch.setattr(products, "_FEW", 0)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_torch(always, shape, precision):
    n_rows, depth, n_columns = shape
    tolerance = {"rtol": 0, "atol": 4e-6 * depth**0.5 if precision == torch.float32 else 1e-13 * depth**0.5}
    bias = torch.randn(n_columns, generator=torch.Generator().manual_seed(9), dtype=precision)
    for of_left in ("rows", "columns", "part", "scattered"):
        for of_right in ("rows", "columns", "part", "scattered"):
            left = _matrix(n_rows, depth, of_left, precision, 1)
            right = _matrix(depth, n_columns, of_right, precision, 2)
            expected = (left.double() @ right.double()).to(precision)
            found = product(left, right)
            torch.testing.assert_close(found, expected, **tolerance)
            torch.testing.assert_close(product(left, right, bias=bias), expected + bias, **tolerance)
            total = torch.ones(n_rows, n_columns, dtype=precision)
            add_product(total, left, right)
            torch.testing.assert_close(total, expected + 1.0, **tolerance)


def test_a_row_does_not_depend_on_what_else_is_multiplied(always):
    left, right = _matrix(21, 50, "rows", torch.float32, 3), _matrix(50, 70, "columns", torch.float32, 4)
    whole = product(left, right)
    for rows in (slice(0, 1), slice(4, 9), slice(20, 21)):
        assert torch.equal(product(left[rows], right), whole[rows])
    for columns in (slice(0, 33), slice(10, 69)):
        assert torch.equal(product(left, right[:, columns]), whole[:, columns])


def test_nothing_times_something_is_zero(always):
    assert torch.equal(product(torch.ones(3, 0), torch.ones(0, 40)), torch.zeros(3, 40))
    assert product(torch.ones(0, 3), torch.ones(3, 40)).shape == (0, 40)


def test_more_threads_are_those_of_torch():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert is_served(torch.zeros(2, 2))
        assert not is_served(torch.zeros(2, 2, dtype=torch.bfloat16))
        torch.set_num_threads(2)
        assert not is_served(torch.zeros(2, 2))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_bias_may_be_a_part_of_something(always, precision):
    left, right = _matrix(5, 9, "rows", precision, 5), _matrix(9, 12, "rows", precision, 6)
    around = torch.randn(12, 3, generator=torch.Generator().manual_seed(7), dtype=precision)
    for bias in (around[:, 1], around[:1, 0].expand(12)):
        torch.testing.assert_close(product(left, right, bias=bias), left @ right + bias)
