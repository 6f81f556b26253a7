"""The learn file: every key of `nadyn learn`, with its default."""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.table import find_method
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.training.configuration import TrainingConfiguration
from nadyn.units import AU_PER_FEMTOSECOND

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(gt=0, le=10**7)]
CountOrNone = Annotated[int, Field(ge=0, le=10**7)]
Positive = Annotated[float, Field(gt=0.0, le=1e9, allow_inf_nan=False)]


class FirstSection(Configuration):
    """What is labelled before there is a model.

    `wigner` geometries of the sample of starts, and `direct` trajectories on the source itself, each of
    `direct_fs`, of which every `direct_every`-th step is labelled in full. Trajectories go where a sample of
    the ground state does not: to small gaps.
    """

    wigner: CountOrNone = 60
    direct: CountOrNone = 4
    direct_fs: Positive = 60.0
    direct_every: Count = 3


class RoundSection(Configuration):
    """One round: how many trajectories look for gaps in the data, and how many labels are asked for.

    The last models are looked at with `final_trajectories` on each member.

    Trajectories of a round go on to `lenience` times the limits of `stop`: what comes after an objection is
    near to what comes there. They are results all the same only without an objection.

    `at_random` of the labels are drawn from where the committee objects to nothing. They judge the models
    before they train them. `in_doubt` are drawn at random from where trajectories went on after an objection,
    `at_crossings` are at the lowest crossings of the models, `at_gaps` are sought at small gaps, the rest are
    places where trajectories were stopped.
    """

    trajectories: Count = 100
    final_trajectories: Count = 400
    lenience: Annotated[float, Field(ge=1.0, le=100.0)] = 3.0
    labels: Count = 250
    at_random: Share = 0.15
    in_doubt: Share = 0.3
    at_crossings: Share = 0.05
    at_gaps: Share = 0.25

    @model_validator(mode="after")
    def _one_whole(self) -> "RoundSection":
        total = self.at_random + self.in_doubt + self.at_crossings + self.at_gaps
        if total > 1.0 + 1e-9:
            raise ValueError(
                "`at_random`, `in_doubt`, `at_crossings` and `at_gaps` must not add up to more than 1, but "
                f"make {total:g}. Lower one of them."
            )
        return self


class GoalsSection(Configuration):
    """When it is enough.

    Attributes:
        ended: Least share of trajectories that end as results; those outside of the method not counted.
        populations: Largest difference of a population between two members, or between two rounds, at any
            time; what the number of trajectories alone makes probable is allowed in addition.
        energy_ev: Largest mean absolute error of energies of fresh labels at random.
        force_ev_per_angstrom: The same of forces.
    """

    ended: Share = 0.95
    populations: Share = 0.05
    energy_ev: Positive = 0.08
    force_ev_per_angstrom: Positive = 0.25


class BudgetSection(Configuration):
    """When it has cost enough, converged or not; `final_minutes` of the time are kept for the last model."""

    labels: Count = 2500
    minutes: Positive = 180.0
    final_minutes: Positive = 45.0
    rounds: Count = 30


class SampleSection(Configuration):
    """Where trajectories start: a Wigner sample about the minimum of the source's lowest state."""

    n: Count = 480
    temperature_kelvin: Annotated[float, Field(ge=0.0, le=1e5)] = 0.0


