"""What a dataset must hold for a training of it to begin."""

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group
from nadyn.data.dipole_origin import about_dipoles
from nadyn.training.configuration import ModelSection, TrainingConfiguration
from nadyn.training.long_range import check_long_range, with_labels_that_are_learned
from nadyn.training.mixing import check_one_surface
from nadyn.training.quantities import QUANTITIES, Quantity
from nadyn.training.samples import Samples, samples_together

# The array of a dataset with the labels of each property.
KEYS_OF_PROPERTIES = {"dipole": "dipoles", "polarisability": "polarisabilities"}


def check_dataset(dataset: Dataset, configuration: TrainingConfiguration) -> None:
    """Refuse data that a configuration cannot be trained on.

    Raises:
        InputError: One sentence.
    """
    check_long_range(dataset, configuration.model)
    determined = () if configuration.model.electrostatics is None else ("charge",)
    check_one_surface(dataset, (*configuration.mix, *determined))
    frames = sum(group.n_frames for group in dataset.groups)
    if frames < 10:
        raise InputError(f"the dataset must hold at least 10 frames to be trained on, but holds {frames}.")
    _check_properties(dataset, configuration.model)
    samples = learned_samples(dataset, configuration)
    said = configuration.weights.model_fields_set
    # A weight that a file says is meant, be it the default. The settings of an earlier training have every
    # weight written out, that of energies among them: there only one that is another is meant.
    written_out = "energy" in said
    for quantity in QUANTITIES:
        weight = getattr(configuration.weights, quantity.name)
        meant = quantity.name in said and not (written_out and weight == quantity.weight)
        if meant and all(quantity.labels(group) is None for group in samples):
            why = _why_not_learned(quantity, dataset, configuration.model)
            raise InputError(
                f"`weights.{quantity.name}` must be left out for data without {quantity.plural}"
                f"{' that are learned' if why else ''}, but is {weight:g}{why}."
            )


def learned_samples(dataset: Dataset, configuration: TrainingConfiguration) -> tuple[Samples, ...]:
    """Return the frames with those labels that a training of this configuration learns."""
    samples = samples_together(dataset.groups, configuration.model.learned_properties)
    return with_labels_that_are_learned(samples, configuration.model)


def _why_not_learned(quantity: Quantity, dataset: Dataset, section: ModelSection) -> str:
    """Return why labels that the data have are not learned, after a colon; nothing where they have none."""

    def labelled(key: str) -> list[Group]:
        return [group for group in dataset.groups if getattr(group, key) is not None]

    if quantity.name == "stress" and labelled("stress"):
        return ": no cell of theirs is periodic in all directions, and a stress is one over its volume"
    if quantity.name == "charge" and labelled("charges"):
        return ": charges are learned where the training file has `model: {electrostatics: {}}`"
    name = quantity.name.removeprefix("transition_")
    key = KEYS_OF_PROPERTIES.get(name)
    if key is None or not labelled(key) or (name != quantity.name and dataset.groups[0].n_states == 1):
        return ""
    if section.changes_sign:
        return ": rows of `model.basis` change sign under exchanges of atoms, and operators know only others"
    if name not in section.learned_properties:
        return f": `model.properties` leaves out {name}"
    sentences = [sentence for group in labelled(key) if (sentence := about_dipoles(group))]
    return f": {sentences[0].rstrip('.')}" if name == "dipole" and sentences else ""


def _check_properties(dataset: Dataset, section: ModelSection) -> None:
    """Refuse properties that a file asks for and the data cannot teach."""
    if section.properties == "auto":
        return
    for name in section.properties:
        key = KEYS_OF_PROPERTIES[name]
        labelled = [group for group in dataset.groups if getattr(group, key) is not None]
        if not labelled:
            raise InputError(
                f"`model.properties` must be what the data have labels of, but they have no {key}. Leave "
                f"{name} out."
            )
        for group in labelled:
            if name == "dipole" and (sentence := about_dipoles(group)):
                raise InputError(sentence)
