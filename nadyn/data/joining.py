"""Groups of one name become one."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.arrays import ARRAYS
from nadyn.data.dataset import Dataset, Group
from nadyn.data.history import joined_history


def join(datasets: Sequence[Dataset], *, mix: Collection[str] = ()) -> Dataset:
    """Return one dataset; groups of one name are joined, labels that a part lacks are NaN,
    weights 1 and tags empty.

    Texts (source, licence, note, and theory if it may) that differ are kept side by side.

    Args:
        datasets: In the order of their frames.
        mix: `theory` in it lets groups be joined whose levels of theory are known and differ.

    Raises:
        InputError: Groups of one name differ in their atoms, states, charge, theory or periodicity.
    """
    if not datasets:
        raise InputError("`datasets` must hold one at least, but is empty.")
    parts: dict[str, list[Group]] = {}
    for dataset in datasets:
        for group in dataset.groups:
            parts.setdefault(group.name, []).append(group)
    return Dataset(tuple(_join_groups(groups, mix) for groups in parts.values()))


def _join_groups(groups: list[Group], mix: Collection[str]) -> Group:
    first = groups[0]
    if len(groups) == 1:
        return first
    for other in groups[1:]:
        _check_fit(first, other, mix)
    arrays: dict[str, np.ndarray] = {}
    for key in ARRAYS:
        filled = next((array for group in groups if (array := getattr(group, key)) is not None), None)
        if filled is not None:
            arrays[key] = np.concatenate([_or_missing(getattr(g, key), filled, g.n_frames) for g in groups])
    if any(group.weight is not None for group in groups):
        arrays["weight"] = np.concatenate(
            [np.ones(one.n_frames) if one.weight is None else one.weight for one in groups]
        )
    tag = None
    if any(group.tag is not None for group in groups):
        tag = tuple(word for one in groups for word in (one.tag or ("",) * one.n_frames))
    texts = {
        key: "; ".join(dict.fromkeys(text for group in groups if (text := getattr(group, key))))
        for key in ("theory", "source", "licence", "note")
    }
    assumed = frozenset.intersection(*(group.assumed for group in groups))
    history = joined_history([group.history for group in groups])
    parts = tuple(length for group in groups for length in group.parts or (group.n_frames,))
    return replace(first, **arrays, **texts, assumed=assumed, tag=tag, history=history, parts=parts)


def _or_missing(array: np.ndarray | None, example: np.ndarray, n_frames: int) -> np.ndarray:
    return np.full((n_frames, *example.shape[1:]), np.nan) if array is None else array


def _check_fit(first: Group, other: Group, mix: Collection[str]) -> None:
    where = f"groups named {first.name!r} must fit together, but"
    advice = "Give one of them another name."
    # Another name would not make a model see what it cannot.
    apart = "A model sees elements and positions only: train one for each."
    if first.n_atoms != other.n_atoms:
        raise InputError(f"{where} have {first.n_atoms} and {other.n_atoms} atoms. {advice}")
    if not np.array_equal(first.atomic_numbers, other.atomic_numbers):
        atom = int(np.flatnonzero(first.atomic_numbers != other.atomic_numbers)[0])
        raise InputError(f"{where} differ in the element of atom {atom}. {advice}")
    if first.n_states != other.n_states:
        raise InputError(f"{where} have {first.n_states} and {other.n_states} states. {apart}")
    for key in ("charge", "multiplicities"):
        one, two = getattr(first, key), getattr(other, key)
        if one != two:
            differ = f"{where} differ in `{key}` ({_plain(one)} and {_plain(two)})."
            raise InputError(f"{differ} {_about_silence(key, first, other)}{apart}")
    if first.theory and other.theory and first.theory != other.theory and "theory" not in mix:
        raise InputError(
            f"{where} differ in `theory` ({first.theory!r} and {other.theory!r}), whose energies belong "
            "to different surfaces. Keep them apart, or allow it with `mix: [theory]` in the training file."
        )
    if (first.masses is None) != (other.masses is None) or (
        first.masses is not None and not np.allclose(first.masses, other.masses, rtol=1e-6)
    ):
        raise InputError(f"{where} differ in `masses`. {advice}")
    if first.charge and first.dipole_origin != other.dipole_origin:
        names = [origin or "not given" for origin in (first.dipole_origin, other.dipole_origin)]
        raise InputError(f"{where} differ in `dipole_origin` ({names[0]} and {names[1]}). {advice}")
    if not np.array_equal(first.pbc, other.pbc) or (first.cell is None) != (other.cell is None):
        raise InputError(f"{where} differ in `pbc` or `cell`. {advice}")


def _about_silence(key: str, *groups: Group) -> str:
    if all(key not in group.assumed for group in groups):
        return ""
    return f"One of them is assumed, because its file does not say it: give `--{key}`. "


def _plain(value: int | tuple[int, ...]) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
