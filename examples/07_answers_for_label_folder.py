"""A stand-in for a program that `nadyn label` waits for: reads QM.in as SHARC's interfaces do, writes QM.out.

    cd asked/H2O_2a739f97bb8b && python ../../examples/07_answers_for_label_folder.py QM.in

Two harmonic states take the place of the quantum chemistry. Exchange `surfaces` for your own program, and
keep `write_qm_out` if it does not speak the language of SHARC yet.
"""

import argparse
from pathlib import Path

import numpy as np


def surfaces(positions):
    """Return energies, gradients and d_01 = <0|grad 1> of two states, in atomic units."""
    way = positions - positions.mean(axis=0)
    square = (way**2).sum()
    energies = np.array([-76.0 + 0.05 * square, -75.7 + 0.06 * square])
    return energies, np.stack([0.10 * way, 0.12 * way]), 0.3 * np.roll(way, 1, axis=1)


def read_qm_in(path):
    """Return the positions [bohr] of QM.in."""
    lines = path.read_text(encoding="utf-8").splitlines()
    n_atoms = int(lines[0])
    return np.array([line.split()[1:4] for line in lines[2 : 2 + n_atoms]], dtype=float)


def write_qm_out(path, energies, gradients, derivatives):
    """Write what was asked for; block 8 is the end of the file and comes last."""
    n, n_atoms = len(energies), gradients.shape[1]
    hamiltonian = np.zeros((n, 2 * n))  # real and imaginary parts in turn
    hamiltonian[range(n), range(0, 2 * n, 2)] = energies
    lines = [f"! 1 Hamiltonian Matrix ({n}x{n}, complex)", f"{n} {n}", *rows(hamiltonian)]
    lines.append(f"! 3 Gradient Vectors ({n}x{n_atoms}x3, real)")
    for gradient in gradients:
        lines += [f"{n_atoms} 3", *rows(gradient)]
    lines.append(f"! 5 Non-adiabatic couplings (ddr) ({n}x{n}x{n_atoms}x3, real)")
    for k in range(n):
        for l in range(n):
            lines += [f"{n_atoms} 3", *rows(derivatives[k, l])]
    lines += ["! 8 Runtime", "1.0E+00"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows(table):
    """Return the lines of a table with all digits."""
    return [" ".join(f"{x: .12E}" for x in row) for row in table]


def main():
    """Answer one request."""
    parser = argparse.ArgumentParser(description="Answer a QM.in with a QM.out in the working folder.")
    parser.add_argument("request", type=Path)
    energies, gradients, d = surfaces(read_qm_in(parser.parse_args().request))
    derivatives = np.zeros((2, 2, *d.shape))
    derivatives[0, 1], derivatives[1, 0] = d, -d
    write_qm_out(Path("QM.out"), energies, gradients, derivatives)


if __name__ == "__main__":
    main()
