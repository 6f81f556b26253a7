"""`drive`: LAMMPS moves atoms, a model gives energy, forces and virial, through `fix external`.

The fix is asked on every processor, in every step and every evaluation of a minimisation. One processor that
has all atoms asks the model as a run of nadyn would, in the cell of LAMMPS. Several share an atomic sum, see
`domain`.
"""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int, Integer

from nadyn.checks.errors import InputError, InputWarning
from nadyn.interfaces.bound_model import BoundModel, check_model, chosen_state, learned_part
from nadyn.interfaces.lammps.domain import Domain, Share
from nadyn.interfaces.lammps.failure import Failure
from nadyn.interfaces.lammps.program import LAMMPS, units_of
from nadyn.interfaces.lammps.shell import check_shell, needed_shell, widen
from nadyn.interfaces.whole_structure import whole
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.structures import atomic_number, is_element, symbol

if TYPE_CHECKING:
    from lammps import lammps

FIX = "nadyn"
# Components of a symmetric tensor in the order of LAMMPS.
_ROWS, _COLUMNS = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)


class Driver:
    """A model that drives a LAMMPS; build it with `drive`.

    Attributes:
        model: What was given.
        state: The adiabatic state, 0 is the lowest.
        novelty: Of the atoms of this processor at the last step, see `Evaluation`.
    """

    def __init__(
        self, lmp: "lammps", model: Model, numbers: Int[np.ndarray, "type"], state: int, skin: float
    ) -> None:
        self.model, self.state, self.novelty = model, state, 0.0
        self._lmp, self._units = lmp, units_of(lmp)
        self._numbers_of_types = numbers
        self._bound = BoundModel(model, LAMMPS)
        self._domain: Domain | None = None
        self._skin = skin
        self._listed_at: Float[np.ndarray, "atom 3"] | None = None
        self._has_warned = False
        self.failure = Failure(lmp)

    def called(
        self,
        caller: object,
        step: int,
        n_own: int,
        tags: Integer[np.ndarray, "own"],
        positions: Float[np.ndarray, "own 3"],
        forces: Float[np.ndarray, "own 3"],
    ) -> None:
        """Fill in forces, and hand energy and virial to LAMMPS; the callback of `fix external`."""
        with self.failure:
            if self._lmp.extract_setting("world_size") == 1:
                self._all_atoms(tags, positions, forces)
            else:
                self._own_atoms(forces)

    def _all_atoms(
        self,
        tags: Integer[np.ndarray, "own"],
        positions: Float[np.ndarray, "own 3"],
        forces: Float[np.ndarray, "own 3"],
    ) -> None:
        # The order of atoms in LAMMPS changes with time; the model is bound to one.
        order = np.argsort(tags, kind="stable")
        numbers = self._numbers_of_types[self._types(len(tags))[order] - 1]
        cell, pbc = self._cell()
        model = self._bound.at(tuple(numbers.tolist()), cell, pbc)
        places = torch.from_numpy(positions[order] * self._units.length)
        found = whole(model, places, cell, self.state)
        forces[order] = found.forces / self._units.force
        self.novelty = found.novelty
        self._warn(found.outside)
        self._hand_over(found.energy, found.virial)

    def _own_atoms(self, forces: Float[np.ndarray, "own 3"]) -> None:
        n_all = self._lmp.extract_setting("nall")
        n_own = len(forces)
        positions = (
            np.array(self._lmp.numpy.extract_atom("x", nelem=n_all, dim=3)) if n_all else np.zeros((0, 3))
        )
        numbers = self._numbers_of_types[self._types(n_all) - 1]
        known = self._domain
        if known is None or known.n_own != n_own or not np.array_equal(known.numbers, numbers):
            self._domain = Domain(learned_part(self.model), numbers, n_own)
        self._check_shell(positions, n_own)
        share = self._domain.share(positions * self._units.length)
        forces[:] = share.forces / self._units.force
        self.novelty = share.novelty
        self._hand_over(*self._summed(share))

    def _summed(self, share: Share) -> tuple[float, Float[np.ndarray, "3 3"]]:
        from mpi4py import MPI

        mine = np.concatenate([[share.energy], share.virial.ravel()])
        total = np.empty_like(mine)
        self._lmp.get_mpi_comm().Allreduce(mine, total, op=MPI.SUM)
        once = float(learned_part(self.model).potential.reference.offsets[0])
        return float(total[0]) + once, total[1:].reshape(3, 3)

    def _hand_over(self, energy: float, virial: Float[np.ndarray, "3 3"]) -> None:
        self._lmp.fix_external_set_energy_global(FIX, energy / self._units.energy)
        self._lmp.fix_external_set_virial_global(FIX, list(virial[_ROWS, _COLUMNS] / self._units.energy))

    def _types(self, n_atoms: int) -> Integer[np.ndarray, "atom"]:
        return np.array(self._lmp.numpy.extract_atom("type", nelem=n_atoms)) if n_atoms else np.zeros(0, int)

    def _cell(self) -> tuple[Float[torch.Tensor, "3 3"] | None, tuple[bool, bool, bool]]:
        low, high, xy, yz, xz, periodic, _ = self._lmp.extract_box()
        pbc = tuple(bool(one) for one in periodic)
        if not any(pbc):
            return None, pbc
        x, y, z = (b - a for a, b in zip(low, high, strict=True))
        rows = [[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]]
        return torch.tensor(rows, dtype=torch.float64) * self._units.length, pbc

    def _check_shell(self, positions: Float[np.ndarray, "atom 3"], n_own: int) -> None:
        """Refuse atoms that have gone farther since LAMMPS chose the ghosts than the shell has to spare."""
        if self._lmp.extract_setting("neigh_ago") == 0 or self._listed_at is None:
            self._listed_at = positions
            return
        way = np.linalg.norm(positions - self._listed_at, axis=1)
        farthest = way[:n_own].max(initial=0.0) + way.max(initial=0.0)
        if farthest > self._skin:
            raise InputError(
                f"two atoms must not move by more than {self._skin:.4g} together before LAMMPS makes "
                f"neighbour lists anew, but have moved by {farthest:.4g}. Give drive() the skin of the "
                "command neighbor, or use neigh_modify delay 0 every 1 check yes."
            )

    def _warn(self, sentence: str | None) -> None:
        if sentence is not None and not self._has_warned:
            self._has_warned = True
            warnings.warn(f"{sentence} This is said once.", InputWarning, stacklevel=2)


