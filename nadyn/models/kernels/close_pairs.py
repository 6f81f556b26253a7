"""The repulsion of Ziegler, Biersack and Littmark of a pair of atoms, as `terms.repulsion` has it."""

from nadyn.models.kernels.exponential import exponential
from nadyn.models.kernels.language import Array, Code, Value, Variable
from nadyn.models.kernels.pairs import Record, cutoff
from nadyn.models.terms.repulsion import AMPLITUDES, EXPONENTS

# Numbers in the table `repulsion` of a pair of elements: where it ends, one over that, Z Z'/2, and one over
# the length of the screening.
END, INVERSE_END, CHARGES, INVERSE_LENGTH = range(4)
N_NUMBERS = 4


def add_repulsion(code: Code, record: Record, r: Value, numbers: Array, energy: Variable) -> None:
    """Add the energy of half a pair where it is close in any lane, and put its slope into the record."""
    end = code.lanes(numbers[END])
    with code.where(code.any_lane(r.compared("<", end))):
        inverse_length = code.lanes(numbers[INVERSE_LENGTH])
        reduced = r * inverse_length
        phi, phi_slope = code.lanes(0.0), code.lanes(0.0)
        for amplitude, exponent in zip(AMPLITUDES, EXPONENTS, strict=True):
            term = exponential(code, reduced * -exponent) * amplitude
            phi, phi_slope = phi + term, code.fma(term, -exponent, phi_slope)
        cut, cut_slope = cutoff(code, r, numbers[INVERSE_END])
        charges_by_r = code.lanes(numbers[CHARGES]) / r
        bare = charges_by_r * phi
        slope = (charges_by_r * inverse_length) * phi_slope - bare / r
        energy.add(bare, cut)
        record.rest[3] = code.fma(slope, cut, bare * cut_slope)
