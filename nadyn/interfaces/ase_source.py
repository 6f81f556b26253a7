"""Labels from any calculator of ASE, the Atomic Simulation Environment: energy and forces of one state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, get_calculator_class
from jaxtyping import Float
from pydantic import Field

from nadyn.checks.configuration import Configuration
from nadyn.checks.errors import InputError
from nadyn.electronic.labels import Known, Label
from nadyn.interfaces.answers import failed, label_of
from nadyn.interfaces.foreign_code import imported, outcome_of
from nadyn.units import ANGSTROM_PER_BOHR, to_atomic_units

_ENERGY = to_atomic_units("eV", "energy")
_FORCE = to_atomic_units("eV/angstrom", "force")

# Calculators that ASE itself does not list by name, and what they are given where nothing is said.
_NAMED: dict[str, tuple[str, dict[str, object]]] = {
    "tblite": ("tblite.ase.TBLite", {"verbosity": 0}),
    "xtb": ("tblite.ase.TBLite", {"verbosity": 0}),
}


class AseSection(Configuration):
    """A calculator of ASE: {calculator: tblite, options: {method: GFN2-xTB}}.

    `calculator` is tblite (or xtb), a name that ASE knows (emt, orca, …), or a dotted name of a class or
    function; `options` are its keyword arguments. `charge` and `multiplicity` are handed over as ASE does it,
    as sums of the initial charges and magnetic moments; a calculator that takes no notice of those needs them
    among its options too.
    """

    calculator: str
    options: dict[str, object] = Field(default_factory=dict)
    charge: int = 0
    multiplicity: int = Field(default=1, ge=1)

    def source(self, atomic_numbers: Sequence[int]) -> "AseSource":
        """Return the source for these atoms, in this order.

        Raises:
            InputError: There is no such calculator, its package is not installed, it refuses the options, or
                it knows no energies.
        """
        return _source(self, atomic_numbers)


@dataclass(frozen=True)
class AseSource:
    """A calculator of ASE as a label source; built by its section.

    Every label is computed by a calculator made anew, so that none depends on those before it.
    """

    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    gives: frozenset[str]
    make: Callable[..., Calculator]
    options: dict[str, object]
    name: str = field(default="ase", init=False)

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label:
        """Return the label of one geometry [bohr]; what the calculator raises makes a failed one.

        Raises:
            InputError: A module that the calculator needs is missing.
        """

        def compute() -> dict[str, np.ndarray]:
            atoms = self._atoms(positions)
            atoms.calc = self.make(**self.options)
            arrays = {"energies": np.array([atoms.get_potential_energy()]) * _ENERGY}
            if "forces" in self.gives:
                arrays["forces"] = np.array(atoms.get_forces())[None] * _FORCE
            return arrays

        outcome = outcome_of(compute)
        if outcome.problem:
            return failed(outcome.problem, 1, seconds=outcome.seconds)
        return label_of(
            outcome.value,
            multiplicities=self.multiplicities,
            n_atoms=len(self.atomic_numbers),
            seconds=outcome.seconds,
        )

    def _atoms(self, positions: Float[np.ndarray, "atom 3"]) -> Atoms:
        atoms = Atoms(numbers=self.atomic_numbers, positions=positions * ANGSTROM_PER_BOHR)
        # On one atom: shares of all atoms may sum to 0.9999, which some calculators cut to 0.
        first = np.arange(len(atoms)) == 0
        if self.charge:
            atoms.set_initial_charges(np.where(first, float(self.charge), 0.0))
        if self.multiplicities[0] > 1:
            atoms.set_initial_magnetic_moments(np.where(first, self.multiplicities[0] - 1.0, 0.0))
        return atoms


def _source(section: AseSection, atomic_numbers: Sequence[int]) -> AseSource:
    path, defaults = _NAMED.get(section.calculator.lower(), (section.calculator, {}))
    make = imported(path, key="calculator") if "." in path else _known_to_ase(path)
    options = {**defaults, **section.options}
    made = outcome_of(lambda: make(**options))
    if made.problem:
        raise InputError(
            f"`calculator` {section.calculator} must take its `options`, but raised {made.problem}."
        )
    known = getattr(made.value, "implemented_properties", None)
    if known is None or "energy" not in known:
        raise InputError(
            f"`calculator` {section.calculator} must be a calculator of ASE that knows energies, but is none."
        )
    said = {key: value for key, value in options.items() if key not in defaults or key in section.options}
    words = [f"ASE {path}", *(f"{key}={value}" for key, value in sorted(said.items()))]
    return AseSource(
        theory=" ".join(words),
        atomic_numbers=tuple(int(number) for number in atomic_numbers),
        charge=section.charge,
        multiplicities=(section.multiplicity,),
        gives=frozenset({"forces"} & set(known)),
        make=make,
        options=options,
    )


def _known_to_ase(name: str) -> Callable[..., Calculator]:
    found = outcome_of(lambda: _class_of_ase(name))
    if found.value is None:
        raise InputError(
            "`calculator` must be tblite, a name that ASE knows or a dotted name as in package.module.Class, "
            f"but is {name!r} ({found.problem})."
        )
    return found.value


def _class_of_ase(name: str) -> Callable[..., Calculator]:
    try:
        return get_calculator_class(name)
    except ImportError as error:
        raise LookupError(str(error)) from error
