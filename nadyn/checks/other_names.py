"""The known key that an unknown one stands for: a unit forgotten, the word of another program, a slip."""

from pydantic import BaseModel

from nadyn.checks.nearest import nearest
from nadyn.checks.places import is_section, known_keys, options_of, sections_within

_UNITS = ("_fs", "_ev", "_au", "_bohr", "_angstrom", "_kelvin", "_hartree", "_per_ps", "_minutes", "_every")

# In `json_schema_extra` of a field: what other programs call it, where its section says so itself.
OTHER_NAMES = "other_names"

# Keys of SHARC, Newton-X, PyRAI2MD, ASE and of common training programs, without case and underscores, and
# what they are called here: the first that the file can have.
_WORDS: dict[str, tuple[str, ...]] = {
    "time_fs": (
        "nsteps nstep steps maxsteps nsim tmax maxtime totaltime simulationtime time length duration endtime"
    ).split(),
    "dt_fs": "dt timestep stepsize step dtstep tstep size".split(),
    "initial.n": "ntraj ntrajs ntrajectories numtraj ntrajectory trajectories nsamples nensemble nis".split(),
    "initial.state": "state initstate istate initialstate startstate nstatdyn root".split(),
    "initial.temperature_kelvin": "temperature temp temperaturek".split(),
    "thermostat.temperature_kelvin": "temperature temp temperaturek bathtemperature".split(),
    "temperature_kelvin": "temperature temp temperaturek t".split(),
    "seed": "rngseed randomseed iseed randomstate randseed".split(),
    "method": "dynamics algorithm surfacehopping surf sh hoppingprocedure".split(),
    "decoherence": "decoherencescheme deco decoherencecorrection decoscheme".split(),
    "rescale": "ekincorrect adjust rescaling momentumrescaling velocityrescaling adjmom".split(),
    "frustrated": "reflectfrustrated frustratedhops reflect".split(),
    "propagation": "coupling integrator electronicpropagation eom".split(),
    "write_every": "kt saveevery interval loginterval dumpevery printevery stride".split(),
    "cutoff_angstrom": "cutoff rcut rmax rc rcutoff radius cutoffradius".split(),
    "encoder.cutoff_angstrom": "cutoff rcut rmax rc rcutoff radius cutoffradius".split(),
    "hidden": "layers hiddenlayers hiddensizes nhidden width neurons units".split(),
    "model.hidden": "layers hiddenlayers hiddensizes nhidden width neurons units".split(),
    "learning_rate": "lr learningrate initlr".split(),
    "batch_size": "batch batchsize nbatch".split(),
    "epochs": "maxepochs nepochs numepochs epoch epo".split(),
    "patience_epochs": "patience earlystopping".split(),
    "validation_fraction": "valfraction valsplit validationsplit testfraction".split(),
    "time_limit_minutes": "timelimit maxtime walltime timelimitminutes minutes hours".split(),
    "weights.energy": "energyweight wenergy we".split(),
    "weights.force": "forceweight forcesweight wforce wforces wf lossgrad".split(),
    "weights.coupling": "couplingweight nacweight wnac".split(),
}

# What is a matter of another file has a sentence.
_ELSEWHERE = {
    "nstates": "The number of states is that of the data and of the model.",
    "numstates": "The number of states is that of the data and of the model.",
    "natoms": "The number of atoms is that of the data and of the model.",
}


def advice_for_key(name: str, known: list[str], root: type[BaseModel]) -> str:
    """Return a sentence with the key that was probably meant.

    Args:
        name: The unknown key.
        known: Keys of the section in which it stands.
        root: The whole configuration, whose keys are also looked at.
    """
    word = name.lower().replace("_", "").replace("-", "")
    for key in (name.lower(), *(name.lower() + unit for unit in _UNITS)):
        if key in known:
            return f"Did you mean `{key}`?"
    meant = [
        key
        for key, words in {**_WORDS, **_declared(root)}.items()
        if word in words and (key in known or ("." in key and _is_there(key, root)))
    ]
    if meant:
        # A key of this section before those of others.
        return f"Did you mean {_one_of([key for key in meant if '.' not in key][:1] or meant)}?"
    if word in _ELSEWHERE:
        return _ELSEWHERE[word]
    elsewhere = [section for section, inner in _sections(root).items() if name in inner]
    if len(elsewhere) == 1 or (elsewhere and name not in ("name", "file")):
        return f"It belongs under {_one_of([f'{section}:' for section in elsewhere])}."
    if name in root.model_fields:
        return "It belongs to the top level of the file."
    near = nearest(name, known) or nearest(name, known, cutoff=0.5)
    return f"Did you mean `{near}`?" if near else f"Known keys: {', '.join(known)}."


def _one_of(words: list[str]) -> str:
    return " or ".join(f"`{word}`" for word in words)


def _declared(root: type[BaseModel]) -> dict[str, list[str]]:
    """Return the words that the sections of a configuration themselves declare for their keys."""
    found: dict[str, list[str]] = {}
    for section in sections_within(root):
        for name, field in section.model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and OTHER_NAMES in extra:
                found[name] = str(extra[OTHER_NAMES]).split()
    return found


def _is_there(key: str, root: type[BaseModel]) -> bool:
    section, inner = key.split(".")
    return inner in _sections(root).get(section, [])


def _sections(root: type[BaseModel]) -> dict[str, list[str]]:
    """Return the keys of each section of a configuration; of several told apart by name those of any."""
    found = {}
    for name, field in root.model_fields.items():
        sections = [option for option in options_of((field.annotation,)) if is_section(option)]
        if sections:
            found[name] = known_keys(tuple(sections))
    return found
