"""Kinetic schemes of a run: which species there are, and what each scheme makes of their populations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.at_risk import with_ends
from nadyn.analysis.fates import MOST_UNKNOWN
from nadyn.analysis.final_products import final_products
from nadyn.analysis.scheme_fits import SchemeFit, fit_scheme, resampled
from nadyn.analysis.schemes import NAMED, Scheme, read_scheme
from nadyn.analysis.species import Moves
from nadyn.analysis.summary import states_that_decay
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run

_POINTS = 60
# A state whose population never comes above this is counted with the one below.
_RARE = 0.02
_RARE_PRODUCT = 0.05
_UNKNOWN, _OTHER = "unknown", "other"


@dataclass(frozen=True)
class Species:
    """What the trajectories of a run are at each time.

    Attributes:
        moves: Which trajectory is what.
        start: Species that most trajectories begin as.
        products: Species that nothing leaves in the named schemes: the lowest state, or its products.
        notes: What was put together, in sentences.
    """

    moves: Moves
    start: int
    products: tuple[int, ...]
    notes: tuple[str, ...]


def species_of_run(run: Run) -> Species | None:
    """Return the states of a run as species, highest first, its lowest state parted by final products.

    States that are hardly populated are counted with the next lower one. None where no lifetime is defined,
    see `nadyn.analysis.summary.states_that_decay`, and where trajectories begin on the lowest state.
    """
    decay = states_that_decay(run)
    if decay is None:
        return None
    every = -(-(run.committed_frames - 1) // _POINTS)
    state, end_fs, end_state = decay
    time = np.asarray(run.time_fs)[::every] - float(run.time_fs[0])
    member, part = with_ends(time, state[::every], end_fs, end_state)
    kept, notes = _kept_states(member, run.weight)
    start = kept[int(np.argmax([run.weight[member[0] == k].sum() for k in kept]))]
    if start == kept[0]:
        return None
    # Below the lowest that was seen there is nobody.
    place = np.array([max([k for k in kept if k <= state], default=-1) for state in range(run.n_states)])
    member = np.where(member >= 0, place[member], -1)
    names = {kept[0]: [str(kept[0])]}
    codes, lowest = _with_products(run, member, kept[0])
    if lowest:
        names[kept[0]] = [f"{kept[0]} ({name})" for name in lowest]
    ladder = kept[:0:-1]
    number = np.full(max(kept) + 1, -1)
    number[ladder] = np.arange(len(ladder))
    found = np.where(member >= 0, number[member], -1)
    found = np.where(member == kept[0], len(ladder) + codes, found)
    moves = Moves(time, found, part, (*map(str, ladder), *names[kept[0]]))
    products = tuple(range(len(ladder), len(moves.names)))
    return Species(moves, ladder.index(start), products, notes)


def _kept_states(
    member: Int[np.ndarray, "frame traj"], weight: Float[np.ndarray, "traj"]
) -> tuple[list[int], tuple[str, ...]]:
    total = np.maximum((member >= 0) @ weight, 1e-300)
    seen = np.unique(member[member >= 0]).tolist()
    largest = {k: float((((member == k) @ weight) / total).max()) for k in seen}
    kept = [k for k in seen if largest[k] >= _RARE or k == seen[0]]
    gone = [str(k) for k in seen if k not in kept]
    if not gone:
        return kept, ()
    noun = "State" if len(gone) == 1 else "States"
    return kept, (f"{noun} {', '.join(gone)}, hardly populated, counted with the next lower one.",)


def _with_products(
    run: Run, member: Int[np.ndarray, "frame traj"], lowest: int
) -> tuple[Int[np.ndarray, "traj"], list[str]]:
    """Return the number of each trajectory's product and their names; of one kind there are no names."""
    names = final_products(run)
    ends_low = (member == lowest).any(axis=0)
    if names is None or not ends_low.any():
        return np.zeros(run.n_trajectories, int), []
    named = np.where(names == "", _UNKNOWN, names)
    share = {name: run.weight[ends_low & (named == name)].sum() / run.weight.sum() for name in set(named)}
    named = np.array([name if share[name] >= _RARE_PRODUCT else _OTHER for name in named.tolist()])
    kinds = sorted(set(named[ends_low].tolist()), key=lambda name: (name in (_OTHER, _UNKNOWN), name))
    if len(kinds) < 2:
        return np.zeros(run.n_trajectories, int), []
    return np.array([kinds.index(name) if name in kinds else 0 for name in named.tolist()]), kinds


