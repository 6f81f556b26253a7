"""A model of generalised coordinates from a function, for tests that write their matrix down."""

from types import SimpleNamespace


def model_by_hand(evaluate, masses, n_states):
    """Return a model whose diabatic basis is fixed and as large as the number of states."""
    return SimpleNamespace(
        name="by hand",
        coordinates="generalised",
        laws=frozenset(),
        n_states=n_states,
        n_basis=n_states,
        atomic_numbers=None,
        fixed_diabatic_basis=True,
        block_width=512,
        shortest_distances=None,
        masses=masses,
        evaluate=evaluate,
    )
