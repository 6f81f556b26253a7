"""What a dataset must hold for a training of it to begin."""

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.data.dipole_origin import about_dipoles
from nadyn.training.configuration import ModelSection, TrainingConfiguration
from nadyn.training.long_range import check_long_range, with_charges_that_are_learned
from nadyn.training.mixing import check_one_surface
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import samples_together


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
    samples = with_charges_that_are_learned(
        samples_together(dataset.groups, configuration.model.learned_properties), configuration.model
    )
    for quantity in QUANTITIES:
        weight = getattr(configuration.weights, quantity.name)
        if weight != quantity.weight and all(quantity.labels(group) is None for group in samples):
            raise InputError(
                f"`weights.{quantity.name}` must be left out for data without {quantity.plural}, but is "
                f"{weight:g}."
            )


def _check_properties(dataset: Dataset, section: ModelSection) -> None:
    """Refuse properties that a file asks for and the data cannot teach."""
    if section.properties == "auto":
        return
    for name in section.properties:
        key = {"dipole": "dipoles", "polarisability": "polarisabilities"}[name]
        labelled = [group for group in dataset.groups if getattr(group, key) is not None]
        if not labelled:
            raise InputError(
                f"`model.properties` must be what the data have labels of, but they have no {key}. Leave "
                f"{name} out."
            )
        for group in labelled:
            if name == "dipole" and (sentence := about_dipoles(group)):
                raise InputError(sentence)
