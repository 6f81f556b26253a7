"""A learn file that fits a molecule: its atoms, its electrons, a level of theory, a budget."""

import os

import numpy as np

from nadyn.checks.commented_yaml import Line, commented_yaml
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.yaml_text import read_yaml
from nadyn.interfaces.sources import source_section
from nadyn.learning.learn_file import DYNAMICS, LearnConfiguration, check_first_budget, check_sections
from nadyn.structures import Structure, formula


def first_learn_file(
    structure: Structure, molecule: str, *, method: str, charge: int = 0, state: int | None = None
) -> str:
    """Return a learn file with a comment above each key; its sections have been checked.

    Args:
        structure: The molecule.
        molecule: Its file, as the learn file names it.
        method: Level of theory that PySCF labels with.
        charge: Total charge [e].
        state: Where trajectories start; the first excited one without it.

    Raises:
        InputError: There is no such level, or the molecule has an odd number of electrons, or no such state.
    """
    from nadyn.interfaces.pyscf.method import method_of

    numbers = structure.atomic_numbers
    n_electrons = int(np.sum(numbers)) - charge
    if n_electrons < 1:
        raise InputError(
            f"`--charge` must leave electrons, but {formula(numbers)} with charge {charge} has none."
        )
    if n_electrons % 2:
        raise InputError(
            f"`--charge` must leave an even number of electrons for singlets, but {formula(numbers)} with "
            f"charge {charge} has {n_electrons}. Give the charge, or `multiplicities` in the file."
        )
    n_states = method_of(method).n_states
    start = min(1, n_states - 1) if state is None else state
    if not 0 <= start < n_states:
        raise InputError(f"`--state` must be from 0 to {n_states - 1} for {method}, but is {state}.")
    light = (np.asarray(numbers) == 1).any()
    dt_fs = DYNAMICS["dt_fs"]
    defaults = LearnConfiguration(source={})
    lines = [
        Line("molecule", molecule, f"{formula(numbers)}, {n_electrons} electrons; the loop begins here."),
        Line(
            "source",
            {"pyscf": {"method": method, "charge": charge}},
            f"Who labels, with {n_states} states; on the page of label sources: active orbitals, other "
            "programs. `nadyn label --source` tries it on one geometry.",
        ),
        Line("state", start, "Where trajectories start, counted from 0."),
        Line(
            "dynamics",
            {"method": "fssh" if n_states > 1 else "nve", "dt_fs": dt_fs, "time_fs": DYNAMICS["time_fs"]},
            "Keys of a run file: what the answer is asked of. "
            + (
                f"{dt_fs:g} fs are 18 steps of the fastest bond to hydrogen."
                if light
                else "There is no hydrogen: a longer step may do."
            ),
        ),
        Line(
            "goals",
            {"ended": defaults.goals.ended, "populations": defaults.goals.populations},
            "When it is enough: the share of trajectories that end as results, and the largest difference of "
            "a population between members and between rounds.",
        ),
        Line(
            "budget",
            {"labels": defaults.budget.labels, "minutes": defaults.budget.minutes},
            "When it has cost enough, converged or not.",
        ),
        Line(
            "processes",
            max(1, min(_processors(), 1024)),
            "Labels and trainings at a time; this machine has as many processors.",
        ),
        Line("seed", 1, "Of everything that is drawn."),
    ]
    title = [
        "A learn file: `nadyn check FILE` says what it would do, `nadyn learn FILE` learns surfaces and "
        "trajectories by rounds of labels; it can be interrupted, and gone on with --resume.",
        "Every key is explained on the page `Learning` of the documentation; those not named here have "
        "defaults.",
    ]
    text = commented_yaml(title, lines)
    config = parse_configuration(read_yaml(text), LearnConfiguration, where="learn file")
    check_sections(config)
    source_section(config.source, where="`source`")
    check_first_budget(config, moves=True)
    return text


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
