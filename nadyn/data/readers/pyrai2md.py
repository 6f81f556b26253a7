"""Training files of PyRAI2MD (JSON), with all multiplicities and sizes of spin-orbit couplings.

Positions are in ångström, energies in hartree, gradients in hartree/bohr, spin-orbit couplings in cm⁻¹. The
states stand by multiplicity, then energy. Which multiplicity a state has stands in the control file, not
here: it is given as an option, or follows from the number of spin-orbit couplings. What the file calls `nac`
is h, as OpenMolcas prints it ("CI derivative coupling"), for the pairs of states of one multiplicity. `soc`
is one number a pair of states, the root of the sum of squares over the spin components, and becomes
`spin_orbit_norms`. A gradient that was not computed is zero in the file, and NaN here.

Source: PyRAI2MD 2 (github.com/lopez-lab/PyRAI2MD), `training_data.py` and `qc_molcas.py`.
"""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.files import check_file
from nadyn.checks.json_text import parse_json
from nadyn.checks.packed import whole_text
from nadyn.data.dataset import Dataset, state_pairs
from nadyn.data.readers.reader import Reader, ReadOptions, in_words
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import atomic_number, formula
from nadyn.units import to_atomic_units

# Of the list that files of the first version hold instead of a mapping.
_OLD_ORDER = ("natom", "nstate", "xyz", "invr", "energy", "grad", "nac", "ci", "mo")
_READ = ("natom", "nstate", "nnac", "nsoc", "xyz", "energy", "grad", "nac", "soc")


def read_pyrai2md(path: str | Path, *, multiplicities: tuple[int, ...] | None = None) -> Dataset:
    """Read a training file; the module says what it holds.

    Warns (`InputWarning`) of multiplicities that were concluded, and of what is not read.

    Args:
        path: The file.
        multiplicities: 2S + 1 of each state.

    Raises:
        InputError: The file is missing or no training file, its arrays do not fit together, its states are
            of several multiplicities and nothing says of which, or the multiplicities given contradict the
            number of spin-orbit couplings.
    """
    path = Path(path)
    with located(f"PyRAI2MD file {str(path)!r}"):
        check_file(path, "the file")
        content = _content(whole_text(path))
        labels, positions, energies, gradients = _main_arrays(content)
        n_states = energies.shape[1]
        numbers = [atomic_number(label) for label in labels]
        couplings = _array(content, "nac")
        norms = _array(content, "soc")
        if multiplicities is not None and len(multiplicities) != n_states:
            raise InputError(
                f"`--multiplicities` must hold 2S+1 of each of the {n_states} states, but holds "
                f"{in_words(multiplicities)}."
            )
        n_norms = norms.shape[1] if norms is not None else 0
        if multiplicities is not None:
            _check_fit(multiplicities, n_norms)
        spins = multiplicities or _concluded(energies, n_norms)
        note = "" if multiplicities or spins is None else _conclusion(spins, n_norms)
        forces = -gradients
        forces[(gradients == 0.0).all(axis=(2, 3))] = np.nan
        group = group_from_arrays(
            formula(numbers),
            atomic_numbers=numbers,
            positions=positions * to_atomic_units("angstrom", "length"),
            energies=energies,
            forces=forces,
            interstate_couplings=_couplings(couplings, spins, n_states),
            spin_orbit_norms=_norms(norms, spins, n_states),
            multiplicities=spins,
            source=path.name,
            note=note,
        )
        return Dataset((replace(group, assumed=group.assumed | {"multiplicities"}) if note else group,))


def _content(text: str) -> dict[str, object]:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError("the file must be JSON, but cannot be read. Copy it again.") from error
    if isinstance(content, list) and len(content) == len(_OLD_ORDER):
        content = dict(zip(_OLD_ORDER, content, strict=True))
    missing = [
        key for key in ("xyz", "energy", "grad") if not isinstance(content, dict) or key not in content
    ]
    if missing:
        raise InputError(f"`{missing[0]}` must be there, but is missing. Training files of PyRAI2MD have it.")
    unread = sorted(set(content) - set(_READ) - {"invr", "ci", "mo"})
    if unread:
        warnings.warn(f"not read: {', '.join(unread)}.", InputWarning, stacklevel=3)
    return content


