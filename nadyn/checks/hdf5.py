"""HDF5 files that bring what they hold: nothing of another file, no code, nothing that fills the memory.

Files of nadyn have the checksums of HDF5 itself over names and shapes, and over the numbers, which every
program looks at and keeps right where it edits a file. Texts have none; see `nadyn.checks.seal`.
"""

import mmap

import h5py
import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.hdf5_heaps import heaps_have_ends
from nadyn.checks.unpacked import check_unpacked

# From this version of the format on, names, shapes and short attributes have checksums.
CHECKSUMS = ("v110", "v110")

# HDF5 itself knows these; any other filter is a library that it would load from a folder of plugins.
_FILTERS = frozenset(
    {
        h5py.h5z.FILTER_DEFLATE,
        h5py.h5z.FILTER_SHUFFLE,
        h5py.h5z.FILTER_FLETCHER32,
        h5py.h5z.FILTER_SZIP,
        h5py.h5z.FILTER_NBIT,
        h5py.h5z.FILTER_SCALEOFFSET,
        h5py.h5z.FILTER_LZF,
    }
)


def check_self_contained(file: h5py.File, what: str = "the file", *, packed: int | None = None) -> None:
    """Refuse a file that would make HDF5 open another one, load a plugin, unpack without measure, or not end.

    Links that lead out, external storage and virtual arrays are refused wherever in the file they are; no
    link is followed.

    Args:
        file: Open.
        what: What the sentence calls it.
        packed: Bytes on the disk, where HDF5 has it unpacked in memory.

    Raises:
        InputError: One is there; the sentence names it.
    """
    size = file.id.get_filesize() if packed is None else packed
    seen: set[int] = set()
    rest: list[tuple[str, h5py.Group]] = [("", file)]
    arrays: list[tuple[int, int]] = []
    n_bytes = 0
    while rest:
        path, group = rest.pop()
        for name in group:
            where = f"{path}/{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise InputError(
                    f"{what} must bring what it holds, but {where!r} is a link to {link.filename!r}. If you "
                    "trust both, make a whole copy, as `h5copy -f ext` does."
                )
            if isinstance(link, h5py.SoftLink):
                # It leads into the file, where whatever it leads to is looked at.
                continue
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                rest.append((where, item))
            elif isinstance(item, h5py.Dataset):
                _check_array(item, where, what)
                n_bytes += item.nbytes
                check_unpacked(n_bytes, size, what)
                if (begin := item.id.get_offset()) is not None:
                    arrays.append((begin, begin + item.id.get_storage_size()))
    if not _texts_have_ends(file, arrays):
        raise InputError(f"{what} must be whole, but its texts were damaged. Try another copy of it.")


def _texts_have_ends(file: h5py.File, arrays: list[tuple[int, int]]) -> bool:
    if file.driver == "fileobj":
        return heaps_have_ends(file.id.get_file_image(), arrays)
    with open(file.filename, "rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return heaps_have_ends(content, arrays)


def _check_array(item: h5py.Dataset, where: str, what: str) -> None:
    properties = item.id.get_create_plist()
    if properties.get_external_count() or properties.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(
            f"{what} must bring what it holds, but the numbers of {where!r} are in another one. If you trust "
            "both, make a whole copy, as `h5repack` does."
        )
    for number in (properties.get_filter(place)[0] for place in range(properties.get_nfilters())):
        if number not in _FILTERS:
            raise InputError(
                f"{what} must be packed by what HDF5 itself knows, but {where!r} needs the plugin {number}. "
                "Write it with gzip, as `h5repack -f GZIP=4` does."
            )


def add_array(
    group: h5py.Group, name: str, array: np.ndarray, *, unit: str | None = None, packed: bool = False
) -> None:
    """Write an array with a checksum of its numbers, where it has an axis and is not empty.

    Args:
        group: Where.
        name: Its name.
        array: The numbers.
        unit: Its attribute `unit`; None for none.
        packed: By gzip.
    """
    array = np.asarray(array)
    options: dict[str, object] = {"fletcher32": True} if array.ndim and array.size else {}
    if packed and options:
        options |= {"compression": "gzip", "shuffle": True}
    item = group.create_dataset(name, data=array, track_times=False, **options)
    if unit is not None:
        item.attrs["unit"] = unit
