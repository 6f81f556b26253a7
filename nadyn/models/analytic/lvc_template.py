"""Linear vibronic coupling models in the files of SHARC, with spin-orbit couplings and dipoles.

Source: F. Plasser, S. Gómez, M. F. S. J. Menger, S. Mai and L. González, Phys. Chem. Chem. Phys. 21, 57
(2019), equations 1 to 9; the files are described in the SHARC manual, section "LVC interface".
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.models.analytic.normal_coordinates import NormalCoordinates
from nadyn.models.analytic.potential_file import read_normal_coordinates
from nadyn.models.analytic.vibronic import VibronicCoupling, vibronic_model
from nadyn.models.analytic.vibronic_parameters import VibronicParameters
from nadyn.models.spin_states import spin_states
from nadyn.structures import formula

_LETTERS = {1: "S", 2: "D", 3: "T", 4: "Q"}
_LISTS = ("epsilon", "kappa", "lambda")
_MATRICES = ("SOC", "DMX", "DMY", "DMZ")
# The largest difference of two elements that are to be equal: the files have about eight digits.
_HERMITIAN = 1e-6


def read_lvc(path: str | Path) -> VibronicCoupling:
    """Return the model of an `LVC.template`, with the file of the potential that its first line names.

    W_ab = δ_ab [Σ_m ω_m Q_m²/2 + ε_a + Σ_m κ_am Q_m] + Σ_m λ_abm Q_m within each multiplicity, in the
    dimensionless coordinates of the modes whose frequency is not 0, named by their numbers in the file.
    `spin_orbit` [hartree] and `dipoles` [e bohr] are the constant matrices SOC and DMX, DMY, DMZ of the spin
    states; a SOC of zeros counts as none. `frame` turns Cartesian geometries into these coordinates.

    Args:
        path: The template. All its numbers are in atomic units.

    Raises:
        InputError: A file is missing, or its content is not as described in the SHARC manual.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"`file` of an LVC model must be a file name, but is {path!r}.")
    path = Path(path)
    check_file(path, f"`file` {str(path)!r} of an LVC model")
    template = _parse(path)
    frame, numbers = read_normal_coordinates(path.parent / template.potential)
    model = vibronic_model(_parameters(template, frame, numbers))
    spin_orbit = _matrix(template, "SOC")
    dipoles = [_matrix(template, name) for name in _MATRICES[1:]]
    return replace(
        model,
        multiplicities=template.multiplicities,
        spin_orbit=spin_orbit if spin_orbit is not None and bool(spin_orbit.any()) else None,
        dipoles=None if any(d is None for d in dipoles) else torch.stack(dipoles, dim=-1),
        frame=frame,
    )


def sulfur_dioxide(variant: str) -> VibronicCoupling:
    """Return SO2 with three modes, from the templates that come with nadyn.

    Source: F. Plasser, S. Gómez, M. F. S. J. Menger, S. Mai and L. González, Phys. Chem. Chem. Phys. 21, 57
    (2019).

    Args:
        variant: "singlets" (three of them), or "triplets" (three more, and the spin-orbit coupling).

    Raises:
        InputError: Another variant.
    """
    if variant not in ("singlets", "triplets"):
        raise InputError(
            f"`variant` of model sulfur_dioxide must be singlets or triplets, but is {variant!r}."
        )
    return replace(
        read_lvc(shipped.path(f"sulfur_dioxide/{variant}.template")), name=f"sulfur-dioxide-{variant}"
    )


@dataclass(frozen=True)
class _Template:
    where: str
    potential: str
    states: tuple[int, ...]
    lists: dict[str, list[list[str]]] = field(default_factory=dict)
    matrices: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def multiplicities(self) -> tuple[int, ...]:
        return tuple(m for m, n in enumerate(self.states, start=1) for _ in range(n))

    @property
    def n_spin_states(self) -> int:
        return sum(m * n for m, n in enumerate(self.states, start=1))

    def state(self, multiplicity: int, number: int) -> int:
        """Return the row of state `number` of a multiplicity, both counted from 1."""
        if not 1 <= multiplicity <= len(self.states) or not 1 <= number <= self.states[multiplicity - 1]:
            raise InputError(
                f"{self.where}: states must be among those of line 2 ({' '.join(map(str, self.states))}), "
                f"but one is number {number} of multiplicity {multiplicity}."
            )
        return sum(self.states[: multiplicity - 1]) + number - 1