def drive(
    lmp: "lammps",
    model: Model,
    elements: Sequence[str],
    *,
    state: int | None = None,
    skin: float = 2.0,
) -> Driver:
    """Let a model give energy, forces and virial of all atoms of a LAMMPS, in every step from now on.

    It adds `fix nadyn all external pf/callback 1 1`; a pair style is not needed. On several processors it
    also lets LAMMPS tell each of them of atoms twice as far away as the model reaches (`comm_modify
    cutoff`). What is raised in a step ends the run and is raised by the command that began it.

    Args:
        lmp: Its box exists, its units are metal, real or electron.
        model: On one processor any model of Cartesian coordinates; one that is bound to its atoms finds them
            in the order of their IDs. On several, a ground-state potential without charges or dispersion.
        elements: Chemical symbol of each atom type, type 1 first.
        state: Adiabatic state, 0 is the lowest; may be left out where there is one only.
        skin: That of the command `neighbor`, in LAMMPS' unit of length.

    Raises:
        InputError: One of these does not fit the other, in one sentence.
    """
    check_model(model, LAMMPS)
    if not lmp.extract_setting("box_exist"):
        raise InputError("the box of LAMMPS must exist before a model drives it, but does not yet.")
    if lmp.has_id("fix", FIX):
        raise InputError(
            f"a LAMMPS must be driven by one model, but has a fix {FIX} already. Unfix it first."
        )
    driver = Driver(lmp, model, _numbers(lmp, model, elements), chosen_state(model, state), skin)
    before_a_run = None
    if lmp.extract_setting("world_size") > 1:
        needed = needed_shell(_shared(lmp, model), units_of(lmp), skin)
        widen(lmp, needed)
        before_a_run = partial(check_shell, lmp, needed)
    driver.failure.watch(before_a_run)
    lmp.command(f"fix {FIX} all external pf/callback 1 1")
    lmp.command(f"fix_modify {FIX} energy yes virial yes")
    lmp.set_fix_external_callback(FIX, driver.called, lmp)
    return driver


def _numbers(lmp: "lammps", model: Model, elements: Sequence[str]) -> Int[np.ndarray, "type"]:
    if isinstance(elements, str):
        raise InputError(
            f'`elements` must be a list, one symbol a type, but is {elements!r}. Use ["{elements}"].'
        )
    n_types = lmp.extract_setting("ntypes")
    if len(elements) != n_types:
        raise InputError(
            f"`elements` must name an element for each of the {n_types} atom types of LAMMPS, but names "
            f"{len(elements)}: {list(elements)}."
        )
    for number, name in enumerate(elements, 1):
        if not is_element(name):
            raise InputError(f"`elements` must be chemical symbols, but that of type {number} is {name!r}.")
    numbers = np.array([atomic_number(name) for name in elements])
    learned = learned_part(model)
    known = set(model.atomic_numbers if learned is None else learned.potential.network.elements)
    unknown = [symbol(int(number)) for number in numbers if int(number) not in known]
    if unknown:
        raise InputError(
            f"`elements` must be known to model {model.name} ({', '.join(map(symbol, sorted(known)))}), but "
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not. Train a model on such data."
        )
    return numbers


def _shared(lmp: "lammps", model: Model) -> LearnedModel:
    """Return the learned model that several processors share; refuse what cannot be."""
    n = lmp.extract_setting("world_size")
    start = f"a model must be shared by {n} processors of LAMMPS, but {model.name}"
    advice = "Use one processor."
    learned = learned_part(model)
    if learned is None or not learned.potential.is_atomic_sum:
        raise InputError(f"{start} is no sum over atoms: its states belong to all of them. {advice}")
    if learned.potential.is_longrange:
        raise InputError(f"{start} has charges or dispersion, which act at all distances. {advice}")
    if lmp.get_mpi_comm() is None:
        raise InputError(f"{start} cannot add up energies without mpi4py. pip install 'nadyn[lammps]'.")
    return learned
