"""What a learning loop writes down of each round, as its page, its table and its answers read it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.json_text import parse_json
from nadyn.checks.output import write_new

FORMAT = "nadyn-learning"
VERSION = 1
FILE = "learning.json"


@dataclass(frozen=True)
class AnswerRecord:
    """A question about a round, whether its goal is reached (None: cannot be told yet), and the sentence."""

    question: str
    reached: bool | None
    sentence: str


@dataclass(frozen=True)
class SwarmRecord:
    """Trajectories on one member.

    Attributes:
        member: Which one moved them.
        run: The trajectory file, beside the record.
        n: Number of trajectories.
        endings: Numbers by how they ended, results and stops.
        n_results: How many of them are results.
    """

    member: int
    run: str
    n: int
    endings: dict[str, int]
    n_results: int


@dataclass(frozen=True)
class AskedRecord:
    """Labels of one kind: `random`, `gap`, `stop`, and at the beginning `wigner`, `direct`, `data`.

    Attributes:
        kind: Why they were asked for.
        trusted: How many are trusted, and train.
        doubtful: How many are not believed.
        failed: How many did not converge, or not in time.
        reasons: Numbers of what was wrong with those that are not trusted, by reason.
    """

    kind: str
    trusted: int
    doubtful: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FreshRecord:
    """Errors of the models of a round on labels at random that were made after it.

    Attributes:
        n: Labels.
        energy_ev: Mean absolute error of energies, of all states.
        energy_error_ev: Its standard error.
        force_ev_per_angstrom: Mean absolute error of force components.
        force_error_ev_per_angstrom: Its standard error.
        coupling_relative: |h - h_ref| / |h_ref| over those with a gap below 2 eV; None without couplings.
    """

    n: int
    energy_ev: float
    energy_error_ev: float
    force_ev_per_angstrom: float
    force_error_ev_per_angstrom: float
    coupling_relative: float | None = None


@dataclass(frozen=True)
class RoundRecord:
    """One round; round 0 is what was labelled before the first model.

    Attributes:
        number: 0, 1, 2, …; the last model, at full quality, is a round of its own.
        final: Whether it is that one.
        frames: Labels that its models were trained on.
        labels: Labels that had been made when it began, not trusted ones and steps of direct dynamics
            included.
        swarms: Trajectories, one entry a member that moved some.
        outside_method: Estimated number of stopped trajectories that the level of theory cannot follow.
        asked: What was asked for at its end, by kind.
        fresh: How its models met the labels at random; None where none were made.
        answers: The three questions.
        seconds: Wall time by what it was spent on: labels, training, running.
    """

    number: int
    final: bool
    frames: int
    labels: int
    swarms: tuple[SwarmRecord, ...]
    outside_method: int
    asked: tuple[AskedRecord, ...]
    fresh: FreshRecord | None
    answers: tuple[AnswerRecord, ...]
    seconds: dict[str, float]


@dataclass(frozen=True)
class LearningRecord:
    """A learning loop, under way or ended.

    Attributes:
        title: Molecule and level of theory.
        config: The learn file.
        rounds: What each round has come to.
        verdict: One sentence: converged, or what is not, or that it is under way.
        converged: None while it is under way.
        goals: The goals, by name as in the learn file.
    """

    title: str
    config: dict[str, object]
    rounds: tuple[RoundRecord, ...]
    verdict: str
    converged: bool | None
    goals: dict[str, float]


def write_record(folder: Path, record: LearningRecord) -> Path:
    """Write `learning.json` into a folder, in one atomic step."""
    path = folder / FILE
    content = {"format": FORMAT, "version": VERSION, **asdict(record)}
    write_new(path, json.dumps(content, indent=1))
    return path


def read_record(path: Path) -> LearningRecord:
    """Read `learning.json`, or that of a folder.

    Raises:
        InputError: There is none, or it is something else.
    """
    path = path / FILE if path.is_dir() else path
    check_file(path, f"record of a learning loop {str(path)!r}")
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT or content.pop("version") > VERSION:
            raise ValueError
        rounds = tuple(round_from(one) for one in content.pop("rounds"))
        return LearningRecord(rounds=rounds, **content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{str(path)!r} must be the record of a learning loop ({FILE}), but is something else. "
            "Name the folder of `nadyn learn`."
        ) from None


def round_from(content: dict[str, object]) -> RoundRecord:
    """Return a round from what JSON made of it."""
    fresh = content["fresh"]
    lists = {
        "swarms": tuple(SwarmRecord(**one) for one in content["swarms"]),
        "asked": tuple(AskedRecord(**one) for one in content["asked"]),
        "answers": tuple(AnswerRecord(**one) for one in content["answers"]),
        "fresh": None if fresh is None else FreshRecord(**fresh),
    }
    return RoundRecord(**{**content, **lists})
