"""One round: train, look where trajectories go, ask for labels, judge. Each stage leaves a file and is not
done twice."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.learning_record import (
    AnswerRecord,
    RoundRecord,
    SwarmRecord,
    round_from,
)
from nadyn.analysis.pair_differences import Difference, paired_difference
from nadyn.analysis.pairs import known_occupations
from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data import Group, load_dataset
from nadyn.electronic.labels import Label, Quality
from nadyn.learning import candidates
from nadyn.learning.asked import asked_records, outside_method
from nadyn.learning.context import Context, teller
from nadyn.learning.convergence import (
    Answer,
    about_endings,
    about_errors,
    about_populations,
)
from nadyn.learning.crossing_candidates import at_crossings
from nadyn.learning.desk import Progress
from nadyn.learning.folder import read_json, write_json
from nadyn.learning.fresh import judge
from nadyn.learning.gathering import group_of
from nadyn.learning.jobs import Job, side_by_side
from nadyn.learning.objections import Objections
from nadyn.learning.picks import CROSSING, DOUBT, GAP, KINDS, RANDOM, Candidate, pick
from nadyn.learning.plan import Plan, settings_of
from nadyn.learning.round_data import basis_of, dataset_of
from nadyn.learning.swarm import run_swarms, swarm_records
from nadyn.learning.trusting import trusted_by
from nadyn.models.committee import Committee
from nadyn.models.model_file import load_model
from nadyn.trajectory import open_run


def one_round(context: Context, number: int, plan: Plan, *, before: RoundRecord | None) -> RoundRecord:
    """Go through a round, or through what is left of it, and return its record."""
    folder = context.folder.round(number)
    done = read_json(folder / "round.json")
    if done is not None:
        return round_from(done)
    final = plan.final
    dataset = dataset_of(context, folder)
    with context.clock.on("training", number):
        committee = _train(context, folder, number, plan)
    with context.clock.on("running", number):
        swarms = _run(context, folder, number, committee, final=final)
        differences = _differences(context, folder, swarms, before)
        picked = _picks(context, folder, number, committee, swarms, n_labels=plan.n_labels(context))
    with context.clock.on("labels", number):
        labels = _label(context, number, picked)
    fresh_group = _group_of_fresh(context, picked, labels)
    fresh = None if fresh_group is None else judge(committee.members, fresh_group)
    outside = outside_method(
        picked, labels, _without_result(context, folder, swarms), context.desk.source.atomic_numbers
    )
    goals = context.config.goals
    answers = (
        about_endings(
            sum(one.n_results for one in swarms), sum(one.n - one.n_results for one in swarms), outside, goals
        ),
        about_populations(differences["members"], "populations of members agree", goals),
        about_populations(differences["rounds"], "populations agree with the round before", goals),
        about_errors(
            np.zeros(0) if fresh is None else fresh.energy_ev,
            np.zeros(0) if fresh is None else fresh.force_ev_per_angstrom,
            goals,
            n_untrusted=sum(
                one.kind == RANDOM and label.quality is not Quality.TRUSTED
                for one, label in zip(picked, labels, strict=True)
            ),
        ),
    )
    record = RoundRecord(
        number=number,
        final=final,
        frames=dataset.n_frames,
        labels=plan.labels,
        swarms=tuple(swarms),
        outside_method=outside,
        asked=asked_records(picked, labels),
        fresh=None if fresh is None else fresh.record(),
        answers=tuple(_answer_record(one) for one in answers),
        seconds=context.clock.of_round(number),
    )
    write_json(folder / "round.json", asdict(record))
    return record


def _train(context: Context, folder: Path, number: int, plan: Plan) -> Committee:
    path = folder / "model.safetensors"
    if not path.exists():
        config = context.config
        (group,) = load_dataset(folder / "dataset.h5").groups
        settings = settings_of(config, group, number, final=plan.final, basis=basis_of(folder))
        what = "the last models" if plan.final else f"round {number}: models"
        if plan.steps is not None:
            context.narrator.note(
                f"the last models are trained for {plan.steps} steps and not for {settings['steps']}: by the "
                "clock of the rounds before there is no time for more. `budget.final_minutes` keeps more."
            )
            settings["steps"] = plan.steps
        context.narrator.stage(f"training {what}, {config.members} members")
        arguments = {
            "dataset": str(folder / "dataset.h5"),
            "output": str(path),
            "settings": settings,
            "n_members": config.members,
        }
        members = [
            Job("nadyn.learning.training:train_member", {**arguments, "number": k})
            for k in range(config.members)
        ]
        tell = teller(context, "members", config.members)
        side_by_side(members, processes=config.processes, waiting=tell)
        side_by_side([Job("nadyn.learning.training:assemble", arguments)], processes=1)
    return load_model(path)


def _run(
    context: Context, folder: Path, number: int, committee: Committee, *, final: bool
) -> list[SwarmRecord]:
    """Run swarms: a few members in a round, all of them in the last one or when the few agree."""
    config, n_members = context.config, len(committee.members)
    n = config.round.final_trajectories if final else config.round.trajectories
    # One alone could not be compared with another.
    several = min(max(2, config.processes), n_members)
    first = [(several * number + k) % n_members for k in range(several)]
    wanted = list(range(n_members)) if final else sorted(set(first))
    lenience = config.round.lenience
    run_swarms(context, folder, wanted, n, lenience)
    records = swarm_records(context, folder, wanted)
    good = about_endings(
        sum(one.n_results for one in records),
        sum(one.n - one.n_results for one in records),
        0,
        config.goals,
    )
    if not final and good.reached:
        wanted = list(range(n_members))
        run_swarms(context, folder, wanted, n, lenience)
        records = swarm_records(context, folder, wanted)
    return records


def _differences(
    context: Context, folder: Path, swarms: Sequence[SwarmRecord], before: RoundRecord | None
) -> dict[str, list[Difference]]:
    """Return the differences of populations between members, and from the round before."""
    runs = [open_run(folder / one.run) for one in swarms]
    values = [known_occupations(run) for run in runs]
    times = runs[0].time_fs
    members = [paired_difference(times, values[i], values[j]) for i in range(len(runs)) for j in range(i)]
    rounds = []
    if before is not None and before.swarms:
        earlier = context.folder.round(before.number)
        olds = [known_occupations(open_run(earlier / one.run)) for one in before.swarms]
        for old in olds:
            for new in values:
                n = min(old.shape[1], new.shape[1])
                rounds.append(paired_difference(times, old[:, :n], new[:, :n]))
    return {"members": members, "rounds": rounds}


def _picks(
    context: Context,
    folder: Path,
    number: int,
    committee: Committee,
    swarms: Sequence[SwarmRecord],
    *,
    n_labels: int,
) -> list[Candidate]:
    path = folder / "picks.json"
    stored = read_json(path)
    if stored is None:
        context.narrator.stage("choosing geometries to label")
        found: list[Candidate] = []
        objections = Objections.of(context.config.dynamics)
        for one in swarms:
            run, where = open_run(folder / one.run), f"round {number}, member {one.member}"
            seed = context.config.seed + 1009 * number + one.member
            found += candidates.stops(run, where)
            found += candidates.in_doubt(run, where, objections, seed=seed)
            n_known = context.config.first.direct
            found += candidates.at_random(run, where, objections, seed=seed, but_first=n_known)
            if context.n_states > 1:
                found += candidates.at_small_gaps(run, where)
                model = committee.running_on(one.member)
                member = committee.members[one.member]
                found += at_crossings(run, member, where, seed=seed)
                found += candidates.down_the_gap(run, model, trusted_by(model, objections), where, seed=seed)
        known = [record.positions for record in context.desk.store.records]
        wanted = context.config.round
        chosen = pick(
            found,
            np.stack(known) if known else np.zeros((0, len(context.desk.source.atomic_numbers), 3)),
            context.desk.source.atomic_numbers,
            n=n_labels,
            shares={
                RANDOM: wanted.at_random,
                DOUBT: wanted.in_doubt,
                CROSSING: wanted.at_crossings,
                GAP: wanted.at_gaps,
            },
            seed=context.config.seed + 1009 * number,
        )
        stored = {
            "picks": [
                {"kind": one.kind, "why": one.why, "positions": one.positions.tolist()} for one in chosen
            ]
        }
        write_json(path, stored)
    return [Candidate(np.array(one["positions"]), one["kind"], one["why"]) for one in stored["picks"]]


def _without_result(
    context: Context, folder: Path, swarms: Sequence[SwarmRecord]
) -> Float[np.ndarray, "place atom 3"]:
    objections = Objections.of(context.config.dynamics)
    runs = [open_run(folder / one.run) for one in swarms]
    return np.concatenate([candidates.without_result(run, objections) for run in runs])


def _label(context: Context, number: int, picked: Sequence[Candidate]) -> list[Label]:
    """Return the labels of the picks, in their order.

    Raises:
        InputError: Some of them are not there yet.
    """
    labels: dict[int, Label] = {}
    for kind in KINDS:
        rows = [row for row, one in enumerate(picked) if one.kind == kind]
        if not rows:
            continue
        context.narrator.stage(f"labelling {len(rows)} geometries ({kind})")
        answers = context.desk.label(
            np.stack([picked[row].positions for row in rows]),
            tag=f"{kind} {number}",
            progress=_label_teller(context),
        )
        labels |= dict(zip(rows, answers, strict=True))
    return answered([labels[row] for row in range(len(picked))])


def answered(labels: Sequence[Label | None]) -> list[Label]:
    """Return labels that are all there.

    Raises:
        InputError: A source that answers later has not answered yet.
    """
    there = [label for label in labels if label is not None]
    if len(there) < len(labels):
        raise InputError(
            f"the source must answer before the loop goes on, but {len(labels) - len(there)} of "
            f"{counted(len(labels), 'label')} are not there yet. Go on with `--resume` when they are."
        )
    return there


def _group_of_fresh(context: Context, picked: Sequence[Candidate], labels: Sequence[Label]) -> Group | None:
    rows = [
        row for row, one in enumerate(picked) if one.kind == RANDOM and labels[row].quality is Quality.TRUSTED
    ]
    if not rows:
        return None
    return group_of(context, [picked[row].positions for row in rows], [labels[row] for row in rows])


def _answer_record(answer: Answer) -> AnswerRecord:
    return AnswerRecord(answer.question, answer.reached, answer.sentence)


def _label_teller(context: Context) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        context.narrator.progress(f"{progress.n_done} of {progress.n} labels")

    return tell