# Rounds are many, so that they train for a quarter of the steps of the last models. Measured on 594 labels of
# ethylene, by errors of energies and forces on 94 others: a rate of 5e-3 needs half the steps of 2e-3; a wide
# first layer and a decay of 0.1 lower the errors where trajectories are at home by 40 and 25 %, and over all
# by 8 and 11 %; another basis, larger batches and other weights of the loss change nothing. With 1,721 labels
# 12 channels and a third layer lower errors of energies by a fifth where trajectories begin and by a tenth
# later, those of small gaps not, for a quarter more time. With 1,946 labels couplings that count 3 instead of
# 10 lower errors of energies by a tenth everywhere and raise those of couplings by as much; with 1 nothing
# more is gained, and with 0.1 couplings are not learned at all.
ROUND_TRAINING = {
    "model": {"hidden": [256, 128, 64], "properties": []},
    "steps": 6000,
    "optimizer": "muon",
    "learning_rate": 5e-3,
    "weight_decay": 0.1,
    "weights": {"coupling": 3.0},
    "split": "stable",
}
# Only the last models learn the dipoles of labels: nothing in a round asks for them. They hear from their
# neighbours: on 2,221 labels of ethylene that lowers errors of energies after 40 fs and of small gaps by a
# sixth to a quarter for the same time of training, and rounds are quicker without. After 10,000 steps labels
# that were learned are off by as much as others; 25,000 halve those errors, and lower others by a sixth.
FINAL_TRAINING = {
    **ROUND_TRAINING,
    "encoder": {"name": "equivariant"},
    "model": {"hidden": [256, 128, 64]},
    "steps": 25000,
}
# How much eigenvectors count. With a noise that is learned the largest errors, of wrong signs, count least
# and stay; see the page on diabatic labels.
DIABATIC_WEIGHTS = {"diabatic": 2.0}
DIABATIC_NOISE = {"diabatic_ev": 0.1}
_LENGTHS = ("steps", "epochs", "time_limit_minutes")
# Labels at least that look at the level of theory.
LOOKS = 26
DYNAMICS = {"method": "fssh", "dt_fs": 0.5, "time_fs": 100}


class LearnConfiguration(Configuration):
    """A learn file.

    `molecule` is a geometry to begin from (.xyz, in ångström), `source` a section that says who
    labels, see the page of label sources. `data` are datasets of the same level that exist already. `state`
    is where trajectories start. `dynamics` holds keys of a run file, without `model`, `initial`, `seed` and
    `output`; `training` and `final` hold keys of a training file, of the rounds and of the last model. With
    `diabatic` wave functions of labels are compared, and models learn eigenvectors of one diabatic matrix.
    """

    molecule: str | None = None
    source: dict[str, object]
    data: tuple[str, ...] = ()
    state: Annotated[int, Field(ge=0, le=1000)] = 1
    sample: SampleSection = SampleSection()
    dynamics: dict[str, object] = Field(default_factory=lambda: dict(DYNAMICS))
    first: FirstSection = FirstSection()
    diabatic: bool = False
    members: Annotated[int, Field(ge=2, le=64)] = 4
    round: RoundSection = RoundSection()
    training: dict[str, object] = Field(default_factory=dict)
    final: dict[str, object] = Field(default_factory=dict)
    goals: GoalsSection = GoalsSection()
    budget: BudgetSection = BudgetSection()
    processes: Annotated[int, Field(gt=0, le=1024)] = 2
    scheduler: str | None = None
    label_minutes: Positive = 30.0
    force: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1


# What the loop says itself, and a learn file must not.
OF_THE_LOOP = ("model", "initial", "seed", "output", "member", "molecule")


def check_sections(config: LearnConfiguration) -> None:
    """Refuse keys of a run file or of a training file that are not allowed, before anything is done.

    Raises:
        InputError: One sentence about the first of them.
    """
    for key in OF_THE_LOOP:
        if key in config.dynamics:
            raise InputError(
                f"`dynamics` must not hold `{key}`, which `nadyn learn` says itself, but does. Remove it."
            )
    if "folder" in config.source:
        raise InputError(
            "`source` must answer while a loop waits, but folder answers when somebody has filled it. Label "
            "a dataset with `nadyn label` and train on it with `nadyn train --members 4`."
        )
    run_file = {**config.dynamics, "model": "model.safetensors", "initial": {"file": "starts.h5"}}
    run = parse_configuration(run_file, RunConfiguration, where="`dynamics`")
    find_method(run)
    if run.write_every not in (None, 1):
        raise InputError(
            f"`dynamics.write_every` must be 1, because objections between frames would not be seen, but is "
            f"{run.write_every}. Leave it out."
        )
    for name, final in (("training", False), ("final", True)):
        settings = training_settings(config, 2, final=final)
        parse_configuration(settings, TrainingConfiguration, where=f"`{name}`")
        if "seed" in getattr(config, name):
            raise InputError(
                f"`{name}` must not hold `seed`, which differs by member and round, but does. Use `seed` of "
                "the learn file."
            )


