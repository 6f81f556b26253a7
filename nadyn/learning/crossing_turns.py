"""What came of each turn of model and source at their lowest crossings, as files and tables have it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from nadyn.checks.counts import counted


@dataclass(frozen=True)
class Terms:
    """When model and source have the same crossings, and what that may cost.

    Attributes:
        labels: Most geometries that the source is asked for.
        rounds: Most rounds, each with a model of its own.
        lowest: How many crossings of the model must be those of the source, the lowest first.
        around: Geometries labelled around each of them.
        energy_ev: Largest difference of energies of a crossing that both have.
        rmsd_angstrom: Largest RMSD of such a crossing.
        seed: Of displacements, and of trainings.
    """

    labels: int = 100
    rounds: int = 8
    lowest: int = 1
    around: int = 4
    energy_ev: float = 0.05
    rmsd_angstrom: float = 0.05
    seed: int = 1

    @property
    def binding(self) -> dict[str, object]:
        """What may not change when the folder is gone on with; a budget may."""
        return {name: value for name, value in asdict(self).items() if name not in ("labels", "rounds")}


@dataclass(frozen=True)
class OfSource:
    """A crossing of the source.

    Attributes:
        positions: [bohr].
        energy: Mean energy of the two states [hartree].
        gap_ev: Energy between them.
        n_labels: What the search cost.
    """

    positions: list[list[float]]
    energy: float
    gap_ev: float
    n_labels: int


@dataclass(frozen=True)
class OfModel:
    """A crossing of the model, and what the source says of it.

    Attributes:
        positions: [bohr].
        energy: Mean energy of the two states [hartree].
        doubt: Why the model is not to be trusted there; empty where it is.
        label: Quality of the label there, and the reason where it is not trusted.
        wrong_ev: Mean energy of the model less that of the label there; None without a label.
        gap_ev: Gap of the label there.
        nearest: Number of the nearest crossing of the source; None where it has none yet.
        apart_ev: Energy of this crossing less that of the nearest one.
        rmsd_angstrom: How far that one is after alignment; mirror images and exchanges of like atoms are one.
        agrees: Whether both are one.
    """

    positions: list[list[float]]
    energy: float
    doubt: str
    label: str
    wrong_ev: float | None
    gap_ev: float | None
    nearest: int | None
    apart_ev: float | None
    rmsd_angstrom: float | None
    agrees: bool


@dataclass(frozen=True)
class Turn:
    """One round.

    Attributes:
        number: From 1.
        frames: What its model was trained on; None for the model that was given.
        labels: Geometries that the source was asked for, up to the end of the round.
        trusted: How many of these labels may train.
        was_spent: Whether nothing was left of the budget when the round began.
        crossings: Of its model, the lowest first.
        of_source: All crossings of the source that are known.
        asked: Geometries that the source was asked for in this round [bohr].
    """

    number: int
    frames: int | None
    labels: int
    trusted: int
    was_spent: bool
    crossings: tuple[OfModel, ...]
    of_source: tuple[OfSource, ...]
    asked: list[list[list[float]]] = field(repr=False, default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether all crossings of the model that count are those of the source."""
        return bool(self.crossings) and all(one.agrees for one in self.crossings)


def turn_from(content: Mapping[str, object]) -> Turn:
    """Return what `dataclasses.asdict` and JSON took apart."""
    own = {
        "crossings": tuple(OfModel(**one) for one in content["crossings"]),
        "of_source": tuple(OfSource(**one) for one in content["of_source"]),
    }
    return Turn(**{**content, **own})


def verdict(turns: list[Turn], terms: Terms) -> str:
    """Return in a sentence whether model and source have the same lowest crossings, and what it took."""
    last = turns[-1]
    cost = f"after {counted(last.labels, 'label')} and {counted(len(turns), 'round')}"
    if last.agrees:
        energy = max(abs(one.apart_ev) for one in last.crossings)
        far = max(one.rmsd_angstrom for one in last.crossings)
        what = "crossing" if len(last.crossings) == 1 else f"{len(last.crossings)} crossings"
        return (
            f"Model and source have the same lowest {what}, within {energy:.3f} eV and {far:.3f} Å (RMSD), "
            f"{cost}."
        )
    return (
        f"Model and source do not have the same lowest crossing within {terms.energy_ev:g} eV and "
        f"{terms.rmsd_angstrom:g} Å {cost}. Go on with --resume and more --labels or --rounds."
    )
