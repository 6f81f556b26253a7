"""Files that are made to harm whoever opens them. Each writes itself into a folder and says the command.

A secret lies outside of the folder, where no file may make nadyn read it from.
"""

import gzip
import io
import json
import os
import pickle
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import safetensors.torch
import torch

from nadyn import shipped

SECRET = 4711.25
TAG = "boom"
HTML = f"</script></style></svg><img src=x onerror={TAG}()><script>{TAG}()</script>"
AMMONIA = Path(shipped.__file__).parent / "ammonia" / "ammonia.safetensors"

BOMBS: dict[str, Callable[[Path], list[str]]] = {}


class Boom:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, (f"echo {TAG} > pickled",)


def bomb(write: Callable[[Path], list[str]]) -> Callable[[Path], list[str]]:
    """Put a bomb into the table under the name of its function."""
    BOMBS[write.__name__] = write
    return write


def secret_dataset(folder: Path) -> Path:
    """Write the positions that nobody may read, beside the folder of the bomb."""
    path = folder.parent / "secret.h5"
    with h5py.File(path, "w") as file:
        _labels(file.create_group("water"))
    return path


def _labels(group: h5py.Group, *, without: tuple[str, ...] = ()) -> None:
    positions = np.zeros((2, 3, 3))
    positions[:, 1, 0], positions[:, 2, 1] = 1.8, 1.9
    group.attrs["charge"] = 0
    group.attrs["multiplicities"] = [1]
    arrays = {"positions": (positions, "bohr"), "energies": (np.full((2, 1), SECRET), "hartree")}
    group["atomic_numbers"] = np.array([8, 1, 1])
    for name, (array, unit) in arrays.items():
        if name not in without:
            group[name] = array
            group[name].attrs["unit"] = unit


def _dataset(path: Path, fill: Callable[[h5py.Group], None], *, without: tuple[str, ...]) -> list[str]:
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["version"] = "nadyn-dataset", 1
        group = file.create_group("water")
        _labels(group, without=without)
        fill(group)
    return ["convert", str(path), "out.xyz"]


def _yaml(folder: Path, text: str) -> list[str]:
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return ["run", "run.yaml"]


def _run(folder: Path, *lines: str) -> list[str]:
    return _yaml(folder, "\n".join([*lines, "method: nve", "dt_fs: 0.5", "time_fs: 1", "output: run.h5", ""]))


@bomb
def pickle_as_a_torch_model(folder: Path) -> list[str]:
    torch.save({"weights": Boom()}, folder / "model.pt")
    return _run(folder, "model: model.pt", "initial: {sample: wigner, n: 1}")


@bomb
def pickle_that_is_called_a_model(folder: Path) -> list[str]:
    (folder / "model.safetensors").write_bytes(pickle.dumps(Boom()))
    return ["info", "model.safetensors"]


@bomb
def pickle_in_arrays_of_objects(folder: Path) -> list[str]:
    positions = np.zeros((2, 3, 3))
    np.savez(folder / "data.npz", R=positions, z=np.array([Boom()] * 3, dtype=object), E=np.zeros(2))
    return ["convert", "data.npz", "out.h5"]


@bomb
def pickle_in_one_array(folder: Path) -> list[str]:
    np.save(folder / "data.npy", np.array([Boom()], dtype=object), allow_pickle=True)
    return ["convert", "data.npy", "out.h5"]


@bomb
def pickle_as_a_structure(folder: Path) -> list[str]:
    (folder / "start.traj").write_bytes(b"PickleTrajectory" + pickle.dumps({"numbers": Boom()}, protocol=2))
    return _run(folder, f"model: {AMMONIA}", "initial: {structure: start.traj, n: 1}")


@bomb
def yaml_tags(folder: Path) -> list[str]:
    return _yaml(folder, f"model: !!python/object/apply:os.system ['echo {TAG} > tagged']\nmethod: nve\n")


@bomb
def yaml_billion_laughs(folder: Path) -> list[str]:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    return _yaml(folder, "\n".join([*lines, "model: *a29", "method: nve"]))


