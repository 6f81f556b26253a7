"""What a dataset is: groups of frames of one molecule each, in atomic units."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.checks.errors import InputError
from nadyn.data.arrays import ARRAYS


@dataclass(frozen=True)
class Group:
    """Frames of one molecule with a fixed order of atoms, in atomic units.

    Labels that a frame lacks are NaN; labels that no frame has are None. Build one with
    `nadyn.data.group_from_arrays`, which checks everything.

    Attributes:
        name: Name of the molecule; groups of one name are joined.
        atomic_numbers: One number an atom.
        positions: Nuclear positions [bohr].
        energies: Adiabatic energies [hartree], ordered by multiplicity, then by energy.
        forces: -∂E_k/∂R [hartree/bohr].
        interstate_couplings: h_kl = ⟨k|∇W|l⟩ [hartree/bohr] for the pairs k < l in lexicographic order.
        dipoles: ⟨k|μ|l⟩ [e bohr]: permanent on the diagonal, transition dipoles beside it.
        polarisabilities: α_k [bohr³] of each state, symmetric.
        dipole_origin: What the dipoles of an ion are about, see `nadyn.data.dipole_origin`; empty where
            nobody says it.
        charges: Charge of each atom [e], those of the lowest state.
        spin_orbit: Spin-orbit Hamiltonian [hartree] over all components, real and imaginary part last.
        spin_orbit_norms: √Σ|H|² [hartree] over the spin components of two states, where no more is known.
        eigenvectors: U of a diabatic matrix U E Uᵀ with the energies E; its rows are the same diabatic states
            in all frames, its columns have the signs of the couplings.
        cell: Cell vectors as rows [bohr].
        pbc: Which directions are periodic.
        stress: Stress [hartree/bohr³], ASE's sign.
        masses: Mass of each atom [electron mass]; None for those of the most abundant isotopes.
        charge: Total charge [e].
        multiplicities: 2S + 1 of each state.
        theory: Level of theory of the labels.
        source: Where the data are from.
        licence: Licence of the data.
        note: Anything else that a reader should know.
        assumed: Which of `charge` and `multiplicities` nobody says: they are 0, and those of singlets.
        weight: How much each frame counts in the loss, above 0; None where all count the same.
        tag: A word on each frame, such as where it is from; None where there are none.
        history: By which commands it was made from what, a line each; see `nadyn.data.history`.
        parts: Numbers of consecutive frames that came from one file each; empty for a group from one file.
    """

    name: str
    atomic_numbers: Int[np.ndarray, "atom"]
    positions: Float[np.ndarray, "frame atom 3"]
    energies: Float[np.ndarray, "frame state"]
    forces: Float[np.ndarray, "frame state atom 3"] | None = None
    interstate_couplings: Float[np.ndarray, "frame pair atom 3"] | None = None
    dipoles: Float[np.ndarray, "frame state state 3"] | None = None
    polarisabilities: Float[np.ndarray, "frame state 3 3"] | None = None
    charges: Float[np.ndarray, "frame atom"] | None = None
    spin_orbit: Float[np.ndarray, "frame spin_state spin_state 2"] | None = None
    spin_orbit_norms: Float[np.ndarray, "frame state state"] | None = None
    eigenvectors: Float[np.ndarray, "frame diabat state"] | None = None
    cell: Float[np.ndarray, "frame 3 3"] | None = None
    pbc: Bool[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3, dtype=bool))
    stress: Float[np.ndarray, "frame state 3 3"] | None = None
    masses: Float[np.ndarray, "atom"] | None = None
    charge: int = 0
    multiplicities: tuple[int, ...] = (1,)
    theory: str = ""
    source: str = ""
    licence: str = ""
    note: str = ""
    dipole_origin: str = ""
    assumed: frozenset[str] = frozenset()
    weight: Float[np.ndarray, "frame"] | None = None
    tag: tuple[str, ...] | None = None
    history: str = ""
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.charge:
            # Only 0 is ever assumed: whoever has changed it since has said it.
            object.__setattr__(self, "assumed", self.assumed - {"charge"})

    @property
    def n_frames(self) -> int:
        return len(self.positions)

    @property
    def n_atoms(self) -> int:
        return len(self.atomic_numbers)

    @property
    def n_states(self) -> int:
        return self.energies.shape[1]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of states k < l, in the order of `interstate_couplings`."""
        return state_pairs(self.n_states)

    def select(self, frames: Sequence[int] | Int[np.ndarray, "chosen"]) -> "Group":
        """Return the group with these frames only, in this order."""
        chosen = np.asarray(frames, dtype=np.int64)
        arrays = {name: array[chosen] for name, array in self.frame_arrays().items()}
        weight = None if self.weight is None else self.weight[chosen]
        tag = None if self.tag is None else tuple(self.tag[frame] for frame in chosen)
        parts: tuple[int, ...] = ()
        if self.parts and (np.diff(chosen) > 0).all():
            of_part = np.bincount(np.repeat(np.arange(len(self.parts)), self.parts)[chosen])
            parts = tuple(of_part[of_part > 0].tolist())
        return replace(self, **arrays, weight=weight, tag=tag, parts=parts)

    def frame_arrays(self) -> dict[str, np.ndarray]:
        """Return positions, cell and labels of the frames, without those that are None."""
        return {name: array for name in ARRAYS if (array := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Dataset:
    """Groups of frames, one a molecule, each with its own name."""

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        if not names:
            raise InputError("a dataset must hold a group, but holds none.")
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise InputError(f"groups must have different names, but {double!r} occurs twice. Join them.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(group.name for group in self.groups)

    @property
    def n_frames(self) -> int:
        return sum(group.n_frames for group in self.groups)

    def group(self, name: str) -> Group:
        """Return the group of that name.

        Raises:
            InputError: There is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise InputError(f"`name` must be one of {', '.join(self.names)}, but is {name!r}.")


def with_source(dataset: Dataset, source: str) -> Dataset:
    """Return the dataset with where it is from in every group."""
    return Dataset(tuple(replace(group, source=source) for group in dataset.groups))


def state_pairs(n_states: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs k < l in lexicographic order."""
    return tuple((k, l) for k in range(n_states) for l in range(k + 1, n_states))