def check_first_budget(config: LearnConfiguration, *, moves: bool) -> None:
    """Refuse a budget that the first labels leave nothing of, before any is made.

    Args:
        config: A learn file that `check_sections` has passed.
        moves: Whether the source can move trajectories.

    Raises:
        InputError: The first labels and half a round are more than the budget has for them.
    """
    first, most = config.first, config.budget.labels
    run_file = {**config.dynamics, "model": "model.safetensors", "initial": {"file": "starts.h5"}}
    dt = parse_configuration(run_file, RunConfiguration, where="`dynamics`").dt
    n_steps = math.ceil(first.direct_fs * AU_PER_FEMTOSECOND / dt)
    n_moved = min(first.direct, config.sample.n) if moves else 0
    n_first = LOOKS + min(first.wigner, config.sample.n) + n_moved * n_steps
    half = config.round.labels // 2
    if most - kept_labels(config) < n_first + half:
        needed = min(n_first + 2 * half, math.ceil(1.25 * (n_first + half)))
        raise InputError(
            f"`budget.labels` must be at least {needed}: {n_first} come before the first round ({LOOKS} "
            f"for the level, {first.wigner} of the sample, {n_moved} trajectories of {n_steps} steps), and "
            f"a round asks for up to {config.round.labels}. But it is {most}. Raise it, or lower "
            "`first.direct`."
        )


def kept_labels(config: LearnConfiguration) -> int:
    """Return how many labels are kept to judge the last models: half a round, at most a fifth of all."""
    return min(config.round.labels // 2, config.budget.labels // 5)


def names_length(own: Mapping[str, object]) -> bool:
    """Return whether keys of a training file say how long it is."""
    return any(length in own for length in _LENGTHS)


def training_settings(
    config: LearnConfiguration,
    n_states: int,
    *,
    final: bool,
    couplings: bool = True,
    basis: str | None = None,
) -> dict[str, object]:
    """Return the training file of the rounds, or of the last models: the defaults, and what was asked for.

    Without a basis it is one vector of each parity beside as many scalars as states: it served every molecule
    that was tried, and the search for a better one costs more than a round.

    Args:
        config: The learn file.
        n_states: Of the source.
        final: Whether for the last models.
        couplings: Whether there are labels of them; a weight of labels that are missing would be refused.
        basis: Of the eigenvectors that the labels have, None without; another one that is asked for wins.
    """
    default, own = (FINAL_TRAINING, config.final) if final else (ROUND_TRAINING, config.training)
    if names_length(own):
        default = {key: value for key, value in default.items() if key not in _LENGTHS}
    asked = dict(own.get("model", {}))
    model = {**default.get("model", {}), **asked}
    weights = dict(default.get("weights", {})) if couplings else {}
    noise = {}
    if basis is not None and "basis" not in asked:
        weights, noise = weights | DIABATIC_WEIGHTS, DIABATIC_NOISE
        # Heads do not know which rows change their signs under exchanges.
        model |= {"basis": basis} | ({"properties": []} if "[" in basis else {})
    if n_states > 1:
        model.setdefault("basis", f"{n_states}x0e + 1x1o + 1x1e")
    settings = {**default, **own, "model": model, "weights": weights | dict(own.get("weights", {}))}
    if noise:
        settings["label_noise"] = noise | dict(own.get("label_noise", {}))
    return settings
