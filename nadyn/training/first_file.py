"""A training file that fits a dataset: its states, its labels, whether frames follow each other."""

from nadyn.checks.commented_yaml import Line, commented_yaml
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.counts import counted
from nadyn.checks.yaml_text import read_yaml
from nadyn.data import Dataset
from nadyn.data.similarity import is_from_trajectories
from nadyn.data.statistics import NEAR_GAP_EV, group_statistics
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.dataset_checks import check_dataset, learned_samples
from nadyn.training.quantities import QUANTITIES
from nadyn.training.stages import DEFAULT_TIME_LIMIT_MINUTES


def first_training_file(dataset: Dataset, command: str) -> str:
    """Return a training file with a comment above each key; it has been checked with the data.

    Args:
        dataset: What there is to learn from.
        command: How to train with the file, for its title.

    Raises:
        InputError: The data cannot be trained on.
    """
    defaults = TrainingConfiguration()
    check_dataset(dataset, defaults)
    samples = learned_samples(dataset, defaults)
    labelled = [q for q in QUANTITIES if any(q.labels(group) is not None for group in samples)]
    periodic = any(group.pbc.any() for group in dataset.groups)
    several = max(group.n_states for group in dataset.groups) > 1
    lines = [
        Line(
            "encoder",
            {"name": defaults.encoder.name, "cutoff_angstrom": defaults.encoder.cutoff_angstrom},
            "What an atom sees. "
            + ("A cell may be smaller than the cutoff: images count. " if periodic else "")
            + "Others: acsf, soap, messages, equivariant.",
        ),
        Line(
            "model",
            {"basis": "auto", "hidden": list(defaults.model.hidden)}
            if several
            else {"hidden": list(defaults.model.hidden)},
            "Widths of the networks"
            + (
                ", and the latent basis of the diabatic matrix; auto tries several and keeps the best."
                if several
                else "."
            ),
        ),
        Line(
            "time_limit_minutes",
            DEFAULT_TIME_LIMIT_MINUTES,
            "How long it takes in all. Or `steps` or `epochs`, which do not depend on the machine.",
        ),
        Line("validation_fraction", defaults.validation_fraction, _about_validation(dataset)),
        Line("split", _split(dataset), _about_split(dataset)),
        Line(
            "weights",
            {quantity.name: quantity.weight for quantity in labelled},
            f"How much each label counts, after division by its own noise: these data have "
            f"{', '.join(quantity.plural for quantity in labelled)}.",
        ),
    ]
    if several and (near := _about_gaps(dataset)):
        lines.append(Line("gap_weight", True, near, active=False))
    lines += [
        Line("threads", defaults.threads, "Processors for one training."),
        Line("seed", defaults.seed, "Of weights, batches and what is held out."),
    ]
    title = [
        *(_about_group(dataset, name) for name in dataset.names[:5]),
        f"Train with: {command}",
        "Every key is explained on the page `Training file` of the documentation; those not named here have "
        "defaults.",
    ]
    text = commented_yaml(title, lines)
    check_dataset(dataset, parse_configuration(read_yaml(text), TrainingConfiguration, where="training file"))
    return text


def _about_group(dataset: Dataset, name: str) -> str:
    group = dataset.group(name)
    return (
        f"{name}: {counted(group.n_frames, 'frame')}, {counted(group.n_atoms, 'atom')}, "
        f"{counted(group.n_states, 'state')}{', periodic' if group.pbc.any() else ''}"
        f"{', ' + group.theory if group.theory else ''}."
    )


def _about_validation(dataset: Dataset) -> str:
    held = round(dataset.n_frames * TrainingConfiguration().validation_fraction)
    few = " They are few: `nadyn train --validation FILE` takes others." if held < 20 else ""
    return f"Of {counted(dataset.n_frames, 'frame')} about {max(held, 1)} choose the best weights.{few}"


def _split(dataset: Dataset) -> str:
    return "blocks" if any(map(is_from_trajectories, dataset.groups)) else "random"


def _about_split(dataset: Dataset) -> str:
    if _split(dataset) == "blocks":
        return (
            "Consecutive frames are alike, so that they are from trajectories: blocks of them are held out, "
            "because a single frame has its neighbours in the training set."
        )
    return "Frames do not follow each other, so that single ones are held out at random."


def _about_gaps(dataset: Dataset) -> str:
    near = sum(group_statistics(group).n_near for group in dataset.groups)
    if not near:
        return ""
    which = f"{near} of {counted(dataset.n_frames, 'frame')} have a gap under {NEAR_GAP_EV} eV"
    return f"{which}: this lets small gaps count more."
