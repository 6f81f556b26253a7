"""All that a training differentiates, in one number."""

import torch

OUTPUTS = ("energies", "gradients", "stress", "surplus_gap", "dipoles", "polarisabilities")


def weighted_sum(predictions, gaps):
    """Return a sum over everything that was predicted, each number with a weight of its own."""
    generator = torch.Generator().manual_seed(2)
    total = 0.0
    for one in predictions:
        for values in (getattr(one, name) for name in OUTPUTS):
            if values is not None and bool(torch.isfinite(values).all()):
                total = total + (values * torch.randn(values.shape, generator=generator).double()).sum()
    if len(gaps) and bool(torch.isfinite(gaps).all()):
        total = total + (gaps * torch.linspace(1.0, -0.5, len(gaps)).double()).sum()
    return total
