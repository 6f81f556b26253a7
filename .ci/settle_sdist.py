"""Pack a source distribution anew, so that the same files make the same bytes whoever packs them, and when.

    SOURCE_DATE_EPOCH=… python .ci/settle_sdist.py nadyn-0.1.0.tar.gz

The order of the files, their times, owners and modes, and the time in the header of gzip are settled;
wheels need none of that, because setuptools takes the time from SOURCE_DATE_EPOCH. The same version of zlib
is needed.
"""

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def settle(path: Path, *, seconds: int) -> None:
    """Pack an archive anew, all its times being `seconds` after the first of January 1970."""
    packed = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            executable = member.isdir() or member.mode & 0o100
            settled = tarfile.TarInfo(member.name)
            settled.type, settled.size, settled.linkname = member.type, member.size, member.linkname
            settled.mtime, settled.mode = seconds, 0o755 if executable else 0o644
            new.addfile(settled, old.extractfile(member) if member.isfile() else None)
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=seconds) as archive:
        archive.write(packed.getvalue())


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        settle(Path(argument), seconds=int(os.environ["SOURCE_DATE_EPOCH"]))
