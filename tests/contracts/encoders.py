"""The encoders that every contract is asked of, by name."""

import pytest
from slow_cases import slow_where

# With mixtures of elements instead of a channel for each.
MIXED = ("moments mixed", "equivariant mixed", "soap mixed")
ENCODERS = ("moments", "equivariant", "messages", "soap", "acsf", *MIXED)
# Laws that follow from the kind of the features, and not from how an encoder comes to them.
_SLOW = ("messages", "soap", *MIXED)

every_encoder = pytest.mark.parametrize("encoder", slow_where(lambda name: name in MIXED, ENCODERS))
few_encoders = pytest.mark.parametrize("encoder", slow_where(lambda name: name in _SLOW, ENCODERS))
