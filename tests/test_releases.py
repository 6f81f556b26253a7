"""What a release promises: the same bytes twice, what it is made of, and minimum versions that are some."""

import gzip
import hashlib
import io
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CI = ROOT / ".ci"

settle = runpy.run_path(str(CI / "settle_sdist.py"))["settle"]
minimum_versions = runpy.run_path(str(CI / "minimum_versions.py"))["minimum_versions"]


def archive(path, files, *, mtime, mode, owner):
    with gzip.GzipFile(path, "wb", mtime=mtime) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode, member.uname = len(content), mtime, mode, owner
            tar.addfile(member, io.BytesIO(content))


def test_the_same_files_make_the_same_archive_whoever_packed_them_and_when(tmp_path):
    files = {"a/one.py": b"1", "a/two.py": b"22", "a/run": b"#!"}
    one, two, other = (tmp_path / f"{name}.tar.gz" for name in ("one", "two", "other"))
    archive(one, files, mtime=1, mode=0o644, owner="me")
    archive(two, dict(reversed(files.items())), mtime=2, mode=0o664, owner="you")
    archive(other, {**files, "a/two.py": b"23"}, mtime=1, mode=0o644, owner="me")
    for path in (one, two, other):
        settle(path, seconds=1_700_000_000)
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    with tarfile.open(two) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == files
        assert {(member.mode, member.mtime, member.uname) for member in tar} == {(0o644, 1_700_000_000, "")}


def test_every_requirement_has_a_minimum_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = minimum_versions(project)
    # Of nadyn itself, of its tests, and of the extras that these name.
    assert {"torch": "2.6", "pytest": "8", "pyscf": "2.8", "dask": "2024.8"}.items() <= found.items()
    with pytest.raises(ValueError, match="'numpy' must have a lower bound"):
        minimum_versions({**project, "dependencies": ["numpy"]})


def test_a_bill_of_materials_says_what_is_installed_what_it_needs_and_under_which_licence(monkeypatch):
    pytest.importorskip("pip")
    tools = runpy.run_path(str(CI / "bill_of_materials.py"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    environment = {"python_full_version": "3.11.2", "python_version": "3.11", "sys_platform": "linux"}
    metadata = [
        {
            "name": "nadyn",
            "version": "0.1",
            "license_expression": "MIT",
            "requires_dist": ["A.b>=1", "c; sys_platform == 'win32'", "D; extra == 'd'", "missing"],
        },
        {"name": "a_B", "version": "1.0+cpu", "license": "BSD\nand so on", "requires_dist": ["c"]},
        {"name": "C", "version": "2", "classifier": ["License :: OSI Approved :: ISC License"]},
        {"name": "D", "version": "3", "license": "ISC"},
    ]
    installed = [{"metadata": one} for one in metadata]
    installed[1] |= {"download_info": {"archive_info": {"hashes": {"sha256": "ab"}}}}
    bill = tools["bill"]({"environment": environment, "installed": installed})
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"
    assert bill["metadata"]["component"]["licenses"] == [{"expression": "MIT"}]
    assert bill["components"][0] == {
        "type": "library",
        "name": "a_B",
        "version": "1.0+cpu",
        "bom-ref": "pkg:pypi/a-b@1.0%2Bcpu",
        "purl": "pkg:pypi/a-b@1.0%2Bcpu",
        "hashes": [{"alg": "SHA-256", "content": "ab"}],
    }
    assert [one.get("licenses", [{}])[0].get("license") for one in bill["components"]] == [
        None,
        {"name": "ISC License"},
        {"name": "ISC"},
    ]
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert needs["pkg:pypi/nadyn@0.1"] == ["pkg:pypi/a-b@1.0%2Bcpu"]
    assert needs["pkg:pypi/a-b@1.0%2Bcpu"] == ["pkg:pypi/c@2"]
    assert bill == tools["bill"]({"environment": environment, "installed": installed[::-1]})
    fewer = tools["bill"]({"environment": environment, "installed": installed[:3]})
    assert fewer["serialNumber"] != bill["serialNumber"]


# The first build changes the arguments of its process.
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""


@pytest.mark.slow
def test_two_builds_of_one_tree_have_the_same_bytes(tmp_path):
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("setuptools is too old to build nadyn")
    sums = []
    for number, turn in enumerate(("first", "second")):
        tree, dist = tmp_path / turn, tmp_path / f"{turn}_dist"
        shutil.copytree(ROOT / "nadyn", tree / "nadyn", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, tree)
        for path in tree.rglob("*"):
            os.utime(path, (1_600_000_000 + 1000 * number,) * 2)
        dist.mkdir()
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run(
            [sys.executable, "-c", BUILD, str(dist)],
            cwd=tree,
            env=environment,
            check=True,
            capture_output=True,
        )
        built = sorted(dist.iterdir())
        assert [path.suffix for path in built] == [".whl", ".gz"]
        settle(built[1], seconds=1_700_000_000)
        sums.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in built])
    assert sums[0] == sums[1]
