"""Print what stands beside nadyn in an environment as a bill of materials: CycloneDX 1.6 in JSON.

    python .ci/bill_of_materials.py > nadyn.cdx.json                            of this environment
    python .ci/bill_of_materials.py --report report.json > nadyn.cdx.json      of what pip would install

Of each package its name, version, licence, address (purl), and which of the others it needs here; with the
report of `pip install --report`, which may be one of a `--dry-run`, also the sha256 of its archive. The
same environment gives the same text.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement


def main() -> None:
    """Print the bill of this environment, or of a report of pip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, help="what `pip install --report` wrote")
    report = parser.parse_args().report
    if report is not None:
        told = json.loads(report.read_text(encoding="utf-8"))
        inspected = {"environment": told["environment"], "installed": told["install"]}
    else:
        command = [sys.executable, "-m", "pip", "inspect", "--local"]
        inspected = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for one in inspected["installed"]:
            # An older pip leaves it out.
            told = importlib.metadata.metadata(one["metadata"]["name"]).get("License-Expression")
            one["metadata"].setdefault("license_expression", told)
    print(json.dumps(bill(inspected), indent=1, sort_keys=True))


def bill(inspected: dict, *, product: str = "nadyn") -> dict:
    """Return the bill of materials of an environment.

    Args:
        inspected: What `pip inspect` says of it, or a report of pip with its key `install` as `installed`.
        product: The package that it is the bill of.
    """
    packages = {plain(one["metadata"]["name"]): one["metadata"] for one in inspected["installed"]}
    if product not in packages:
        raise SystemExit(f"{product} must be installed in this environment, but is not")
    environment, hashes = inspected["environment"], hashes_of(inspected["installed"])
    components = {name: component(packages[name], hashes.get(name)) for name in sorted(packages)}
    needs = {name: needed(packages[name], packages, environment) for name in components}
    own = components.pop(product)
    text = json.dumps([own, components, needs], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}",
        "version": 1,
        "metadata": {
            **timestamp(),
            "component": {**own, "type": "application"},
            "properties": [
                {"name": f"environment:{key}", "value": environment[key]}
                for key in ("python_full_version", "platform_machine", "sys_platform")
                if key in environment
            ],
        },
        "components": list(components.values()),
        "dependencies": [
            {"ref": reference(packages[name]), "dependsOn": [reference(packages[one]) for one in others]}
            for name, others in needs.items()
        ],
    }


def component(metadata: dict, sha256: str | None) -> dict:
    """Return what the bill says of one package."""
    found = {
        "type": "library",
        "name": metadata["name"],
        "version": metadata["version"],
        "bom-ref": reference(metadata),
        "purl": reference(metadata),
    }
    if licence := licence_of(metadata):
        found["licenses"] = [licence]
    if sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return found


def licence_of(metadata: dict) -> dict | None:
    """Return the licence as its expression, name or classifier; None where a package says nothing."""
    if expression := metadata.get("license_expression"):
        return {"expression": expression}
    written = (metadata.get("license") or "").strip()
    # Some write the whole text there.
    if written and "\n" not in written and len(written) < 100:
        return {"license": {"name": written}}
    kinds = [one for one in metadata.get("classifier", ()) if one.startswith("License :: ")]
    return {"license": {"name": kinds[0].split(" :: ")[-1]}} if kinds else None


def needed(metadata: dict, packages: dict[str, dict], environment: dict[str, str]) -> list[str]:
    """Return which of the installed packages one needs in this environment, without its extras."""
    found = set()
    for text in metadata.get("requires_dist", ()):
        requirement = Requirement(text)
        holds = requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""})
        if holds and plain(requirement.name) in packages:
            found.add(plain(requirement.name))
    return sorted(found)


def hashes_of(installed: list[dict]) -> dict[str, str]:
    """Return the sha256 of every archive that is known, by package."""
    return {
        plain(one["metadata"]["name"]): sha256
        for one in installed
        if (sha256 := one.get("download_info", {}).get("archive_info", {}).get("hashes", {}).get("sha256"))
    }


def plain(name: str) -> str:
    """Return the name of a package as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def reference(metadata: dict) -> str:
    """Return the address of a package."""
    return f"pkg:pypi/{plain(metadata['name'])}@{metadata['version'].replace('+', '%2B')}"


def timestamp() -> dict[str, str]:
    """Return the time that SOURCE_DATE_EPOCH gives, nothing without it: two bills can then be compared."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        return {}
    moment = datetime.datetime.fromtimestamp(int(given), datetime.UTC)
    return {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}


if __name__ == "__main__":
    main()
