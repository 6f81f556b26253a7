"""Labels from a function that a user writes: positions in, a mapping of arrays out.

    def label(positions):                       # (atom, 3), in the unit that the section names
        if not_converged:
            raise RuntimeError("no convergence in 50 cycles")
        return {"energies": e, "forces": f}     # (state), (state, atom, 3)

May also be returned: `interstate_couplings` (pair, atom, 3), which are h_kl = ⟨k|∇H|l⟩ = (E_l - E_k) d_kl for
the pairs 01, 02, …, 12, … with any sign of the states; `dipoles` (state, state, 3); `doubt`, a sentence why
the label is not to be trusted. A force or coupling that is not known is NaN as a whole. What the function
raises makes a failed label with that reason.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from pydantic import Field

from nadyn.checks.configuration import Configuration
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.nearest import nearest
from nadyn.checks.shapes import check_shape
from nadyn.electronic.labels import Known, Label
from nadyn.interfaces.answers import axes_of, failed, label_of
from nadyn.interfaces.foreign_code import imported, outcome_of
from nadyn.units import to_atomic_units

ARRAYS = ("energies", "forces", "interstate_couplings", "dipoles")
_HINTS = {
    "energies": "One number a state; give `multiplicities`, one a state, in the source.",
    "forces": "The axes are state, atom, xyz; for one state return forces[None].",
    "interstate_couplings": "The axes are pair, atom, xyz, with the pairs 01, 02, …, 12, …",
    "dipoles": "The axes are state, state, xyz.",
}
_OTHER_WORDS = {
    "energy": "Return `energies`, an array with one number a state.",
    "force": "Return `forces`, (state, atom, 3).",
    "gradient": "Return `forces`, which are minus the gradients.",
    "gradients": "Return `forces`, which are minus the gradients.",
    "nac": "Return `interstate_couplings`, h_kl = (E_l - E_k) d_kl, one entry a pair.",
    "nacs": "Return `interstate_couplings`, h_kl = (E_l - E_k) d_kl, one entry a pair.",
}


class PythonSection(Configuration):
    """A function of the user: {function: "surfaces.py:label", theory: my method, multiplicities: [1, 1]}.

    `function` is "file.py:name" or "package.module:name". It is called with the positions in `length_unit`,
    and `options` as keyword arguments; energies come back in `energy_unit`, forces and couplings in
    energy_unit/length_unit, dipoles in e*length_unit. `gives` names what it returns beside the energies.
    """

    function: str
    theory: str = Field(min_length=1)
    multiplicities: tuple[int, ...] = Field(default=(1,), min_length=1)
    charge: int = 0
    length_unit: str = "bohr"
    energy_unit: str = "hartree"
    gives: tuple[str, ...] = ("forces",)
    options: dict[str, object] = Field(default_factory=dict)

    # Where it lies is no matter of the labels; `theory` says what they are.
    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = ("function",)

    def beside(self, folder: Path) -> "PythonSection":
        """Return the section with the path of a file taken from `folder`."""
        file, colon, name = self.function.rpartition(":")
        if not file.endswith(".py"):
            return self
        return self.model_copy(update={"function": f"{folder / file}{colon}{name}"})

    def source(self, atomic_numbers: Sequence[int]) -> "PythonSource":
        """Return the source for these atoms, in this order.

        Raises:
            InputError: There is no such function, a unit is unknown, or `gives` names what is no label.
        """
        return _source(self, atomic_numbers)


@dataclass(frozen=True)
class PythonSource:
    """A function as a label source; built by its section."""

    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    gives: frozenset[str]
    function: str
    options: dict[str, object]
    length_unit: str
    energy_unit: str
    name: str = field(default="python", init=False)

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label:
        """Return the label of one geometry [bohr]; what the function raises makes a failed one.

        Raises:
            InputError: The function is not there, or returns something else than arrays of the right shape.
        """
        # By name, because a function from a file cannot be sent to another process.
        call = _function(self.function)
        length = to_atomic_units(self.length_unit, "length")
        energy = to_atomic_units(self.energy_unit, "energy")
        outcome = outcome_of(lambda: call(positions / length, **self.options))
        n_states = len(self.multiplicities)
        if outcome.problem:
            return failed(outcome.problem, n_states, seconds=outcome.seconds)
        answer = outcome.value
        factors = dict(zip(ARRAYS, (energy, energy / length, energy / length, length), strict=True))
        arrays = {
            key: array * factors[key] for key, array in self._checked(answer).items() if array is not None
        }
        return label_of(
            arrays,
            multiplicities=self.multiplicities,
            n_atoms=len(self.atomic_numbers),
            seconds=outcome.seconds,
            doubt=str(answer.get("doubt") or ""),
        )

    def _checked(self, answer: object) -> dict[str, np.ndarray]:
        if not isinstance(answer, Mapping):
            raise InputError(
                f"function {self.function} must return a mapping with `energies`, but returns "
                f"{type(answer).__name__}."
            )
        for key in answer:
            if key not in (*ARRAYS, "doubt"):
                raise InputError(
                    f"function {self.function} must return known arrays, but returns {key!r}. {_advice(key)}"
                )
        for key in ("energies", *sorted(self.gives)):
            if answer.get(key) is None:
                raise InputError(
                    f"function {self.function} must return `{key}`, but does not. Return it, as NaN where it "
                    "is not known, or leave it out of `gives`."
                )
        found = {}
        for key in ARRAYS:
            if answer.get(key) is None:
                continue
            if key != "energies" and key not in self.gives:
                raise InputError(
                    f"function {self.function} must return what `gives` names, but returns `{key}` too. "
                    f"Add it: gives: [{', '.join(sorted({*self.gives, key}))}]."
                )
            try:
                found[key] = np.asarray(answer[key], dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"function {self.function} must return `{key}` as an array of numbers, but does not."
                ) from error
            expected = axes_of(key, len(self.multiplicities), len(self.atomic_numbers))
            check_shape(f"{key}` of function `{self.function}", found[key].shape, expected, _HINTS[key])
        return found


def _source(section: PythonSection, atomic_numbers: Sequence[int]) -> PythonSource:
    file, colon, name = section.function.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise InputError(
            "`function` must be file.py:name or package.module:name, but is "
            f"{section.function!r}. Try surfaces.py:label."
        )
    to_atomic_units(section.length_unit, "length")
    to_atomic_units(section.energy_unit, "energy")
    for key in section.gives:
        if key not in ARRAYS[1:]:
            near = nearest(key, ARRAYS[1:])
            raise InputError(
                f"`gives` must hold words among {', '.join(ARRAYS[1:])}, but holds {key!r}."
                + (f" Did you mean {near}?" if near else "")
            )
    if any(spin < 1 for spin in section.multiplicities) or list(section.multiplicities) != sorted(
        section.multiplicities
    ):
        raise InputError(
            f"`multiplicities` must hold 2S + 1 of each state, in ascending order, but is "
            f"{list(section.multiplicities)}."
        )
    function = f"{Path(file).absolute()}:{name}" if file.endswith(".py") else section.function
    _function(function)
    return PythonSource(
        theory=section.theory,
        atomic_numbers=tuple(int(number) for number in atomic_numbers),
        charge=section.charge,
        multiplicities=section.multiplicities,
        gives=frozenset(section.gives),
        function=function,
        options=section.options,
        length_unit=section.length_unit,
        energy_unit=section.energy_unit,
    )


def _function(named: str) -> Callable[..., object]:
    """Return a function by its name; a file is run once in a process."""
    file, _, name = named.rpartition(":")
    if not file.endswith(".py"):
        found = imported(f"{file}.{name}", key="function")
    else:
        module = _module(Path(file))
        if not hasattr(module, name):
            raise InputError(f"`function` must be in {file!r}, but {name!r} is not there. Check the name.")
        found = getattr(module, name)
    if not callable(found):
        raise InputError(f"`function` must be a function, but {named} is {type(found).__name__}.")
    return found


def _module(path: Path) -> object:
    known = f"nadyn_label_function:{path}"
    if known in sys.modules:
        return sys.modules[known]
    check_file(path, f"the file {str(path)!r} of `function`")
    spec = importlib.util.spec_from_file_location(known, path)
    module = importlib.util.module_from_spec(spec)
    # Before it runs, as an import does: dataclasses in it look themselves up.
    sys.modules[known] = module
    outcome = outcome_of(lambda: spec.loader.exec_module(module))
    if outcome.problem:
        del sys.modules[known]
        raise InputError(f"the file {str(path)!r} of `function` must run, but raised {outcome.problem}.")
    return module


def _advice(key: object) -> str:
    word = str(key).lower()
    if word in _OTHER_WORDS:
        return _OTHER_WORDS[word]
    near = nearest(word, (*ARRAYS, "doubt"))
    return f"Did you mean `{near}`?" if near else f"Known: {', '.join((*ARRAYS, 'doubt'))}."
