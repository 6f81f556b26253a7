"""Whether atoms come closer than a model knows, in a molecule and in a cell."""

from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.models.contacts import SHORTEST_FRACTION
from nadyn.models.listed_contacts import ListedContacts
from nadyn.models.model import Model


def closer_than_known(
    model: Model, positions: Float[Tensor, "geometry atom x"], cells: Float[Tensor, "geometry 3 3"] | None
) -> Bool[Tensor, "geometry"]:
    """Tell where atoms are closer than training knows, of a model that was trained; see `ListedContacts`."""
    contacts = model.shortest_distances
    if isinstance(contacts, ListedContacts):
        return contacts.any_closer(positions, SHORTEST_FRACTION, cells=cells)
    return contacts.any_closer(positions, SHORTEST_FRACTION)