@bomb
def yaml_billion_merged_sections(folder: Path) -> list[str]:
    lines = ["a0: &a0 {model: x}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    return _yaml(folder, "\n".join([*lines, "method: nve"]))


@bomb
def yaml_that_holds_itself(folder: Path) -> list[str]:
    return _yaml(folder, "model: &m {name: *m}\nmethod: nve\n")


@bomb
def yaml_without_end_of_brackets(folder: Path) -> list[str]:
    return _yaml(folder, "model: " + "[" * 5_000)


@bomb
def yaml_number_of_many_digits(folder: Path) -> list[str]:
    return _yaml(folder, f"model: {AMMONIA}\nmethod: nve\ndt_fs: {'9' * 10_000}\n")


@bomb
def hdf5_external_link(folder: Path) -> list[str]:
    secret = secret_dataset(folder)

    def link(group: h5py.Group) -> None:
        group["energies"] = h5py.ExternalLink(str(secret), "/water/energies")

    return _dataset(folder / "data.h5", link, without=("energies",))


@bomb
def hdf5_group_that_is_elsewhere(folder: Path) -> list[str]:
    secret = secret_dataset(folder)
    with h5py.File(folder / "data.h5", "w") as file:
        file.attrs["format"], file.attrs["version"] = "nadyn-dataset", 1
        file["water"] = h5py.ExternalLink(str(secret), "/water")
    return ["convert", "data.h5", "out.xyz"]


@bomb
def hdf5_soft_link_to_a_link_out(folder: Path) -> list[str]:
    secret = secret_dataset(folder)

    def link(group: h5py.Group) -> None:
        group.file["hidden"] = h5py.ExternalLink(str(secret), "/water/energies")
        group["energies"] = h5py.SoftLink("/hidden")

    return _dataset(folder / "data.h5", link, without=("energies",))


@bomb
def hdf5_external_storage(folder: Path) -> list[str]:
    raw = folder.parent / "secret.raw"
    np.full((2, 1), SECRET).tofile(raw)

    def store(group: h5py.Group) -> None:
        item = group.create_dataset("energies", (2, 1), "<f8", external=[(str(raw), 0, 16)])
        item.attrs["unit"] = "hartree"

    return _dataset(folder / "data.h5", store, without=("energies",))


@bomb
def hdf5_virtual_dataset(folder: Path) -> list[str]:
    secret = secret_dataset(folder)

    def map_it(group: h5py.Group) -> None:
        layout = h5py.VirtualLayout((2, 1), "<f8")
        layout[:] = h5py.VirtualSource(str(secret), "water/energies", shape=(2, 1))
        group.create_virtual_dataset("energies", layout)
        group["energies"].attrs["unit"] = "hartree"

    return _dataset(folder / "data.h5", map_it, without=("energies",))


@bomb
def hdf5_filter_of_a_plugin(folder: Path) -> list[str]:
    def filtered(group: h5py.Group) -> None:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((2, 1))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((2, 1))
        made = h5py.h5d.create(group.id, b"energies", h5py.h5t.IEEE_F64LE, space, dcpl=properties)
        # A chunk that says that the filter was applied to it.
        made.write_direct_chunk((0, 0), np.full((2, 1), SECRET).tobytes(), filter_mask=0)
        group["energies"].attrs["unit"] = "hartree"

    return _dataset(folder / "data.h5", filtered, without=("energies",))


def _huge(folder: Path, name: str, shape: tuple[int, ...], unit: str) -> list[str]:
    def declare(group: h5py.Group) -> None:
        # No chunk is written: the file stays small.
        item = group.create_dataset(name, shape, "<f8", chunks=(1,) * len(shape), fillvalue=1.0)
        item.attrs["unit"] = unit

    return _dataset(folder / "data.h5", declare, without=(name,))


@bomb
def hdf5_of_petabytes(folder: Path) -> list[str]:
    return _huge(folder, "positions", (10**12, 3, 3), "bohr")


@bomb
def hdf5_of_gigabytes(folder: Path) -> list[str]:
    return _huge(folder, "energies", (2, 10**9), "hartree")


@bomb
def hdf5_packed_zeros(folder: Path) -> list[str]:
    def packed(group: h5py.Group) -> None:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        rows, per_chunk = 2**31, 2**24
        properties.set_chunk((per_chunk, 1))
        properties.set_deflate(9)
        made = h5py.h5d.create(
            group.id,
            b"energies",
            h5py.h5t.IEEE_F64LE,
            h5py.h5s.create_simple((rows, 1)),
            dcpl=properties,
        )
        chunk = _zeros_packed(per_chunk * 8)
        for first in range(0, rows, per_chunk):
            made.write_direct_chunk((first, 0), chunk)
        group["energies"].attrs["unit"] = "hartree"

    return _dataset(folder / "data.h5", packed, without=("energies",))


def _zeros_packed(n_bytes: int) -> bytes:
    packer, piece = zlib.compressobj(9), bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(n_bytes >> 20)) + packer.flush()


