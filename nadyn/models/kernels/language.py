"""A small language in which the kernels are written: Python that writes LLVM's intermediate code.

A `Value` is a number, or as many numbers as the processor has lanes; `+ - * /` write one instruction each.
Nothing is reordered or contracted afterwards: a product and a sum become one operation where `fma` says so,
and nowhere else. So each lane does the same operations in the same order whatever the number of lanes is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

Number = "Value | int | float"

INTEGER = ir.IntType(64)
# Integers as lists of neighbours hold them.
SHORT = ir.IntType(32)
POINTER = ir.PointerType()


@dataclass(frozen=True)
class Shape:
    """How numbers are held: "float" or "double", and how many of them at once."""

    real: str
    lanes: int

    @property
    def number(self) -> ir.Type:
        return ir.FloatType() if self.real == "float" else ir.DoubleType()

    @property
    def vector(self) -> ir.Type:
        return ir.VectorType(self.number, self.lanes)

    @property
    def doubles(self) -> ir.Type:
        return ir.VectorType(ir.DoubleType(), self.lanes)

    @property
    def integers(self) -> ir.Type:
        return ir.VectorType(ir.IntType(32 if self.real == "float" else 64), self.lanes)


class Value:
    """One value of the program that is being written."""

    __slots__ = ("code", "ir")

    def __init__(self, code: "Code", value: ir.Value):
        self.code = code
        self.ir = value

    def _with(self, other: Number, of_reals: str, of_integers: str, *, swapped: bool = False) -> "Value":
        left, right = self.code.alike(self, other)
        if swapped:
            left, right = right, left
        write = getattr(self.code.builder, of_integers if is_integer(left.ir.type) else of_reals)
        return Value(self.code, write(left.ir, right.ir))

    def __add__(self, other: Number) -> "Value":
        return self._with(other, "fadd", "add")

    def __radd__(self, other: Number) -> "Value":
        return self._with(other, "fadd", "add", swapped=True)

    def __sub__(self, other: Number) -> "Value":
        return self._with(other, "fsub", "sub")

    def __rsub__(self, other: Number) -> "Value":
        return self._with(other, "fsub", "sub", swapped=True)

    def __mul__(self, other: Number) -> "Value":
        return self._with(other, "fmul", "mul")

    def __rmul__(self, other: Number) -> "Value":
        return self._with(other, "fmul", "mul", swapped=True)

    def __truediv__(self, other: Number) -> "Value":
        return self._with(other, "fdiv", "sdiv")

    def __rtruediv__(self, other: Number) -> "Value":
        return self._with(other, "fdiv", "sdiv", swapped=True)

    def __neg__(self) -> "Value":
        return Value(self.code, self.code.builder.fneg(self.ir))

    def compared(self, how: str, other: Number) -> "Value":
        """Return a comparison; of reals one that is false where either is NaN."""
        left, right = self.code.alike(self, other)
        if is_integer(left.ir.type):
            return Value(self.code, self.code.builder.icmp_signed(how, left.ir, right.ir))
        return Value(self.code, self.code.builder.fcmp_ordered(how, left.ir, right.ir))

    def __or__(self, other: "Value") -> "Value":
        return Value(self.code, self.code.builder.or_(self.ir, other.ir))

    def __and__(self, other: Number) -> "Value":
        left, right = self.code.alike(self, other)
        return Value(self.code, self.code.builder.and_(left.ir, right.ir))


class Array:
    """Values of one type one after the other in memory."""

    __slots__ = ("code", "kind", "pointer")

    def __init__(self, code: "Code", pointer: ir.Value, kind: ir.Type):
        self.code = code
        self.pointer = pointer
        self.kind = kind

    def _place(self, index: Number) -> ir.Value:
        position = self.code.integer(index).ir
        return self.code.builder.gep(self.pointer, [position], source_etype=self.kind)

    def __getitem__(self, index: Number) -> Value:
        number = getattr(self.kind, "element", self.kind)
        align = 8 if number in (INTEGER, ir.DoubleType()) else 4
        value = self.code.builder.load(self._place(index), typ=self.kind, align=align)
        return Value(self.code, self.code.builder.sext(value, INTEGER) if self.kind == SHORT else value)

    def __setitem__(self, index: Number, value: Number) -> None:
        number = getattr(self.kind, "element", self.kind)
        align = 8 if number in (INTEGER, ir.DoubleType()) else 4
        self.code.builder.store(self.code.of_type(value, self.kind).ir, self._place(index), align=align)

    def at(self, index: Number) -> "Array":
        """Return the array that begins at an element."""
        return Array(self.code, self._place(index), self.kind)

    def seen_as(self, kind: ir.Type) -> "Array":
        """Return the same memory as values of another type."""
        return Array(self.code, self.pointer, kind)


class Variable:
    """A value that changes while the program runs; LLVM keeps it in a register."""

    __slots__ = ("cell",)

    def __init__(self, code: "Code", start: Value):
        with code.builder.goto_entry_block():
            place = code.builder.alloca(start.ir.type)
        self.cell = Array(code, place, start.ir.type)
        self.set(start)

    def get(self) -> Value:
        """Return the present value."""
        return self.cell[0]

    def set(self, value: Number) -> None:
        """Change the value."""
        self.cell[0] = value

    def add(self, left: Number, right: "Value | float | None" = None) -> None:
        """Add a value, or in one operation the product of two."""
        code = self.cell.code
        self.set(self.get() + left if right is None else code.fma(left, right, self.get()))


class Code:
    """One function that is being written."""

    def __init__(self, module: ir.Module, name: str, arguments: tuple[ir.Type, ...], shape: Shape):
        self.module = module
        self.shape = shape
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
        # Inlined into each other they take LLVM three times as long, and are no faster.
        self.function.attributes.add("noinline")
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        start = self.function.append_basic_block()
        # The entry is kept for variables.
        self._entry_end = self.builder.branch(start)
        self.builder.position_at_end(start)
        self.arguments = [Value(self, argument) for argument in self.function.args]

    def finish(self) -> ir.Function:
        """End the function."""
        self.builder.ret_void()
        return self.function

    def call(self, function: ir.Function, *arguments: Number) -> None:
        """Call another function."""
        given = [self.of_type(a, p.type).ir for a, p in zip(arguments, function.args, strict=True)]
        self.builder.call(function, given)

    def integer(self, value: Number) -> Value:
        """Return an integer."""
        return value if isinstance(value, Value) else Value(self, ir.Constant(INTEGER, value))

    def lanes(self, value: Number) -> Value:
        """Return a number in every lane."""
        return self.of_type(value, self.shape.vector)

    def doubles(self, value: Number) -> Value:
        """Return float64 numbers in every lane."""
        return self.of_type(value, self.shape.doubles)

    def of_type(self, value: Number, kind: ir.Type) -> Value:
        """Return a number with another precision, or in every lane."""
        if not isinstance(value, Value):
            if isinstance(kind, ir.VectorType):
                return Value(self, ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count))
            return Value(self, ir.Constant(kind, value))
        given = value.ir.type
        if given == kind or is_integer(kind) or isinstance(kind, ir.PointerType):
            return value
        of_given, of_kind = getattr(given, "element", given), getattr(kind, "element", kind)
        result = value.ir
        if of_given != of_kind:
            between = kind if not isinstance(given, ir.VectorType) else None
            target = of_kind if between is not None else ir.VectorType(of_kind, given.count)
            write = self.builder.fptrunc if of_kind == ir.FloatType() else self.builder.fpext
            result = write(result, target)
        if isinstance(kind, ir.VectorType) and not isinstance(given, ir.VectorType):
            result = self._in_every_lane(result, kind)
        return Value(self, result)

    def _in_every_lane(self, number: ir.Value, kind: ir.Type) -> ir.Value:
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
        return self.builder.shuffle_vector(first, nothing, mask)

    def alike(self, left: Value, right: Number) -> tuple[Value, Value]:
        """Return both as lanes where one of them is."""
        if not isinstance(right, Value):
            return left, self.of_type(right, left.ir.type)
        if isinstance(right.ir.type, ir.VectorType):
            return self.of_type(left, right.ir.type), right
        return left, self.of_type(right, left.ir.type)

    def fma(self, left: Number, right: Number, added: Number) -> Value:
        """Return left * right + added, rounded once."""
        kind = next(
            (v.ir.type for v in (left, right, added) if _is_vector(v)),
            next(v.ir.type for v in (left, right, added) if isinstance(v, Value)),
        )
        given = [self.of_type(v, kind).ir for v in (left, right, added)]
        return Value(self, self.builder.call(self._intrinsic("llvm.fma", kind, 3), given))

    def root(self, value: Value) -> Value:
        """Return the square root."""
        return Value(self, self.builder.call(self._intrinsic("llvm.sqrt", value.ir.type, 1), [value.ir]))

    def _intrinsic(self, name: str, kind: ir.Type, n: int) -> ir.Function:
        number = getattr(kind, "element", kind)
        suffix = "f32" if number == ir.FloatType() else "f64"
        if isinstance(kind, ir.VectorType):
            suffix = f"v{kind.count}{suffix}"
        full = f"{name}.{suffix}"
        if full in self.module.globals:
            return self.module.globals[full]
        return ir.Function(self.module, ir.FunctionType(kind, [kind] * n), full)

    def choose(self, condition: Value, yes: Number, no: Number) -> Value:
        """Return one of two values in each lane."""
        some = yes if isinstance(yes, Value) else no
        kind = some.ir.type
        return Value(
            self,
            self.builder.select(condition.ir, self.of_type(yes, kind).ir, self.of_type(no, kind).ir),
        )

    def any_lane(self, condition: Value) -> Value:
        """Tell whether a condition holds in any lane."""
        bits = self.builder.bitcast(condition.ir, ir.IntType(condition.ir.type.count))
        zero = ir.Constant(bits.type, 0)
        return Value(self, self.builder.icmp_unsigned("!=", bits, zero))

    def variable(self, start: Value) -> Variable:
        """Return a variable."""
        return Variable(self, start)

    def zeros(self, n: int) -> list[Variable]:
        """Return variables of lanes that start at zero."""
        return [Variable(self, self.lanes(0.0)) for _ in range(n)]

    @contextmanager
    def loop(self, stop: Number, start: Number = 0, step: int = 1) -> Iterator[Value]:
        """Write the body of a loop over an index."""
        stop = self.integer(stop)
        index = self.variable(self.integer(start))
        head = self.function.append_basic_block()
        body = self.function.append_basic_block()
        after = self.function.append_basic_block()
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self.builder.cbranch(index.get().compared("<", stop).ir, body, after)
        self.builder.position_at_end(body)
        yield index.get()
        index.set(index.get() + step)
        self.builder.branch(head)
        self.builder.position_at_end(after)

    @contextmanager
    def where(self, condition: Value) -> Iterator[None]:
        """Write what is done only where a condition holds."""
        body = self.function.append_basic_block()
        after = self.function.append_basic_block()
        self.builder.cbranch(condition.ir, body, after)
        self.builder.position_at_end(body)
        yield
        self.builder.branch(after)
        self.builder.position_at_end(after)

    def transposed(self, rows: list[Value]) -> list[Value]:
        """Return the columns of as many vectors as there are lanes."""
        n, width = len(rows), 1
        values = [row.ir for row in rows]
        while width < n:
            mixed = list(values)
            for first in range(n):
                if not first & width:
                    second = first + width
                    left = [k if not k & width else n + k - width for k in range(n)]
                    right = [k + width if not k & width else n + k for k in range(n)]
                    for place, picked in ((first, left), (second, right)):
                        mask = ir.Constant(ir.VectorType(ir.IntType(32), n), picked)
                        mixed[place] = self.builder.shuffle_vector(values[first], values[second], mask)
            values, width = mixed, 2 * width
        return [Value(self, value) for value in values]


def is_integer(kind: ir.Type) -> bool:
    """Tell whether a type, or that of its lanes, is one of integers."""
    return isinstance(getattr(kind, "element", kind), ir.IntType)


def _is_vector(value: Number) -> bool:
    return isinstance(value, Value) and isinstance(value.ir.type, ir.VectorType)
