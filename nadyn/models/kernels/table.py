"""What a kernel is handed: one table of integers and addresses, whose entries have names."""

from llvmlite import ir

from nadyn.models.kernels.language import INTEGER, POINTER, SHORT, Array, Code, Value

SIZES = (
    "n_atoms",
    "n_runs",
    "n_elements",
    "n_inputs",
    "n_features",
    "n_seen",
    "n_padded",
    "n_layers",
    "n_hidden",
    "n_outputs",
    "n_widest",
    "n_intervals",
    "n_invariant",
    "n_pseudoscalar",
    "n_polar",
    "n_axial",
    "n_tensor",
    "n_components",
    "n_entries",
    "n_places",
    "has_in_plane",
    "has_repulsion",
)
WEIGHTS = (
    "radial",
    "mixing",
    "mean",
    "inverse_spread",
    "lowest",
    "highest",
    "intervals",
    "repulsion",
    "weights",
    "forward_at",
    "backward_at",
    "bias_at",
    "rows_of_layer",
    "depth_of_layer",
    "hidden_at",
    "vector_mixing",
    "tensor_mixing",
    "tell",
    "tell_bias",
    "tell_factors",
    "heard_radial",
    "paths",
    "entry_component",
    "entry_place",
    "entry_value",
)
ATOMS = ("order", "element", "run_element", "run_start", "run_stop", "reference")
CALL = ("n_rows", "positions", "hamiltonian", "novelty", "cotangent", "gradient")
# Of atoms with lists: see `listed_program`.
LISTED = (
    "n_kinds",
    "n_most",
    "has_gradient",
    "kind_element",
    "centres",
    "first",
    "others",
    "shift",
    "moved",
    "of_shift",
    "difference",
    "shifts",
    "ends",
    "beside",
    "sum",
)
# What the way forwards keeps for the way back, one after the other for each group of trajectories.
TAPE = ("pairs", "mixed", "slopes", "outputs", "neighbours", "counts", "told", "told_slopes", "heard")
# Memory for one group.
SCRATCH = (
    "place",
    "sums",
    "inputs",
    "layer",
    "results",
    "dinputs",
    "dmixed",
    "sources",
    "dsources",
    "totals",
    "dtotals",
    "doutputs",
    "matrix",
    "dplace",
    "strange",
    "heard_sums",
    "heard_products",
    "pair_weights",
    "dpair_weights",
    "dheard",
    "dtold",
)
NAMES = (*SIZES, *WEIGHTS, *ATOMS, *CALL, *LISTED, *TAPE, *SCRATCH)
PLACES = {name: place for place, name in enumerate(NAMES)}


class Table:
    """The table as a function of the program sees it."""

    def __init__(self, code: Code, pointer: Value):
        self.code = code
        self.pointer = pointer
        self._numbers = Array(code, pointer.ir, INTEGER)

    def integer(self, name: str) -> Value:
        """Return a number."""
        return self._numbers[PLACES[name]]

    def integers(self, name: str) -> Array:
        """Return an array of integers."""
        return self._array(name, INTEGER)

    def shorts(self, name: str) -> Array:
        """Return an array of integers of 32 bits."""
        return self._array(name, SHORT)

    def numbers(self, name: str) -> Array:
        """Return an array of the precision of the kernel."""
        return self._array(name, self.code.shape.number)

    def float64s(self, name: str) -> Array:
        """Return an array of float64."""
        return self._array(name, ir.DoubleType())

    def vectors(self, name: str) -> Array:
        """Return an array of lanes."""
        return self._array(name, self.code.shape.vector)

    def _array(self, name: str, kind: ir.Type) -> Array:
        place = self._numbers.at(PLACES[name]).pointer
        return Array(self.code, self.code.builder.load(place, typ=POINTER, align=8), kind)