def _main_arrays(content: dict[str, object]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    frames = content["xyz"]
    try:
        labels = [[str(atom[0]) for atom in frame] for frame in frames]
        positions = np.array([[[float(x) for x in atom[1:4]] for atom in frame] for frame in frames])
    except (TypeError, ValueError, IndexError) as error:
        raise InputError("`xyz` must hold rows of a symbol and three numbers, but does not.") from error
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError("`xyz` must hold rows of a symbol and three numbers, but does not.")
    if any(other != labels[0] for other in labels):
        raise InputError("`xyz` must hold frames of one molecule with one order of atoms, but does not.")
    energies, gradients = _array(content, "energy"), _array(content, "grad")
    if energies is None or gradients is None or energies.ndim != 2:
        raise InputError("`energy` must have one row a frame and one number a state, but has not.")
    shape = (len(labels), energies.shape[1], len(labels[0]), 3)
    if gradients.shape != shape:
        raise InputError(f"`grad` must have shape {shape}, but has {gradients.shape}.")
    return labels[0], positions, energies, gradients


def _array(content: dict[str, object], key: str) -> np.ndarray | None:
    """Return an array of numbers; None if it is not there or empty, as `nac` and `soc` may be."""
    try:
        array = np.asarray(content.get(key, []), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{key}` must be an array of numbers, but is not.") from error
    return array if array.size and array.ndim > 1 else None


def _fitting(n_states: int, n_couplings: int) -> list[int]:
    """Return the numbers of singlets, beside triplets, that have so many couplings of two spins."""
    return [n for n in range(1, n_states) if n * (n_states - n) == n_couplings]


def _check_fit(spins: tuple[int, ...], n_couplings: int) -> None:
    """Refuse multiplicities of one or two kinds that would leave out the spin-orbit couplings."""
    n_low = spins.count(min(spins))
    fitting = _fitting(len(spins), n_couplings)
    if n_couplings and fitting and n_low not in fitting and len(set(spins)) < 3:
        others = " or ".join(in_words((1,) * n + (3,) * (len(spins) - n)) for n in fitting)
        here = n_low * (len(spins) - n_low)
        raise InputError(
            f"the file has {n_couplings} spin-orbit couplings a frame, as {others} has, but "
            f"`--multiplicities` says {in_words(spins)}, which has {here}: they would "
            "be left out. Correct the option, or remove it."
        )


def _concluded(energies: np.ndarray, n_couplings: int) -> tuple[int, ...] | None:
    """Return singlets and triplets whose numbers have the right product, in the order of the energies."""
    n_states = energies.shape[1]
    if n_couplings == 0:
        return None
    ascending = [
        n
        for n in _fitting(n_states, n_couplings)
        if (np.diff(energies[:, :n], axis=1) >= 0).all() and (np.diff(energies[:, n:], axis=1) >= 0).all()
    ]
    if len(ascending) != 1:
        raise InputError(
            f"the multiplicities of {n_states} states with {n_couplings} spin-orbit couplings must be given, "
            f"but are not. Give them as in `--multiplicities {' '.join(['1'] * (n_states - 1))} 3`."
        )
    n = ascending[0]
    spins = (1,) * n + (3,) * (n_states - n)
    warnings.warn(
        f"{_conclusion(spins, n_couplings)}. If they are not, give `--multiplicities`.",
        InputWarning,
        stacklevel=3,
    )
    return spins


def _conclusion(spins: tuple[int, ...], n_couplings: int) -> str:
    """Return what was concluded, as the warning says it and the dataset keeps it."""
    return (
        f"the file does not say which states are singlets and triplets: by its {n_couplings} spin-orbit "
        f"couplings and its energies they are taken as {in_words(spins)}"
    )


def _couplings(given: np.ndarray | None, spins: tuple[int, ...] | None, n_states: int) -> np.ndarray | None:
    if given is None:
        return None
    everything = state_pairs(n_states)
    pairs = everything
    if given.shape[1] != len(everything) and spins is not None:
        pairs = tuple((k, l) for k, l in everything if spins[k] == spins[l])
    if given.shape[1] != len(pairs):
        warnings.warn(
            f"`nac` must have {counted(len(pairs), 'pair of states')}, but has {given.shape[1]}, and which "
            "is not said: it was not read.",
            InputWarning,
            stacklevel=3,
        )
        return None
    result = np.full((len(given), len(everything), *given.shape[2:]), np.nan)
    result[:, [everything.index(pair) for pair in pairs]] = given
    return result


def _norms(given: np.ndarray | None, spins: tuple[int, ...] | None, n_states: int) -> np.ndarray | None:
    if given is None or spins is None:
        return None
    low = [k for k in range(n_states) if spins[k] == min(spins)]
    high = [k for k in range(n_states) if spins[k] != min(spins)]
    if given.shape[1] != len(low) * len(high):
        warnings.warn(
            f"`soc` must have {counted(len(low) * len(high), 'pair of states')}, but has {given.shape[1]}, "
            "and which is not said: it was not read.",
            InputWarning,
            stacklevel=3,
        )
        return None
    result = np.full((len(given), n_states, n_states), np.nan)
    values = given.reshape(len(given), len(low), len(high)) * to_atomic_units("cm-1", "energy")
    result[np.ix_(range(len(given)), low, high)] = values
    result[np.ix_(range(len(given)), high, low)] = values.transpose(0, 2, 1)
    return result


def _recognises(content: bytes) -> bool:
    text = content.lstrip()
    return text.startswith((b"{", b"[")) and (b'"natom"' in text or text[1:2].isdigit() or b'"xyz"' in text)


def _read(path: Path, options: ReadOptions) -> Dataset:
    return read_pyrai2md(path, multiplicities=options.multiplicities)


PYRAI2MD = Reader("training file of PyRAI2MD", _recognises, _read, frozenset({"multiplicities"}))
