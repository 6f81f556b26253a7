"""Model and source by turns: the model says where it crosses, the source labels that, the model learns it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.data import Group
from nadyn.electronic.crossings import (
    Crossing,
    Goals,
    Landscape,
    Point,
    Wishes,
    find_crossings,
    landscape_of_model,
    landscape_of_source,
    pair_of,
)
from nadyn.electronic.labels import Quality
from nadyn.learning.asked_of_source import Labels, Notebook
from nadyn.learning.crossing_candidates import is_crushed
from nadyn.learning.crossing_turns import OfModel, OfSource, Terms, Turn, turn_from
from nadyn.learning.folder import read_json, write_json
from nadyn.models.model import Model
from nadyn.structures.matching import match
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

TAG = "crossing"
# Random displacement [bohr] of each coordinate of further beginnings, and of geometries around a crossing.
_BEGINNING, _AROUND = 0.15, 0.06
# The source is followed to its own crossing where its gap is below this, and never for more labels.
_NARROW = 0.7 * HARTREE_PER_EV
_FOLLOWED = 60
# A crossing of the source that is so near answers for the model's: no other one is looked for.
_HOME_BOHR = 0.15 * BOHR_PER_ANGSTROM
_SAME_BOHR, _SAME_EV = 0.05 * BOHR_PER_ANGSTROM, 0.01
# Where a search on the source ends: far below what is asked of a model.
_GOALS = Goals(gap=1e-4, gradient=5e-4)


@dataclass(frozen=True, eq=False)
class InTurn:
    """What model and source are to agree about.

    Attributes:
        model: To begin with.
        learn: Returns the model of a round after the first, from its number and all labels near crossings,
            and the number of frames that it was trained on. It is called again where a call was interrupted.
        desk: Labels.
        name: Of the molecule, as the data have it.
        starts: Where searches on the model begin [bohr].
        pair: The two states.
        n: Beginnings of a search on the model, at least; those that are missing are displaced ones.
        terms: When they agree, and what it may cost.
        folder: Where everything lies.
    """

    model: Model
    learn: Callable[[int, Group], tuple[Model, int]]
    desk: Labels
    name: str
    starts: Sequence[Float[np.ndarray, "atom 3"]]
    pair: tuple[int, int]
    n: int
    terms: Terms
    folder: Path


def crossings_in_turn(
    work: InTurn,
    *,
    stage: Callable[[str], None] = lambda text: None,
    done: Callable[[Turn], None] = lambda turn: None,
) -> list[Turn]:
    """Search crossings of a model, label them and geometries around, follow the source from there to its own,
    and train on, until both have the same.

    Each round leaves `round_01/turn.json` in the folder; what is there is not done again, and no geometry is
    labelled twice.

    Args:
        work: What to do.
        stage: Called with what is begun, in words.
        done: Called with each round.

    Raises:
        RunError: A source that answers later has not answered yet.
    """
    terms, notebook = work.terms, Notebook(work.desk, work.terms.labels, tag=TAG)
    source = landscape_of_source(work.desk.source, label_many=notebook.label)
    turns: list[Turn] = []
    model, frames = work.model, None
    while True:
        folder = round_of(work.folder, len(turns) + 1)
        stored = read_json(folder / "turn.json")
        if stored is not None:
            turn = turn_from(stored)
            notebook.remember(turn.asked)
        else:
            turn = _one_turn(work, model, frames, source, notebook, turns, stage)
            write_json(folder / "turn.json", asdict(turn))
        turns.append(turn)
        done(turn)
        is_over = turn.was_spent and not notebook.left
        if turn.agrees or is_over or len(turns) >= terms.rounds or not notebook.n_trusted:
            return turns
        if not (round_of(work.folder, len(turns) + 1) / "turn.json").exists():
            stage(f"training with {notebook.n_trusted} labels near crossings")
            model, frames = work.learn(len(turns) + 1, notebook.group(work.name))


def round_of(folder: Path, number: int) -> Path:
    """Return the folder of a round."""
    return folder / f"round_{number:02d}"


def _one_turn(
    work: InTurn,
    model: Model,
    frames: int | None,
    source: Landscape,
    notebook: Notebook,
    before: Sequence[Turn],
    stage: Callable[[str], None],
) -> Turn:
    number, n_before, was_spent = len(before) + 1, len(notebook), not notebook.left
    known = list(before[-1].of_source) if before else []
    stage(f"round {number}: searching the model")
    crossings = _of_model(work, model, before)
    rng = np.random.default_rng([work.terms.seed, number])
    stage(f"round {number}: labelling {len(crossings)} crossings, {work.terms.around} geometries around each")
    looks = []
    for one in crossings:
        at = one.point.positions
        moved = [at + _AROUND * rng.standard_normal(at.shape) for _ in range(work.terms.around)]
        looks.append(source.ask([at, *moved])[0])
    for one, look in zip(crossings, looks, strict=True):
        if not _is_home(work, one, known) and _is_narrow(work, source, look) and notebook.left:
            stage(f"round {number}: following the source to its own crossing")
            found = _follow(work, source, one, notebook)
            if found is not None and not any(_is_same(work, found, other) for other in known):
                known.append(found)
    return Turn(
        number=number,
        frames=frames,
        labels=len(notebook),
        trusted=notebook.n_trusted,
        was_spent=was_spent,
        crossings=tuple(
            _compared(work, source, one, look, known) for one, look in zip(crossings, looks, strict=True)
        ),
        of_source=tuple(known),
        asked=[one.positions.tolist() for one in notebook.since(n_before)],
    )


def _of_model(work: InTurn, model: Model, before: Sequence[Turn]) -> list[Crossing]:
    """Return the lowest crossings of the model; those where it does not trust itself come last."""
    number = len(before) + 1
    rng = np.random.default_rng([work.terms.seed, number, 1])
    starts = [np.array(one, dtype=np.float64) for one in work.starts]
    for k in range(work.n - len(starts)):
        one = starts[k % len(work.starts)]
        starts.append(one + _BEGINNING * rng.standard_normal(one.shape))
    if before:
        # The search begins where crossings are known to be, too.
        starts += [np.array(one.positions) for one in (*before[-1].of_source, *before[-1].crossings)]
    wishes = Wishes(methods="projection", has_loop=False, seed=work.terms.seed + 1009 * number)
    found = find_crossings(landscape_of_model(model), starts, work.pair, wishes).found
    sound = [one for one in found if not is_crushed(model, one)]
    return sorted(sound, key=lambda one: (bool(one.point.doubt), one.energy))[: work.terms.lowest]


def _follow(work: InTurn, source: Landscape, one: Crossing, notebook: Notebook) -> OfSource | None:
    """Return the crossing of the source that gradient projection reaches from one of the model."""
    before = len(notebook)
    wishes = Wishes(
        methods="projection",
        # It counts the start too, which has its label.
        goals=Goals(_GOALS.gap, _GOALS.gradient, 1 + min(_FOLLOWED, notebook.left)),
        is_minimum_checked=False,
        has_loop=False,
        kick_bohr=0.0,
    )
    found = find_crossings(source, [one.point.positions], work.pair, wishes).found
    if not found:
        return None
    return OfSource(
        found[0].point.positions.tolist(),
        found[0].energy,
        found[0].gap * ELECTRONVOLT_PER_HARTREE,
        len(notebook) - before,
    )


def _compared(
    work: InTurn, source: Landscape, one: Crossing, look: Point, known: Sequence[OfSource]
) -> OfModel:
    pair, terms = pair_of(source, *work.pair), work.terms
    label = "failed" if look.known is None else look.known.label.quality.name.lower()
    has_label = bool(np.isfinite(look.energies).all())
    nearest = _nearest(work, one.point.positions, known)
    apart = far = None
    if nearest is not None:
        apart = (one.energy - known[nearest].energy) * ELECTRONVOLT_PER_HARTREE
        far = _distance(work, one.point.positions, known[nearest]) * ANGSTROM_PER_BOHR
    return OfModel(
        positions=one.point.positions.tolist(),
        energy=one.energy,
        doubt=one.point.doubt,
        label=f"{label}: {look.doubt}" if look.doubt else label,
        wrong_ev=(one.energy - pair.mean(look)) * ELECTRONVOLT_PER_HARTREE if has_label else None,
        gap_ev=pair.gap(look) * ELECTRONVOLT_PER_HARTREE if has_label else None,
        nearest=nearest,
        apart_ev=apart,
        rmsd_angstrom=far,
        agrees=nearest is not None and abs(apart) <= terms.energy_ev and far <= terms.rmsd_angstrom,
    )


def _is_narrow(work: InTurn, source: Landscape, look: Point) -> bool:
    gap = pair_of(source, *work.pair).gap(look)
    is_failed = look.known is not None and look.known.label.quality is Quality.FAILED
    return bool(np.isfinite(gap)) and abs(gap) < _NARROW and not is_failed


def _is_home(work: InTurn, one: Crossing, known: Sequence[OfSource]) -> bool:
    return any(_distance(work, one.point.positions, other) <= _HOME_BOHR for other in known)


def _is_same(work: InTurn, one: OfSource, other: OfSource) -> bool:
    apart = abs(one.energy - other.energy) * ELECTRONVOLT_PER_HARTREE
    return apart <= _SAME_EV and _distance(work, np.array(one.positions), other) <= _SAME_BOHR


def _nearest(work: InTurn, positions: np.ndarray, known: Sequence[OfSource]) -> int | None:
    far = [_distance(work, positions, one) for one in known]
    return int(np.argmin(far)) if far else None


def _distance(work: InTurn, positions: np.ndarray, other: OfSource) -> float:
    numbers = tuple(work.desk.source.atomic_numbers)
    return match(positions, np.array(other.positions), numbers, like_atoms_alike=True).rmsd
