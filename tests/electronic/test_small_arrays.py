"""Complex numbers of parts in any layout."""

import torch

from nadyn.electronic.small_arrays import as_complex


def test_parts_with_an_odd_stride_along_an_axis_of_one_are_complex_numbers():
    parts = torch.arange(6.0).reshape(3, 2, 1).movedim(-1, 0)
    assert parts.stride()[0] % 2
    assert as_complex(parts).tolist() == [[0 + 1j, 2 + 3j, 4 + 5j]]
