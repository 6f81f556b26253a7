"""Derivatives of two-electron repulsion, contracted with the densities of all states at once.

Every two-electron energy here is a sum of forms J(X, Y) = Σ X_ij Y_kl (ij|kl) and K(X, Y) =
Σ X_ik Y_jl (ij|kl) of symmetric matrices over atomic orbitals. The integrals (∇i j|kl) are computed once a
geometry and serve the forms of all states and pairs of states; with density fitting, (∇i j|P) and (ij|∇P).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pyscf import df, gto, lib

# Bytes of integrals that are held at a time.
_BLOCK_BYTES = 400e6

Matrix = Float[np.ndarray, "ao ao"]


@dataclass(frozen=True)
class Form:
    """J(left, right) + exchange * K(left, right)."""

    left: Matrix
    right: Matrix
    exchange: float = 0.0


def repulsion_derivatives(
    mol: gto.Mole, energies: Sequence[Sequence[Form]]
) -> Float[np.ndarray, "energy atom 3"]:
    """Return the derivative of each sum of forms by the positions of the nuclei, at fixed matrices.

    Nuclei carry their orbitals along: ∂(ij|kl) = -(∇i j|kl) for each orbital on the nucleus that moves.
    """
    rights, sides = _both_sides(energies)
    n = mol.nao
    packed = _packed(np.stack(rights))
    full = np.stack([right for right in rights]).reshape(len(rights), n * n)
    result = np.zeros((len(energies), n, 3))
    ao = mol.ao_loc_nr()
    for first, last in _shell_blocks(mol, 3 * n * n * (n + 1) / 2 * 8, spare=2.2):
        here = slice(ao[first], ao[last])
        integrals = mol.intor(
            "int2e_ip1", comp=3, aosym="s2kl", shls_slice=(first, last, *(0, mol.nbas) * 3)
        ).reshape(3, ao[last] - ao[first], n, -1)
        coulomb = integrals @ packed.T
        exchange = np.empty((3, ao[last] - ao[first], n, len(rights)))
        for x in range(3):
            for i in range(ao[last] - ao[first]):
                # (k, j l) from (j, k l).
                square = lib.unpack_tril(integrals[x, i]).transpose(1, 0, 2).reshape(n, n * n)
                exchange[x, i] = square @ full.T
        for energy, number, left, factor in sides:
            both = coulomb[..., number] + factor * exchange[..., number] if factor else coulomb[..., number]
            result[energy, here] -= 2.0 * np.einsum("xij,ij->ix", both, left[here])
    return _by_atom(mol, result)


def fitted_repulsion_derivatives(
    mol: gto.Mole, fitting: df.DF, energies: Sequence[Sequence[Form]]
) -> Float[np.ndarray, "energy atom 3"]:
    """Return what `repulsion_derivatives` does for (ij|kl) = Σ (ij|P) V⁻¹_PQ (Q|kl), fitting functions too.

    With Z^P_ij = Σ_Q V⁻¹_PQ X_ik (Q|kl) Y_lj the derivative of K is 2 Σ ∂(ij|P) Z^P_ij - Σ ∂V_PQ Z^PQ;
    that of J likewise with its own Z.
    """
    auxiliary = fitting.auxmol
    n, n_fit = mol.nao, auxiliary.nao
    three = df.incore.aux_e2(mol, auxiliary, "int3c2e", aosym="s1").reshape(n * n, n_fit)
    metric = auxiliary.intor("int2c2e")
    fitted = np.linalg.solve(metric, three.T).reshape(n_fit, n, n)
    del three
    by_orbital = np.zeros((len(energies), n, 3))
    by_function = np.zeros((len(energies), n_fit, 3))
    metric_gradient = auxiliary.intor("int2c2e_ip1", comp=3)
    weights = []
    exchanged: dict[int, np.ndarray] = {}
    for number, forms in enumerate(energies):
        lefts, rights = (np.stack([getattr(form, side) for form in forms]) for side in ("left", "right"))
        first, second = (
            fitted.reshape(n_fit, -1) @ side.reshape(len(forms), -1).T for side in (lefts, rights)
        )
        both = np.concatenate([rights, lefts]).reshape(2 * len(forms), -1)
        total = (0.5 * np.hstack([first, second]) @ both).reshape(n_fit, n, n)
        square = first @ second.T
        for form in forms:
            if form.exchange:
                # The densities of core and average stand on the left of the forms of all energies.
                if id(form.left) not in exchanged:
                    exchanged[id(form.left)] = form.left @ fitted
                product = exchanged[id(form.left)] @ (0.5 * form.exchange * form.right)
                total += product
                total += product.transpose(0, 2, 1)
                square += 2.0 * (fitted.reshape(n_fit, -1) @ product.reshape(n_fit, -1).T)
        square = 0.5 * (square + square.T)
        by_function[number] += 2.0 * np.einsum("xpq,pq->px", metric_gradient, square)
        weights.append(total)
    ao, functions = mol.ao_loc_nr(), auxiliary.ao_loc_nr()
    for first, last in _shell_blocks(auxiliary, 6.0 * n * n * 8, spare=1.0):
        shells = (0, mol.nbas, 0, mol.nbas, mol.nbas + first, mol.nbas + last)
        here = slice(functions[first], functions[last])
        both = gto.conc_mol(mol, auxiliary)
        moved = both.intor("int3c2e_ip1", comp=3, shls_slice=shells)
        for number, total in enumerate(weights):
            by_orbital[number] -= 4.0 * np.einsum("xijp,pij->ix", moved, total[here], optimize=True)
        moved = both.intor("int3c2e_ip2", comp=3, shls_slice=shells)
        for number, total in enumerate(weights):
            by_function[number, here] -= 2.0 * np.einsum("xijp,pij->px", moved, total[here], optimize=True)
    del ao
    return _by_atom(mol, by_orbital) + _by_atom(auxiliary, by_function)


def _both_sides(
    energies: Sequence[Sequence[Form]],
) -> tuple[list[Matrix], list[tuple[int, int, Matrix, float]]]:
    """Return the different matrices, and what meets their potentials: energy, number, matrix, exchange."""
    rights: list[Matrix] = []
    numbers: dict[int, int] = {}
    sides = []
    for energy, forms in enumerate(energies):
        for form in forms:
            for left, right in ((form.left, form.right), (form.right, form.left)):
                if id(right) not in numbers:
                    numbers[id(right)] = len(rights)
                    rights.append(right)
                sides.append((energy, numbers[id(right)], left, form.exchange))
    return rights, sides


def _packed(matrices: Float[np.ndarray, "matrix ao ao"]) -> np.ndarray:
    """Lower triangles whose product with packed integrals is the sum over the whole matrix."""
    triangles = lib.pack_tril(2.0 * matrices)
    diagonal = np.arange(matrices.shape[-1])
    triangles[:, diagonal * (diagonal + 1) // 2 + diagonal] *= 0.5
    return triangles


def _shell_blocks(mol: gto.Mole, bytes_each: float, *, spare: float) -> list[tuple[int, int]]:
    """Return ranges of shells whose integrals fit into memory; `bytes_each` of one orbital."""
    most = max(1.0, _BLOCK_BYTES / (spare * bytes_each))
    ao, blocks, first = mol.ao_loc_nr(), [], 0
    for shell in range(1, mol.nbas + 1):
        if shell == mol.nbas or ao[shell + 1] - ao[first] > most:
            blocks.append((first, shell))
            first = shell
    return blocks


def _by_atom(mol: gto.Mole, by_orbital: Float[np.ndarray, "energy ao 3"]) -> np.ndarray:
    slices = mol.aoslice_by_atom()[:, 2:]
    return np.stack([by_orbital[:, begin:end].sum(axis=1) for begin, end in slices], axis=1)


RepulsionDerivatives = Callable[[Sequence[Sequence[Form]]], np.ndarray]
