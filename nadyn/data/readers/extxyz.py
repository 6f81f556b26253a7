"""Extended xyz files with one or several electronic states, read into datasets.

Units are those of ASE: eV and ångström, stress in eV/ångström³ with ASE's sign. What is read of a frame:

- energy of one state: `REF_energy` or `energy`, the first that is there; of several: `energies` with one
  number a state, or `energy_0`, `energy_1`, …; or `REF_energy` with one number a state, as X-MACE has it.
- forces of one state: `REF_forces`, `forces` or `force`, the first that is there; of several: `forces_0`,
  `forces_1`, … (a state without is NaN), or `forces` with 3 n_states columns, state after state; or
  `REF_forces` in the header, (atom, state, 3) as X-MACE has it, or (state, atom, 3).
- couplings: `interstate_couplings_0_1`, …, which are h_kl in eV/ångström, 3 columns.
- cell: `Lattice` and `pbc`; for one state `stress` or `REF_stress` (9 numbers), or `virial`, `virials`,
  `REF_virial` or `REF_virials` = -volume · stress; in the units that are given for energies and positions.
- `charges`: of each atom, those of the lowest state.
- `charge`, and `multiplicities` with one number a state.
- `nadyn_weight` and `nadyn_tag`: how much the frame counts in a training, and a word on it; of a group in its
  first frame `nadyn_theory`, `nadyn_source`, `nadyn_licence`, `nadyn_note` and `nadyn_history`.
- masses in u: the column `masses`; the symbols D and T are hydrogen with the mass of the isotope.

Names of energies, forces and couplings, and units, may be given. Couplings under a given name need a unit,
because programs differ: an energy over a length is h, one over a length is d. Labels that stand there under a
name that is not read are warned of.

Frames with the same atoms in the same order, masses and periodic directions are a group, named by the
chemical formula or by `nadyn_group`; a second kind of group with that name is `C2H6O_2`. A `Lattice` without
any periodic direction is a box drawn around a molecule and is not kept, unless it cuts molecules.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import ase
import ase.io

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_text
from nadyn.data.dataset import Dataset
from nadyn.data.readers.ase_frames import dataset_of_frames
from nadyn.data.readers.extxyz_labels import OPTIONS, Keys
from nadyn.data.readers.extxyz_text import FrameNotes, prepared
from nadyn.data.readers.reader import Reader, ReadOptions
from nadyn.data.validation import located

# What ASE raises at a file that is not as it should be; RuntimeError: a frame ends where it begins.
UNREADABLE = (ValueError, KeyError, IndexError, AssertionError, ase.io.ParseError, RuntimeError, OSError)


def read_extxyz(
    path: str | Path,
    options: ReadOptions | None = None,
    *,
    theory: str = "",
    source: str = "",
    licence: str = "",
) -> Dataset:
    """Read an extended xyz file; the module says which names are understood.

    Args:
        path: The file, which may be packed by gzip.
        options: Names and units of labels that differ from the usual ones, and the multiplicities.
        theory: Level of theory of the labels.
        source: Where the data are from; the name of the file if empty.
        licence: Licence of the data.

    Raises:
        InputError: The file is missing or cannot be read, a frame has no energy, frames of one molecule have
            different numbers of states, the file says other multiplicities, or what `group_from_arrays`
            refuses.
    """
    path, options = Path(path), options or ReadOptions()
    with located(f"extended xyz file {str(path)!r}"):
        check_file(path, "the file")
        text, notes = prepared(whole_text(path))
        frames = (
            (atoms, notes[number] if number < len(notes) else FrameNotes())
            for number, atoms in enumerate(_frames(text))
        )
        dataset = dataset_of_frames(frames, Keys.of(options), options.multiplicities)
    given = {"theory": theory, "source": source, "licence": licence}
    usual = Dataset(tuple(replace(group, source=group.source or path.name) for group in dataset.groups))
    chosen = {key: text for key, text in given.items() if text}
    return Dataset(tuple(replace(group, **chosen) for group in usual.groups))


def why_unreadable(error: Exception) -> str:
    """Return what ASE says of text that it cannot read, in words."""
    if isinstance(error, KeyError):
        # A dictionary of symbols says only what it was asked for.
        return f"{error} is no element"
    return str(error).split("\n")[0].removeprefix("ase.io.extxyz: ") or type(error).__name__


def _frames(text: str) -> Iterator[ase.Atoms]:
    reader = ase.io.iread(StringIO(text), index=":", format="extxyz")
    number = 0
    while True:
        try:
            atoms = next(reader)
        except StopIteration:
            return
        except UNREADABLE as error:
            reason = why_unreadable(error)
            raise InputError(f"frame {number} must be readable, but is not: {reason}.") from error
        yield atoms
        number += 1


def _recognises(content: bytes) -> bool:
    """An extended xyz file begins with the number of atoms."""
    first, _, rest = content.partition(b"\n")
    return first.strip().isdigit() and b"\n" in rest


EXTXYZ = Reader("extended xyz file", _recognises, read_extxyz, OPTIONS)
