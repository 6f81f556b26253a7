"""Which levels of theory have dispersion of their own."""

import re

# In the part of the name before the basis: added ones (D2 to D4, VV10, MBD, TS, XDM, vdW-DF, 3c, GFN), and
# correlation that has it by itself. td4-… is the number of states of linear response.
_HAS = re.compile(
    r"(?<!t)d[234](?!\d)|[-+ ]d\b|dftd|gfn|xtb|vv10|9[78][mx]-?r?v|-r?v\b|[-+]nl\b|mbd|[-+@ ]ts\b|xdm|vdw|-3c"
    r"|mp[234]|cc[23]\b|ccsd|caspt|nevpt|mrci|adc\(|qcisd|fci|\brpa\b"
)
_HAS_D3BJ = re.compile(r"(?<!t)d3(?!\d)(?!\(?(?:0|zero|op|cso|m))|gfn-?1|gfn1")


def has_dispersion(theory: str) -> bool:
    """Tell whether the name of a theory, such as pbe-d3(bj)/def2-svp, says that it has dispersion."""
    return _HAS.search(_method(theory)) is not None


def has_d3bj(theory: str) -> bool:
    """Tell whether it says that its dispersion is D3 with the damping of Becke and Johnson."""
    return _HAS_D3BJ.search(_method(theory)) is not None


def _method(theory: str) -> str:
    return theory.lower().split("/")[0]