def _parse(path: Path) -> _Template:
    where = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} must be a text file, but is not.") from error
    lines = [words for line in text.splitlines() if (words := line.split("#")[0].split())]
    states = tuple(_numbers(lines[1], int, where)) if len(lines) > 1 else ()
    if not any(states) or min(states) < 0:
        raise InputError(
            f"{where} must begin with the file of the potential and the numbers of states of each "
            "multiplicity, but does not."
        )
    template = _Template(where, lines[0][0], states)
    at = 2
    while at < len(lines):
        name = " ".join(lines[at])
        if name in _LISTS:
            count = _numbers(lines[at + 1], int, where)[0] if at + 1 < len(lines) else 0
            at, end, into = at + 2, at + 2 + count, template.lists
            rows = lines[at:end]
        elif lines[at][0] in _MATRICES and lines[at][1:] in (["R"], ["I"]):
            at, end, into = at + 1, at + 1 + template.n_spin_states, template.matrices
            rows = [_numbers(words, float, where) for words in lines[at:end]]
            if any(len(row) != template.n_spin_states for row in rows):
                raise InputError(
                    f"{where}: `{name}` must have {template.n_spin_states} columns, one a spin state, "
                    "but has not."
                )
        else:
            raise InputError(
                f"{where}: sections must be among {', '.join((*_LISTS, *_MATRICES))}, but one is {name!r}. "
                "Quadratic terms can be given to a model {name: vibronic, file: parameters.json}."
            )
        cut = end > len(lines) or any(isinstance(row[0], str) and row[0][0].isalpha() for row in rows)
        if name in into or cut:
            problem = "is there twice" if name in into else "ends too early"
            raise InputError(f"{where}: section `{name}` must be there once and complete, but {problem}.")
        into[name], at = rows, end
    return template


def _numbers(words: list[str], kind: type, where: str) -> list:
    try:
        return [kind(word) for word in words]
    except ValueError:
        raise InputError(
            f"{where}: a line of numbers was expected, but one is {' '.join(words)!r}."
        ) from None


def _parameters(
    template: _Template, frame: NormalCoordinates, numbers: tuple[int, ...]
) -> VibronicParameters:
    where = template.where

    def mode(number: int) -> int:
        if number not in numbers:
            raise InputError(
                f"{where}: modes must be the vibrations of {template.potential} "
                f"({', '.join(map(str, numbers))}), but one is {number}."
            )
        return numbers.index(number)

    constant, linear = {}, {}
    for words in template.lists.get("epsilon", []):
        multiplicity, number, value = _entry(words, 2, where)
        state = template.state(multiplicity, number)
        constant[state, state] = constant.get((state, state), 0.0) + value
    for words in template.lists.get("kappa", []):
        multiplicity, number, vibration, value = _entry(words, 3, where)
        state = template.state(multiplicity, number)
        linear[state, state, mode(vibration)] = value
    for words in template.lists.get("lambda", []):
        multiplicity, first, second, vibration, value = _entry(words, 4, where)
        pair = sorted((template.state(multiplicity, first), template.state(multiplicity, second)))
        if pair[0] == pair[1]:
            raise InputError(f"{where}: `lambda` must couple two states, but one couples {first} to itself.")
        linear[(*pair, mode(vibration))] = value
    names = []
    for multiplicity, count in enumerate(template.states, start=1):
        letter, start = _LETTERS.get(multiplicity, f"M{multiplicity}-"), int(multiplicity > 2)
        names += [f"{letter}{start + number}" for number in range(count)]
    return VibronicParameters(
        name=f"lvc-{formula(frame.atomic_numbers)}",
        modes=tuple(map(str, numbers)),
        states=tuple(names),
        frequencies=tuple(frame.frequencies.tolist()),
        constant=constant,
        linear=linear,
        quadratic={},
    )


def _entry(words: list[str], n_indices: int, where: str) -> list:
    if len(words) != n_indices + 1:
        raise InputError(
            f"{where}: a line must have {n_indices} indices and a value, but one is {' '.join(words)!r}."
        )
    return [*_numbers(words[:-1], int, where), *_numbers(words[-1:], float, where)]


def _matrix(template: _Template, name: str) -> Tensor | None:
    parts = [template.matrices.get(f"{name} {part}") for part in "RI"]
    if parts == [None, None]:
        return None
    size = template.n_spin_states
    zero = [[0.0] * size] * size
    real, imaginary = (torch.tensor(part or zero, dtype=torch.float64) for part in parts)
    matrix = torch.complex(real, imaginary)
    if float((matrix - matrix.mH).abs().max()) > _HERMITIAN:
        raise InputError(f"{template.where}: `{name}` must be Hermitian, but is not.")
    if name != "SOC":
        _check_spin(template, name, matrix)
    return 0.5 * (matrix + matrix.mH)


def _check_spin(template: _Template, name: str, matrix: Tensor) -> None:
    spins = spin_states(template.multiplicities)
    multiplicity = torch.tensor(template.multiplicities)[spins.row]
    same = (spins.projection[:, None] == spins.projection) & (multiplicity[:, None] == multiplicity)
    if float(matrix[~same].abs().sum()) > 0.0:
        raise InputError(
            f"{template.where}: `{name}` must not connect different spins, but does. Check the order of "
            "its states."
        )
