"""Damages files of every reader and says what becomes of them; as a program, `damaged_files.py 2000`.

What may happen to a damaged file: it is refused in one sentence, or read. Of one that was cut, what is read
must be what the whole one has. Anything else, an exception of another kind above all, is a fault.
"""

import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import read_file
from nadyn.dynamics.initial.molden import read_molden_modes
from nadyn.trajectory.newtonx_initial import read_newtonx_initial, read_start_folders
from nadyn.trajectory.sharc_initconds import read_initconds

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = (
    "ethanol_60_frames.h5",
    "h5md_5_frames.h5md",
    "ch2nh2_12_frames.db",
    "pyrai2md_5_frames.json",
    "sharc_3_steps.dat",
    "3bpa_5_frames.xyz",
    "carbon_periodic_6_frames.xyz",
    "mlatom_2_molecules.json",
    "mlatom_2_steps.json",
    "emt_5_frames.npz",
    "emt_2_frames.traj",
    "sharc_points/ICOND_00001/QM.out",
    "newtonx_2.6/TRAJ1/RESULTS/dyn.out",
    "newtonx_2.2/TRAJ2/RESULTS/dyn.out",
    "water_6-31g.freq.molden",
    "sharc_initconds_4",
    "mlatom_2_steps.h5md",
    "newtonx_starts/TRAJ48/geom",
    "newtonx_final_output",
)
_WORDS = (b"nan", b"inf", b"1e400", b"", b"-", b"x", b"{}", b"null", b"99999999999", b"-7", b"0")
DAMAGES = ("cut", "byte", "hole", "twice", "word", "line")


def damaged(content: bytes, kind: str, random: np.random.Generator) -> bytes:
    """Return the content of a file with one damage of a kind."""
    place = int(random.integers(0, max(1, len(content))))
    if kind == "cut":
        return content[:place]
    if kind == "byte":
        return content[:place] + bytes([int(random.integers(0, 256))]) + content[place + 1 :]
    if kind == "hole":
        return content[:place] + content[place + int(random.integers(1, 200)) :]
    if kind == "twice":
        return content[:place] + content[max(0, place - 100) : place] + content[place:]
    lines = content.split(b"\n")
    line = int(random.integers(0, len(lines)))
    if kind == "line":
        del lines[line]
        return b"\n".join(lines)
    words = lines[line].split(b" ")
    words[int(random.integers(0, len(words)))] = _WORDS[int(random.integers(0, len(_WORDS)))]
    lines[line] = b" ".join(words)
    return b"\n".join(lines)


def read_anything(path: Path, name: str) -> object:
    """Read a file of `FILES` with its reader."""
    if name.endswith(".molden"):
        return read_molden_modes(path)
    if "initconds" in name:
        return read_initconds(path)
    if name.endswith("final_output"):
        return read_newtonx_initial(path)
    if name.endswith("geom"):
        return read_start_folders(path.parent)
    return read_file(path, ReadOptions())


def outcome(name: str, kind: str, seed: int, folder: Path) -> str:
    """Return what becomes of a file: refused, read, or a fault in words."""
    content = (FIXTURES / name).read_bytes()
    path = folder / Path(name).name
    path.write_bytes(damaged(content, kind, np.random.default_rng([seed, FILES.index(name)])))
    for beside in {"QM.out": ["QM.in"], "geom": ["veloc"]}.get(path.name, []):
        (folder / beside).write_bytes((FIXTURES / name).with_name(beside).read_bytes())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_anything(path, name)
    except InputError as error:
        sentence = str(error)
        return "refused" if len(sentence) < 900 and "Traceback" not in sentence else f"fault: {sentence[:80]}"
    except (Exception, RecursionError) as error:
        return f"fault: {type(error).__name__}: {str(error)[:90]}"
    finally:
        path.unlink(missing_ok=True)
    if kind == "cut" and hasattr(found, "groups") and not is_beginning(found, name):
        return "fault: what is read of a cut file differs from what the whole one has"
    return "read"


def is_beginning(found: object, name: str) -> bool:
    """Return whether a dataset is made of the first frames of the whole file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = read_anything(FIXTURES / name, name)
    for group in found.groups:
        for key in ("positions", "energies", "forces", "interstate_couplings"):
            here, there = getattr(group, key), getattr(whole.group(group.name), key)
            if here is not None and not np.array_equal(here, there[: len(here)], equal_nan=True):
                return False
    return True


def main(n: int) -> int:
    """Damage n files, print what became of them, and return the number of faults."""
    counts: dict[str, Counter] = {name: Counter() for name in FILES}
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(n):
            name, kind = FILES[seed % len(FILES)], DAMAGES[seed // len(FILES) % len(DAMAGES)]
            result = outcome(name, kind, seed, Path(folder))
            counts[name][result.partition(":")[0]] += 1
            if result.startswith("fault"):
                faults += 1
                print(f"{name}, {kind}, seed {seed}: {result}")
    for name, count in counts.items():
        print(f"{name:36} refused {count['refused']:4}, read {count['read']:4}, faults {count['fault']}")
    return faults


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1])), 100))
