"""QM.out as the interfaces of SHARC write it, from arrays by spin component."""

import numpy as np


def number(x):
    """Return a number with an exponent of three digits, as SHARC writes it."""
    mantissa, exponent = f"{x: .12e}".split("e")
    return f"{mantissa}E{int(exponent):+04d}"


def _rows(array):
    return "".join(" ".join(number(x) for x in row) + " \n" for row in array)


def components(counts):
    """Return (multiplicity, number from 1, M_S) of each component, in the order of SHARC."""
    return [
        (spin, state + 1, m - 0.5 * (spin - 1))
        for spin, count in enumerate(counts, start=1)
        for m in range(spin)
        for state in range(count)
    ]


def states(counts):
    """Return the place among the states of each component."""
    order = [(spin, state + 1) for spin, count in enumerate(counts, start=1) for state in range(count)]
    return [order.index(one[:2]) for one in components(counts)]


def qm_out(counts, energies, forces=None, d=None, dipoles=None, *, version=3, runtime="1.200E+001"):
    """Return the text; arrays are by state, `d` (state, state, atom, 3)."""
    names, state = components(counts), states(counts)
    n = len(names)
    n_atoms = 3 if forces is None else forces.shape[1]

    def same(a, b):
        return names[a][0] == names[b][0] and names[a][2] == names[b][2]

    text = ""
    if version == 4:
        text += f"! 0 Basic information\nstates {' '.join(map(str, counts))}\nnmstates {n}\nnatom {n_atoms}\n"
        text += f"npc 0\ncharges {' '.join('0' for _ in counts)}\n"
    table = np.zeros((n, 2 * n))
    table[range(n), range(0, 2 * n, 2)] = [energies[state[a]] for a in range(n)]
    text += f"! 1 Hamiltonian Matrix ({n}x{n}, complex)\n{n} {n}\n{_rows(table)}\n"
    if dipoles is not None:
        text += f"! 2 Dipole Moment Matrices (3x{n}x{n}, complex)\n"
        for axis in range(3):
            table = np.zeros((n, 2 * n))
            for a in range(n):
                for b in range(n):
                    table[a, 2 * b] = dipoles[state[a], state[b], axis] * same(a, b)
            text += f"{n} {n}\n{_rows(table)}"
    if forces is not None:
        text += f"! 3 Gradient Vectors ({n}x{n_atoms}x3, real)\n"
        for a, (spin, one, m) in enumerate(names):
            text += f"{n_atoms} 3 ! m1 {spin} s1 {one} ms1 {m:g}\n{_rows(-forces[state[a]])}"
    if d is not None:
        text += f"! 5 Non-adiabatic couplings (ddr) ({n}x{n}x{n_atoms}x3, real)\n"
        for a, (spin, one, m) in enumerate(names):
            for b, (spin2, other, m2) in enumerate(names):
                text += f"{n_atoms} 3 ! m1 {spin} s1 {one} ms1 {m:g}   m2 {spin2} s2 {other} ms2 {m2:g}\n"
                text += _rows(d[state[a], state[b]] * same(a, b))
    return text + f"! 8 Runtime\n{runtime}\n"
