"""Which geometries a model was trained for: the rule that stops a trajectory, for any geometries."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.run.stopping import Status
from nadyn.electronic.surfaces import in_blocks_of
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.known_contacts import closer_than_known
from nadyn.models.model import Model


def region_statuses(model: Model, positions: Float[Tensor, "geometry atom x"]) -> Int[Tensor, "geometry"]:
    """Return RUNNING, OUTSIDE_TRAINING or CLOSE_ATOMS for each geometry [bohr].

    A trajectory would be stopped at a geometry of the last two by `stopping.statuses`. A model
    that was not trained has no such geometries.
    """
    with torch.no_grad():
        (novelty,) = in_blocks_of(model, lambda rows: (model.evaluate(rows).novelty,), positions)
    return region_statuses_of(model, positions, novelty)


def region_statuses_of(
    model: Model,
    positions: Float[Tensor, "geometry atom x"],
    novelty: Float[Tensor, "geometry"],
    *,
    cells: Float[Tensor, "geometry 3 3"] | None = None,
) -> Int[Tensor, "geometry"]:
    """Return the same where the novelty, see `Evaluation`, is known already; perhaps in other cells."""
    status = torch.full_like(novelty, int(Status.RUNNING), dtype=torch.int64)
    status[novelty > MOST_NOVELTY] = int(Status.OUTSIDE_TRAINING)
    if model.shortest_distances is not None:
        close = closer_than_known(model, positions, cells)
        status[close] = int(Status.CLOSE_ATOMS)
    return status


def unknown_composition(model: Model) -> str | None:
    """Return a sentence where a learned model is bound to atoms that its training does not determine."""
    return getattr(model, "unknown_composition", None)
