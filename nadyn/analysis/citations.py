"""What a run or a model is to be cited with: each method that it used, and the paper behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nadyn
from nadyn.analysis.references import REFERENCES, Reference
from nadyn.trajectory import Run

_METHODS: dict[str, tuple[str, ...]] = {
    "fssh": ("tully1990",),
    "gfsh": ("wang2014",),
    "landau_zener": ("belyaev2011",),
    "mash": ("mannouch2023",),
    "multistate_mash": ("runeson2023",),
    "ehrenfest": ("li2005",),
    "csdm": ("zhu2004",),
    "dish": ("jaeger2012",),
    "spin_lsc": ("runeson2019", "runeson2020"),
    "sqc": ("cotton2019",),
    "nve": ("swope1982",),
    "npt": ("bernetti2020",),
}
_DECOHERENCE = {
    "edc": ("granucci2007",),
    "sdm": ("granucci2007",),
    "afssh": ("jain2016",),
    "shxf": ("ha2018",),
    "instantaneous": ("nelson2013",),
}
_THERMOSTATS = {
    "langevin": ("leimkuhler2013",),
    "andersen": ("andersen1980",),
    "nose_hoover": ("martyna1992",),
    "velocity_rescaling": ("bussi2007",),
}
_ENCODERS = {
    "moments": ("drautz2019",),
    "acsf": ("behler2011",),
    "soap": ("bartok2013",),
    "messages": ("schuett2018",),
    "equivariant": ("batzner2022",),
}
# Methods that draw hops by fewest switches, with their momenta changed at a hop.
_HOPS = ("fssh", "gfsh")
_PROGRAMS = (("NumPy", "harris2020"), ("SciPy", "virtanen2020"))
_SOURCES = (("pyscf", "PySCF", "sun2020"), ("ase", "ASE", "larsen2017"))


@dataclass(frozen=True)
class Used:
    """Something that was used.

    Attributes:
        what: In words.
        references: Behind it; none where no paper is known here.
    """

    what: str
    references: tuple[Reference, ...]


def cited_by_run(run: Run) -> list[Used]:
    """Return the methods and programs that a run used, by its run file."""
    config, method = run.config, str(run.attributes["method"])
    found = [_used(f"method {method}", _METHODS.get(method, ()))]
    if method in _HOPS:
        rescale = str(config.get("rescale", "nac"))
        found.append(_used(f"momenta at hops, rescale {rescale}", ("hammesschiffer1994",)))
    if run.changes_states and config.get("propagation", "local_diabatisation") == "local_diabatisation":
        found.append(_used("electronic propagation by local diabatisation", ("granucci2001", "plasser2012")))
    sections = (
        ("decoherence", "decoherence", _DECOHERENCE if method in _HOPS else {}),
        ("thermostat", "thermostat", _THERMOSTATS if not run.changes_states else {}),
    )
    for key, words, table in sections:
        section = config.get(key)
        name = section.get("name") if isinstance(section, Mapping) else None
        if name in table:
            found.append(_used(f"{words} {name}", table[name]))
    if config.get("representation") == "spin_adiabatic":
        found.append(_used("spin-adiabatic states", ("mai2015",)))
    initial = config.get("initial")
    if isinstance(initial, Mapping) and initial.get("sample") == "wigner":
        found.append(_used("initial conditions from a Wigner distribution", ("wigner1932",)))
    model = config.get("model")
    for key, name, reference in _SOURCES:
        if isinstance(model, Mapping) and key in model:
            found.append(_used(name, (reference,)))
    return found


def cited_by_model(described: Mapping[str, str]) -> list[Used]:
    """Return what a learned model rests on, from what its file says (`nadyn.models.model_file.describe`)."""
    encoder = described.get("encoder", "")
    return [_used(f"encoder {encoder}", _ENCODERS.get(encoder, ()))]


def programs() -> list[Used]:
    """Return the programs that everything here needs, nadyn first."""
    itself = Used(f"nadyn {nadyn.__version__}", ())
    return [itself, *(_used(name, (key,)) for name, key in _PROGRAMS)]


def as_text(used: Sequence[Used]) -> str:
    """Return what was used, each with its references on lines of their own."""
    lines: list[str] = []
    for one in used:
        lines.append(one.what)
        lines += [f"  {reference.text}" for reference in one.references]
    return "\n".join(lines) + "\n"


def as_bibtex(used: Sequence[Used]) -> str:
    """Return the entries of all references, each once, and one of nadyn itself."""
    keys = dict.fromkeys(reference.key for one in used for reference in one.references)
    itself = (
        "@software{nadyn,\n"
        "  author = {{nadyn developers}},\n"
        "  title = {{nadyn: non-adiabatic excited-state molecular dynamics with learned diabatic "
        "Hamiltonians}},\n"
        f"  version = {{{nadyn.__version__}}},\n}}"
    )
    return "\n\n".join([itself, *(REFERENCES[key].bibtex for key in keys)]) + "\n"


def _used(what: str, keys: Sequence[str]) -> Used:
    return Used(what, tuple(REFERENCES[key] for key in keys))