def _stopped_before_products(species: Species) -> Bool[np.ndarray, "traj"]:
    """Tell which trajectories were stopped while they were none of the products."""
    moves = species.moves
    is_known = moves.member >= 0
    last = moves.member[np.maximum(is_known.sum(axis=0) - 1, 0), np.arange(moves.member.shape[1])]
    return (~is_known[-1] | (moves.part < 1)) & ~np.isin(last, species.products)


def run_schemes(run: Run, texts: Sequence[str] = ()) -> tuple[list[SchemeFit], tuple[str, ...]]:
    """Return schemes fitted to the populations of a run, and notes on its species.

    None where more than half of the trajectories were stopped before they came to a product.

    Args:
        run: The run.
        texts: Names or steps, see `nadyn.analysis.schemes.read_scheme`; all named ones if there are none.

    Raises:
        InputError: A scheme cannot be read, or schemes were asked for and the run has no populations that
            decay, or more than half of it was stopped before it had decayed.
    """
    species = species_of_run(run)
    if species is None:
        if not texts:
            return [], ()
        raise InputError(
            "`--scheme` must come with a run whose trajectories begin on an excited state and change it, "
            f"but {run.path.name!r} is none."
        )
    where = {"start": species.start, "products": species.products}
    lost = _stopped_before_products(species)
    if run.weight[lost].sum() > MOST_UNKNOWN * run.weight.sum():
        if not texts:
            return [], ()
        raise InputError(
            "`--scheme` must come with a run of which at least half was followed to a product or to its end, "
            f"but of {run.path.name!r} {int(lost.sum())} of {run.n_trajectories} trajectories were stopped "
            "before. `nadyn analyse` says why."
        )
    schemes: list[Scheme] = []
    for text in texts or NAMED:
        one = read_scheme(text, species.moves.names, **where)
        # With two species several names mean one thing.
        if all(set(one.arrows) != set(other.arrows) for other in schemes):
            schemes.append(one)
    data = resampled(species.moves, np.asarray(run.weight), seed=int(run.attributes["seed"]))
    return [fit_scheme(scheme, data) for scheme in schemes], species.notes


def simplest(fits: Sequence[SchemeFit]) -> SchemeFit | None:
    """Return the scheme of fewest steps that is not refused; None where all are."""
    return min(
        (fit for fit in fits if not fit.reason),
        key=lambda fit: (len(fit.steps) + (fit.delay_fs > 0), fit.misfit),
        default=None,
    )


def scheme_numbers(fit: SchemeFit) -> dict[str, object]:
    """Return a fit for a JSON file."""
    return {
        "scheme": fit.scheme.name,
        "steps": [asdict(step) for step in fit.steps],
        "delay_fs": fit.delay_fs,
        "refused": fit.reason or None,
        "misfit": fit.misfit,
        "misfit_at": {"time_fs": fit.misfit_at[0], "species": fit.misfit_at[1]},
        "chance": fit.chance,
        "notes": list(fit.notes),
        "species": list(fit.scheme.species),
        "time_fs": fit.time_fs,
        "populations": fit.populations,
        "curves": fit.curves,
    }


def scheme_rows(fit: SchemeFit) -> list[tuple[str, str]]:
    """Return a fit as lines of a table: its name and verdict, then each step with its time constant."""
    verdict = f"refused: {fit.reason}" if fit.reason else f"fits, misfit {fit.misfit:.3f}"
    if fit.delay_fs:
        verdict += f"; begins after {fit.delay_fs:.3g} fs"
    rows = [(fit.scheme.name, verdict)]
    if fit.reason:
        return rows
    for step in fit.steps:
        if step.is_determined:
            words = f"{step.value:.3g} fs, 95 %: {step.low:.3g} to {step.high:.3g} fs"
        else:
            words = f"not determined; {step.low:.3g} fs or longer" if step.low else "not determined"
        rows.append((f"  {step.name}", words))
    return rows
