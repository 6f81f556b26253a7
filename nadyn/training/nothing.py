"""How well a model does beside one that has learned nothing."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.training.quantities import QUANTITIES, absolute_errors
from nadyn.training.samples import Samples
from nadyn.training.validation import Errors, mean_of_columns

_WORDS = {quantity.name: quantity.plural for quantity in QUANTITIES}


def errors_of_nothing(training: tuple[Samples, ...], judged: tuple[Samples, ...]) -> Errors:
    """Return the errors of mean energies, and of zero forces and couplings.

    The mean is that of each state over the training frames of the molecule. Where a molecule has none, it is
    the least-squares fit of a number an element and one a state to those of all others.
    """
    elements = sorted({number for group in training for number in group.numbers})

    def counts(group: Samples) -> Float[Tensor, "frame column"]:
        row = [float(group.numbers.count(element)) for element in elements] + [1.0]
        return torch.tensor(row, dtype=torch.float64).expand(len(group), -1)

    rows, labels = torch.cat([counts(group) for group in training]), torch.cat([g.energies for g in training])
    known = ~torch.isnan(labels).any(dim=1)
    solution = torch.linalg.lstsq(rows[known], labels[known], driver="gelsd").solution
    means = {group.name: group.energies.nanmean(dim=0) for group in training}
    energy = _mean(
        [
            group.energies - (means[group.name] if group.name in means else counts(group) @ solution)
            for group in judged
        ]
    )
    errors = {"energy": energy}
    for quantity in QUANTITIES:
        labels = [found for group in judged if (found := quantity.labels(group)) is not None]
        if quantity.name != "energy" and labels:
            errors[quantity.name] = _mean(labels)
    return Errors.of(errors)


def no_better_than_nothing(errors: Errors, nothing: Errors) -> list[str]:
    """Return which quantities a model predicts no better than nothing does.

    Where they are better in the mean over the states, single states that are not are named.
    """
    found = []
    for quantity in QUANTITIES:
        name = quantity.name
        both = errors.mae.get(name, []), nothing.mae.get(name, [])
        if not all(both):
            continue
        own, zero = (float(torch.tensor(values, dtype=torch.float64).nanmean()) for values in both)
        # An error that is no number is no better either; without any label there is nothing to say.
        if zero > 0 and not own < zero:
            found.append(name)
        elif quantity.columns == "state":
            columns = enumerate(zip(*both, strict=False))
            found += [f"{name} of state {k}" for k, (own, zero) in columns if zero > 0 and own >= zero]
    return found


def about_nothing(names: list[str], title: str) -> str:
    """Return the sentence about what a model predicts no better than nothing does."""
    listed = " and ".join(_WORDS[name.split(" ")[0]] + name[len(name.split(" ")[0]) :] for name in names)
    return (
        f"on the {title} the model predicts {listed} no better than nothing would, which is the mean energy "
        "of the molecule and zero for all else: train longer, or on more frames"
    )


def _mean(parts: list[Tensor]) -> list[float]:
    """Return the mean absolute value of each column over all frames and components that have a label."""
    return mean_of_columns([absolute_errors(torch.zeros_like(part), part) for part in parts])
