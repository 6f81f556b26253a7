"""Before the first step: model, initial conditions and file of a new run, or those of an old one."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from nadyn.checks.errors import InputError
from nadyn.checks.output import TRAJECTORIES, check_is_no_input, check_suffix
from nadyn.dynamics.initial import sample
from nadyn.dynamics.initial.start import in_active_state, start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.method import Method, Motion
from nadyn.dynamics.methods.needs import check_source, wanted_of
from nadyn.dynamics.methods.table import (
    check_states,
    find_method,
    motion_of,
    notices_about_spins,
    stored_configuration,
)
from nadyn.dynamics.nuclei.box import box_of
from nadyn.dynamics.nuclei.followed import begin_following
from nadyn.dynamics.run.device import device_of, model_on
from nadyn.dynamics.run.earlier_run import check_earlier_run
from nadyn.dynamics.run.endings import check_stop, doubt_limits_of, limits_of
from nadyn.dynamics.run.ensemble import (
    Ensemble,
    checkpoint_arrays,
    gathered,
    start_ensemble,
)
from nadyn.dynamics.run.judging import judged_start
from nadyn.dynamics.run.known_region import unknown_composition
from nadyn.dynamics.run.model_source import ModelSource, digest_at
from nadyn.dynamics.run.paths import Paths
from nadyn.dynamics.run.settling import counting
from nadyn.dynamics.run.stopping import ADVICE, STATUS_NAMES, Limits, start_statuses
from nadyn.dynamics.run.time_step import warnings_about
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES
from nadyn.electronic.committee import HasMembers
from nadyn.electronic.direct.model import DirectModel, with_masses
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, HasSpinStates
from nadyn.trajectory import RunHeader, TrajectoryWriter
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.trajectory.placing import check_new

# Keys that may change when a run is resumed, because no number in the file depends on them; nor does the
# digest of the file.
FREE_KEYS = {"output", "checkpoint_every", "labels"}
# Starting geometries whose frequencies are looked at.
_TYPICAL = 5


@dataclass(frozen=True)
class Plan:
    """Everything about a run that stays as it is while it goes on."""

    config: RunConfiguration
    model: Model
    masses: torch.Tensor
    method: Method
    motion: Motion
    limits: Limits
    paths: Paths


def check_method(config: RunConfiguration, model: Model) -> None:
    """Refuse a method or an end of the run that the model cannot have."""
    check_states(config, model)
    model_on(model, device_of(config.device))
    if isinstance(model, DirectModel):
        check_source(config, find_method(config), model.facts)
    elif config.labels is not None:
        raise InputError(
            f"`labels` must be left out for model {model.name}, which is no label source, but is given. "
            "Remove it."
        )
    motion_of(config, model, model.masses)
    check_stop(config, model)


def create_run(
    config: RunConfiguration, source: ModelSource, *, written: RunConfiguration, overwrite: bool
) -> tuple[Plan, Ensemble, TrajectoryWriter, list[str]]:
    """Sample the initial conditions and create the trajectory file.

    Args:
        config: What to run, its paths as this process can open them.
        source: The model.
        written: The same as the run file has it, to be stored.
        overwrite: Replace an existing file.

    Raises:
        InputError: The file exists or cannot be written, or the initial conditions do not fit the model.
        RunError: The disk has no room for the run.
    """
    model, output = source.model, Path(config.output)
    if isinstance(model, DirectModel):
        # Whatever a minimisation has asked for is no start of a trajectory.
        model = replace(model, wanted=wanted_of(config, find_method(config)))
    # Said before the work of sampling, which the writer would not know about.
    check_new(output, overwrite=overwrite)
    check_is_no_input(output, *files_of(config.model_dump(exclude={"output"})))
    check_suffix(output, "`output`", TRAJECTORIES)
    check_earlier_run(config, model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        initial = sample(model, config.initial, seed=config.seed)
    notices = [*initial.notices, *(str(warning.message) for warning in caught)]
    if sentence := unknown_composition(model):
        notices.append(sentence)
    masses = torch.from_numpy(np.array(initial.masses))
    plan = plan_of(config, model, masses)
    state = _start(plan, initial)
    notices += notices_about_spins(config, model)
    if not isinstance(model, DirectModel):
        # The mean of a sample is nearly the minimum, where the frequencies mean something.
        if config.initial.sample:
            typical = state.positions.mean(0, keepdim=True)
        else:
            typical = state.positions[: 1 if config.initial.structure else _TYPICAL]
        notices += warnings_about(model, typical.cpu(), masses, dt=config.dt)
    ensemble = gathered(start_ensemble(state, start_statuses(state, plan.model)))
    arrays = {**checkpoint_arrays(ensemble), **plan.paths.arrays(ensemble)}
    stored, outside_digest = stored_in_file(written)
    header = RunHeader(
        config=stored,
        config_outside_digest=outside_digest,
        method=config.method,
        population_estimator=plan.method.adiabatic.name,
        estimates_populations=plan.method.adiabatic is not FRACTION_OF_TRAJECTORIES,
        seed=config.seed,
        n_steps=config.n_steps,
        dt_au=config.dt,
        write_every=config.frame_interval,
        n_states=state.energies.shape[1],
        n_axes=state.positions.shape[2],
        masses=plan.masses.cpu().numpy(),
        weight=state.weight.cpu().numpy(),
        model_name=model.name,
        model_digest=source.digest or digest_at(model, state.positions.cpu()),
        status_names=STATUS_NAMES,
        status_advice={int(status): advice for status, advice in ADVICE.items()},
        atomic_numbers=None if model.atomic_numbers is None else np.array(model.atomic_numbers),
        n_basis=_diabatic_states(plan),
        diabatic_population_estimator=plan.method.diabatic.name,
        moves_on=plan.method.moves_on,
        on_one_state=not plan.method.needs_two_states,
        amplitudes_are_populations=plan.method.amplitudes_are_populations,
        multiplicities=_several_multiplicities(plan),
        knows_novelty=model.shortest_distances is not None,
        has_committee=isinstance(model, HasMembers),
        evaluation=getattr(model, "evaluation", ""),
        warnings=tuple(notices),
        has_cell=box_of(state) is not None,
        doubt_limits=doubt_limits_of(config, model),
    )
    writer = TrajectoryWriter.create(output, header, arrays, overwrite=overwrite)
    return plan, ensemble, writer, notices


def stored_in_file(written: RunConfiguration) -> tuple[dict[str, object], dict[str, object]]:
    """Return a run file as the trajectory file keeps it: what the digest covers, and what it does not."""
    stored = stored_configuration(written)
    if isinstance(stored["model"], dict):
        # The order in which options are written changes nothing, and should not change the digest.
        stored["model"] = dict(sorted(stored["model"].items()))
    covered = {key: value for key, value in stored.items() if key not in FREE_KEYS}
    return covered, {key: stored[key] for key in sorted(FREE_KEYS)}


def plan_of(config: RunConfiguration, model: Model, masses: torch.Tensor) -> Plan:
    """Return what stays as it is while a run goes on."""
    device = device_of(config.device)
    model, masses = model_on(model, device), masses.to(device)
    if isinstance(model, DirectModel):
        model = with_masses(model, masses.tolist())
    method = find_method(config)
    motion = motion_of(config, model, masses)
    method = method if motion.diabatic is None else replace(method, diabatic=motion.diabatic)
    return Plan(config, model, masses, method, motion, limits_of(config, model), Paths(model))


def _diabatic_states(plan: Plan) -> int | None:
    """Return how many diabatic populations are stored: of states; where spins are learned apart, of spins."""
    if isinstance(plan.model, HasSpinOrbitVectors):
        return None if plan.motion.diabatic is None else len(plan.model.spin_blocks)
    return plan.model.n_basis if plan.model.fixed_diabatic_basis else None


def _several_multiplicities(plan: Plan) -> tuple[int, ...]:
    """Return the multiplicity of each diabatic population of a model that has several of them."""
    model = plan.model
    if isinstance(model, HasSpinOrbitVectors):
        return () if plan.motion.diabatic is None else tuple(dict.fromkeys(model.multiplicities))
    if not isinstance(model, HasSpinStates) or not model.fixed_diabatic_basis:
        return ()
    return model.multiplicities if len(set(model.multiplicities)) > 1 else ()


def files_of(section: object) -> Iterator[Path]:
    """Yield what a run file names and what is a file."""
    if isinstance(section, dict):
        for value in section.values():
            yield from files_of(value)
    elif isinstance(section, str | Path) and Path(section).is_file():
        yield Path(section)


def _start(plan: Plan, initial: InitialConditions) -> State:
    positions, momenta, weight = (
        torch.from_numpy(np.array(array, dtype=np.float64)).to(plan.masses.device)
        for array in (initial.positions, initial.momenta, initial.weight)
    )
    if initial.diabatic_state is not None:
        started = start_in_diabatic_state(
            plan.model,
            positions,
            momenta,
            masses=plan.masses,
            diabatic_state=initial.diabatic_state,
            seed=plan.config.seed,
            weight=weight,
            first=plan.config.initial.first_number,
        )
        started = started if plan.method.moves_coefficients else in_active_state(started)
    else:
        state = 0 if initial.state is None else initial.state
        if initial.states is not None:
            state = torch.from_numpy(np.array(initial.states, dtype=np.int64))
        started = start_in_state(
            plan.model,
            positions,
            momenta,
            masses=plan.masses,
            active_state=state,
            weight=weight,
            first=plan.config.initial.first_number,
        )
    begun = plan.motion.begin(begin_following(started, plan.model), plan.model)
    if plan.limits.steps_on_lowest is not None:
        begun = counting(begun)
    return judged_start(begun, plan.model, plan.method)