@bomb
def hdf5_groups_in_a_circle(folder: Path) -> list[str]:
    def circle(group: h5py.Group) -> None:
        group["again"] = group
        group["energies"] = h5py.SoftLink("/water/energies")

    return _dataset(folder / "data.h5", circle, without=("energies",))


@bomb
def model_with_a_header_of_two_gigabytes(folder: Path) -> list[str]:
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 2**31) + b'{"a":')
        # A hole: the file says that it is long, and takes no room.
        file.truncate(2**31 + 64)
    return ["info", "model.safetensors"]


@bomb
def model_whose_header_has_no_bottom(folder: Path) -> list[str]:
    metadata = {"nadyn": "[" * 200_000, "timings": "{}", "sha256": "0" * 64}
    safetensors.torch.save_file({"a": torch.zeros(1)}, folder / "model.safetensors", metadata=metadata)
    return ["info", "model.safetensors"]


@bomb
def model_that_announces_a_vast_network(folder: Path) -> list[str]:
    from nadyn.models.model_file import _checksum, read_parts

    header, tensors, _ = read_parts(AMMONIA)
    header["hyperparameters"]["hidden"] = [200_000, 200_000]
    metadata = {"nadyn": json.dumps(header, sort_keys=True), "timings": "{}"}
    metadata["sha256"] = _checksum(metadata["nadyn"] + metadata["timings"], tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata=metadata)
    return ["info", "model.safetensors"]


@bomb
def gzip_of_zeros(folder: Path) -> list[str]:
    _gzip(folder / "data.xyz.gz", b"3\nenergy=1.0 Properties=species:S:1:pos:R:3\n", 4 << 30)
    return ["convert", "data.xyz.gz", "out.h5"]


def _gzip(path: Path, start: bytes, n_bytes: int) -> None:
    # Members one after the other are one file; the same packed piece again and again.
    member = gzip.compress(bytes(64 << 20), 9)
    with path.open("wb") as file:
        file.write(gzip.compress(start))
        for _ in range(n_bytes // (64 << 20)):
            file.write(member)


@bomb
def zip_of_zeros(folder: Path) -> list[str]:
    image = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 29, 1, 1)}
    np.lib.format.write_array_header_1_0(image, header)
    packer = zlib.compressobj(9, wbits=-15)
    start = packer.compress(image.getvalue()) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same packed zeros may follow as often as wanted.
    zeros = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(folder / "data.npz", "w") as archive:
        archive.writestr("R.npy", start + 64 * zeros + packer.flush())
        archive.infolist()[0].compress_type = zipfile.ZIP_DEFLATED
        archive.infolist()[0].file_size = len(image.getvalue()) + (4 << 30)
        small = io.BytesIO()
        np.lib.format.write_array(small, np.array([1]))
        archive.writestr("z.npy", small.getvalue())
    return ["convert", "data.npz", "out.h5"]


@bomb
def database_whose_rows_never_end(folder: Path) -> list[str]:
    import ase
    import ase.db

    path = folder / "data.db"
    with ase.db.connect(str(path)) as database:
        database.write(ase.Atoms("H2", [[0, 0, 0], [0, 0, 1]]), data={"energy": [1.0]})
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE systems RENAME TO one")
        database.execute(
            "CREATE VIEW systems AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
            "SELECT one.* FROM one, n"
        )
    database.close()
    return ["convert", "data.db", "out.h5"]


@bomb
def structure_that_is_a_program(folder: Path) -> list[str]:
    (folder / "start.py").write_text(f"import os\nos.system('echo {TAG} > programmed')\n", encoding="utf-8")
    return _run(folder, f"model: {AMMONIA}", "initial: {structure: start.py, n: 1}")


@bomb
def learned_folder_of_nested_records(folder: Path) -> list[str]:
    (folder / "swarm").mkdir()
    (folder / "swarm" / "swarm.json").write_text("[" * 200_000, encoding="utf-8")
    return ["info", "swarm"]
