"""One sign a state for all quantities between states."""

import torch

from nadyn.electronic.signs import common_signs

PAIRS = ((0, 1), (0, 2), (1, 2))


def test_each_quantity_has_its_say_where_the_others_have_no_labels():
    generator = torch.Generator().manual_seed(4)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    n_frames = 40
    of_states = torch.where(random(n_frames, 3) > 0, 1.0, -1.0)
    expected = torch.stack([of_states[:, k] * of_states[:, l] for k, l in PAIRS], dim=1)
    # Very unlike sizes, and predictions that are a little wrong.
    couplings, dipoles = 1e-3 * random(n_frames, 3, 5, 3), 20.0 * random(n_frames, 3, 3)
    labels = (
        couplings * expected[:, :, None, None] * (1.0 + 0.1 * random(n_frames, 3, 5, 3)),
        dipoles * expected[:, :, None] * (1.0 + 0.1 * random(n_frames, 3, 3)),
    )
    labels[0][:15] = torch.nan
    labels[1][25:] = torch.nan
    found = common_signs([(couplings, labels[0]), (dipoles, labels[1])], PAIRS)
    assert torch.equal(found, expected)


def test_the_size_of_a_quantity_does_not_decide():
    """Dipoles at odds with couplings are outvoted by the number of components, in whatever unit."""
    h = torch.ones(2, 1, 4, 3, dtype=torch.float64)
    dipole = torch.ones(2, 1, 3, dtype=torch.float64)
    for unit in (1e-6, 1.0, 1e6):
        # Couplings of 12 numbers say minus, dipoles of 3 numbers plus.
        found = common_signs([(h, -h), (unit * dipole, unit * dipole)], ((0, 1),))
        assert found.tolist() == [[-1.0], [-1.0]]
