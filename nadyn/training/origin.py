"""What a training started from, so that it goes on with the same configuration and the same data only."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group
from nadyn.models.learned import LearnedModel
from nadyn.training.configuration import TrainingConfiguration

# Neither changes what is learned.
MAY_DIFFER = ("threads", "checkpoint_every")
# Whatever of a group the training reads.
_ARRAYS = (
    *("positions", "energies", "forces", "interstate_couplings", "cell", "stress"),
    *("dipoles", "polarisabilities", "charges"),
)


def origin(
    configuration: TrainingConfiguration,
    dataset: Dataset,
    begin_from: Sequence[LearnedModel] = (),
    validation: Dataset | None = None,
) -> dict[str, dict[str, object]]:
    """Return the configuration, and a sha256 for each group of the data, of what it is judged by where that
    is given, and for each model to begin from, as plain values for a checkpoint."""
    judged = () if validation is None else validation.groups
    result = {
        "configuration": configuration.model_dump(mode="json"),
        "data": {group.name: _fingerprint(group, place) for place, group in enumerate(dataset.groups)},
        "begin_from": {"sha256": [_sha256(model) for model in begin_from]},
    }
    if judged:
        result["validation"] = {group.name: _fingerprint(group, place) for place, group in enumerate(judged)}
    return result


def check_origin(stored: dict[str, dict[str, object]], now: dict[str, dict[str, object]]) -> None:
    """Refuse to go on with another configuration, data or model than a training started from.

    Args:
        stored: `origin` of the interrupted training.
        now: `origin` of the one that is to go on with it.

    Raises:
        InputError: One sentence about the first key or group that differs.
    """
    n_before, n_now = (one.get("members", {}).get("n", "left out") for one in (stored, now))
    if n_before != n_now:
        raise InputError(
            f"`--members` must stay {n_before} when the training is resumed, but is {n_now}. Give it as "
            "before, or --overwrite to start again."
        )
    beside, beside_now = (one.get("members", {}).get("at_a_time", 1) for one in (stored, now))
    if beside != beside_now:
        raise InputError(
            f"`--processes` must stay {beside} when members that share a time limit are resumed, but is "
            f"{beside_now}. Give it as before, or --overwrite to start again."
        )
    before, after = dict(_keys(stored["configuration"])), dict(_keys(now["configuration"]))
    for key in after | before:
        if key not in MAY_DIFFER and before.get(key) != after.get(key):
            raise InputError(
                f"`{key}` must stay {before.get(key)!r} when the training is resumed, but is "
                f"{after.get(key)!r}. Use the configuration of the interrupted training, or --overwrite to "
                "start again."
            )
    if stored.get("validation") != now.get("validation"):
        raise InputError(
            "the frames to judge by (`--validation`) must stay the same when the training is resumed, but "
            "differ. Give those of the interrupted training, or --overwrite to start again."
        )
    for name in now["data"] | stored["data"]:
        if stored["data"].get(name) != now["data"].get(name):
            raise InputError(
                f"the data must stay the same when the training is resumed, but group {name!r} differs. "
                "Use the data of the interrupted training, or --overwrite to start again."
            )

    # Checkpoints of the first days began from nothing, and do not say so.
    if stored.get("begin_from", {"sha256": []}) != now["begin_from"]:
        raise InputError(
            "the models to begin from must stay the same when the training is resumed, but differ. "
            "Use those of the interrupted training, or --overwrite to start again."
        )


def is_among(group: Group, data: Mapping[str, str]) -> bool:
    """Tell whether a group is one of those whose sha256 `origin` has put under `data`, frame by frame."""
    return any(_fingerprint(group, place) == digest for place, digest in enumerate(data.values()))


def _keys(section: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every key with its value; keys within sections as `section.key`."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _sha256(model: LearnedModel) -> str:
    result = hashlib.sha256()
    for name, tensor in model.potential.state_dict().items():
        result.update(f"{name} {tuple(tensor.shape)}".encode())
        result.update(tensor.detach().numpy().tobytes())
    return result.hexdigest()


def _fingerprint(group: Group, place: int) -> str:
    # The place among the groups decides which batch comes when.
    result = hashlib.sha256(f"{place} {group.name} {group.atomic_numbers.tolist()}".encode())
    for name in _ARRAYS:
        array = getattr(group, name)
        if array is not None:
            result.update(f"{name} {array.shape}".encode())
            result.update(array.tobytes())
    if group.weight is not None:
        result.update(b"weight" + group.weight.tobytes())
    result.update(str(group.pbc.tolist()).encode())
    return result.hexdigest()
