"""Which latent bases are tried for a number of states, and which function each state begins as.

A coupling between two states that differ in symmetry is odd under a reflection or an exchange of like atoms;
which symmetry that is, no label tells. So a few assignments are tried for a short time each.
"""

from dataclasses import dataclass

from nadyn.checks.errors import InputError
from nadyn.models.matrix.basis import REPRESENTATIONS, parse_basis

SCALAR, VECTOR, AXIAL = "0e", "1o", "1e"
_WORDS = {SCALAR: "scalar", VECTOR: "vector", AXIAL: "axial vector", "0o": "pseudoscalar"}


@dataclass(frozen=True)
class Assignment:
    """A latent basis and what the states begin as.

    Attributes:
        basis: For example "1x0e + 1x1o".
        start: Representation that each state starts from, lowest first.
    """

    basis: str
    start: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.basis} ({', '.join(_WORDS[name] for name in self.start)})"


def assignment_from_plain(values: dict[str, object]) -> Assignment:
    """Return the assignment that `dataclasses.asdict` and JSON took apart."""
    return Assignment(values["basis"], tuple(values["start"]))


def assignments(n_states: int) -> tuple[Assignment, ...]:
    """Return what `basis: auto` tries for a number of states: n + 2 assignments for n states.

    1. All states scalars, a vector and an axial vector above them: n x0e + 1x1o + 1x1e.
    2. One state a vector, each but the lowest in turn: (n-1)x0e + 1x1o.
    3. The two highest states two components of one vector, as an E or a Π state is: max(n-2, 1)x0e + 1x1o.
    4. The highest state an axial vector: (n-1)x0e + 1x1e.

    In the first the functions above lend the couplings a freedom that scalars do not have. In the others a
    function more can spoil the start: on ammonia one of two such bases ended with errors six times larger.

    A single state has no one to differ from: it is a scalar.

    Args:
        n_states: 1 or more.
    """
    scalars = (SCALAR,) * n_states
    if n_states == 1:
        return (Assignment("1x0e", scalars),)
    others = f"{n_states - 1}x0e"
    result = [Assignment(f"{n_states}x0e + 1x1o + 1x1e", scalars)]
    for place in range(1, n_states):
        result.append(Assignment(f"{others} + 1x1o", (*scalars[:place], VECTOR, *scalars[place + 1 :])))
    result.append(Assignment(f"{max(n_states - 2, 1)}x0e + 1x1o", (*scalars[:-2], VECTOR, VECTOR)))
    result.append(Assignment(f"{others} + 1x1e", (*scalars[:-1], AXIAL)))
    return tuple(result)


def given_assignment(text: str, start: tuple[str, ...] | None, n_states: int) -> Assignment:
    """Return the assignment of a basis that the training file names.

    Without `start`, the states begin as the functions of the basis in its order, scalars first. Where the
    basis has fewer functions than states, its last vector lends further components.

    Raises:
        InputError: `start` does not name one function a state.
    """
    basis = parse_basis(text)
    if start is not None and len(start) != n_states <= basis.size:
        raise InputError(
            f"`model.start` must name one representation a state, but names {len(start)} for {n_states} "
            f"{'state' if n_states == 1 else 'states'}. Try leaving it out."
        )
    names = [name for name, count in basis.counts for _ in range(count)]
    missing = n_states - len(names)
    if missing > 0 and REPRESENTATIONS[names[-1]] > 1:
        names += [names[-1]] * missing
    return Assignment(str(basis), start or tuple(names[:n_states]))
