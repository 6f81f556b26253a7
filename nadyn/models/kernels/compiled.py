"""Machine code for the processor at hand, made in memory when it is first needed."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nadyn.models.kernels.layers import Machine

# The instructions without which the kernels would be slow, and what they allow: lanes of float32, vectors of
# rows and columns of a product. x86 without fused multiplication would call a function for each.
_WIDE, _COMMON, _ARM = (16, 2, 12), (8, 2, 6), (4, 4, 6)


@dataclass(frozen=True)
class Host:
    """What the processor can do; `refusal` is a reason not to use it, or None."""

    name: str
    lanes: int = 0
    row_vectors: int = 0
    columns: int = 0
    refusal: str | None = None


@cache
def host() -> Host:
    """Return what the processor can do."""
    if find_spec("llvmlite") is None:
        return Host("unknown", refusal="the package llvmlite is not installed")
    from llvmlite import binding

    features, name = binding.get_host_cpu_features(), binding.get_host_cpu_name()
    architecture = binding.get_process_triple().split("-")[0]
    if architecture in ("aarch64", "arm64"):
        return Host(name, *_ARM)
    if features.get("avx512f") and features.get("avx512vl") and features.get("fma"):
        return Host(name, *_WIDE)
    if features.get("avx2") and features.get("fma"):
        return Host(name, *_COMMON)
    return Host(name, refusal=f"the processor ({architecture}, {name}) has neither AVX2 nor NEON")


@dataclass(frozen=True)
class Kernel:
    """Compiled functions, each of the address of a table."""

    forward: Callable[[int], None]
    backward: Callable[[int], None]
    lanes: int
    panel: int
    columns: int
    # Holds the machine code.
    engine: object


@dataclass(frozen=True)
class ListedKernel:
    """A compiled function, of the address of a table, for atoms with lists of neighbours."""

    listed: Callable[[int], None]
    lanes: int
    panel: int
    columns: int
    # Holds the machine code.
    engine: object


@cache
def kernel(real: str, n_radial: int, n_channels: int, *, heard: bool = False) -> Kernel:
    """Return the machine code for encoders of one size, with or without messages; it takes a second once.

    Raises:
        RuntimeError: LLVM does not accept the program.
    """
    from nadyn.models.kernels.program import write_program

    machine = _machine(real)
    engine = machine_code(write_program(machine, n_radial, n_channels, heard=heard))
    functions = [_of_table(engine, name) for name in ("forward", "backward")]
    return Kernel(*functions, machine.shape.lanes, machine.panel, machine.columns, engine)


@cache
def listed_kernel(real: str, n_radial: int, n_channels: int) -> ListedKernel:
    """Return the same for atoms with lists of neighbours.

    Raises:
        RuntimeError: LLVM does not accept the program.
    """
    from nadyn.models.kernels.listed_program import write_listed_program

    machine = _machine(real)
    engine = machine_code(write_listed_program(machine, n_radial, n_channels))
    listed = _of_table(engine, "listed")
    return ListedKernel(listed, machine.shape.lanes, machine.panel, machine.columns, engine)


def _machine(real: str) -> "Machine":
    from nadyn.models.kernels.language import Shape
    from nadyn.models.kernels.layers import Machine

    own = host()
    lanes = own.lanes if real == "float" else own.lanes // 2
    return Machine(Shape(real, lanes), own.row_vectors, own.columns)


def _of_table(engine: object, name: str) -> Callable[[int], None]:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address(name))


def machine_code(program: object) -> object:
    """Return an engine that holds the machine code of a program.

    Raises:
        RuntimeError: LLVM does not accept the program.
    """
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(str(program))
    module.verify()
    target = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
    )
    # The program is written as it should run; variables become registers, and that is all it needs (measured:
    # the passes of -O2 take three times as long and make nothing quicker).
    tuning = binding.create_pipeline_tuning_options(speed_level=2)
    builder = binding.create_pass_builder(target, tuning)
    passes = binding.create_new_function_pass_manager()
    passes.add_sroa_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    engine = binding.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
