"""Model files: the same bits back, and nothing else accepted."""

import hashlib
import json
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import surfaces
from nadyn.models import load_model, save_model
from nadyn.models.model_description import charges, describe
from nadyn.models.model_file import digest
from nadyn.models.molecules import Molecule, default_molecule

POSITIONS = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)


def _model(encoder="moments", basis="1x0e + 1x1o", **options):
    model = untrained(encoder, basis, **options)
    trained_on = {"groups": {"butène": {"n_frames": 7, "licence": "CC0-1.0"}}, "steps": 12}
    contacts = torch.linspace(1.5, 4.0, 6, dtype=torch.float64)
    return replace(
        model,
        starting_geometry=POSITIONS,
        trained_on=trained_on,
        molecules=(
            Molecule("butène", (7, 1, 1, 9), 7, POSITIONS, contacts=contacts),
            Molecule("water", (1, 1, 8), 5, None),
        ),
        multiplicities=(3, 3),
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save_model(_model(), path, timings={"host": "here"})
    return path


@pytest.mark.parametrize(
    "encoder, basis, repulsion",
    [
        ("moments", None, 4.0),
        ("acsf", None, None),
        ("moments", "2x0e + 1x0o + 1x1o", None),
        ("acsf", "2x0e", None),
    ],
)
def test_a_loaded_model_gives_the_same_bits(tmp_path, encoder, basis, repulsion):
    model = _model(encoder, basis, repulsion=repulsion)
    save_model(model, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    positions = POSITIONS + 0.1 * torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(2)).double()
    before, after = surfaces(model, positions), surfaces(loaded, positions)
    for field in ("energies", "forces", "interstate_coupling", "eigenvectors", "hamiltonian", "novelty"):
        assert torch.equal(getattr(before, field), getattr(after, field)), field
    assert loaded.atomic_numbers == model.atomic_numbers
    assert loaded.trained_on == model.trained_on
    assert loaded.multiplicities == model.multiplicities
    assert torch.equal(loaded.starting_geometry, model.starting_geometry)
    assert torch.equal(loaded.shortest_distances.shortest, model.shortest_distances.shortest)
    assert [one.atomic_numbers for one in loaded.molecules] == [(7, 1, 1, 9), (1, 1, 8)]
    assert torch.equal(loaded.molecules[0].contacts, model.molecules[0].contacts)
    # Saved again, it is the same model.
    save_model(loaded, tmp_path / "b.safetensors")
    assert digest(tmp_path / "b.safetensors") == digest(tmp_path / "a.safetensors")


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True)])
def test_a_loaded_model_of_a_crystal_is_bound_to_its_cell(tmp_path, pbc):
    cell = torch.tensor([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]], dtype=torch.float64)
    isolated = _model("moments", "2x0e")
    model = replace(isolated, cell=cell, pbc=pbc)
    save_model(model, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    assert torch.equal(loaded.cell, cell)
    assert loaded.pbc == pbc
    before, after = surfaces(model, POSITIONS[None]), surfaces(loaded, POSITIONS[None])
    assert torch.equal(after.energies, before.energies)
    assert torch.equal(after.forces, before.forces)
    # The images do matter.
    assert float((surfaces(isolated, POSITIONS[None]).energies - before.energies).abs().min()) > 1e-4
    assert describe(tmp_path / "a.safetensors")["molecule"] == "NH2F in a periodic cell"
    save_model(replace(model, cell=1.1 * cell), tmp_path / "b.safetensors")
    assert digest(tmp_path / "b.safetensors") != digest(tmp_path / "a.safetensors")


def test_the_digest_covers_weights_and_header_but_not_host_and_date(stored, tmp_path):
    other = tmp_path / "other.safetensors"
    save_model(_model(), other, timings={"host": "elsewhere", "date": "later"})
    assert digest(other) == digest(stored)
    save_model(replace(_model(), trained_on={"steps": 13}), other)
    assert digest(other) != digest(stored)
    changed = _model()
    changed.potential.reference.scale.mul_(1 + 1e-15)
    save_model(changed, other)
    assert digest(other) != digest(stored)


def _positions_of_bytes(path):
    content = path.read_bytes()
    header_end = 8 + int.from_bytes(content[:8], "little")
    header = list(range(0, header_end, header_end // 40))
    tensors = list(range(header_end, len(content), (len(content) - header_end) // 20))
    return content, [*header, header_end - 1, *tensors, len(content) - 1]


def test_one_changed_byte_anywhere_is_refused(stored, tmp_path):
    content, positions = _positions_of_bytes(stored)
    damaged = tmp_path / "damaged.safetensors"
    for position in positions:
        # A changed bit; and another kind of white space, which JSON would not mind.
        for value in (content[position] ^ 1, 9):
            changed = bytearray(content)
            changed[position] = value
            damaged.write_bytes(bytes(changed))
            if bytes(changed) == content:
                continue
            with pytest.raises(InputError, match="must"):
                load_model(damaged)


@pytest.mark.parametrize(
    ("kept", "what"),
    [
        (0, "is empty"),
        (4, "is a file of another kind"),
        (300, "truncated; copy it again"),
        (-1, "truncated; copy it again"),
    ],
)
def test_a_truncated_file_is_refused_with_what_is_left_of_it(stored, tmp_path, kept, what):
    short = tmp_path / "short.safetensors"
    short.write_bytes(stored.read_bytes()[:kept])
    with pytest.raises(InputError, match=f"must be a nadyn model file.*{what}"):
        load_model(short)


def test_what_is_no_model_is_refused(tmp_path):
    text = tmp_path / "text.safetensors"
    text.write_text("not a model at all, but long enough to be read as one", encoding="utf-8")
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.ones(2)}, foreign)
    for path in (text, foreign):
        with pytest.raises(InputError, match="must be a nadyn model file"):
            load_model(path)
    with pytest.raises(InputError, match="must exist, but does not"):
        load_model(tmp_path / "absent.safetensors")
    with pytest.raises(InputError, match="must be a file, but is a folder"):
        load_model(tmp_path)


def _rewritten(stored, path, change, change_tensors=lambda tensors: None):
    """The stored model with a changed header and a checksum that fits, as another version would write it."""
    with safetensors.safe_open(stored, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    header = json.loads(metadata["nadyn"])
    change(header)
    change_tensors(tensors)
    metadata["nadyn"] = json.dumps(header, sort_keys=True)
    result = hashlib.sha256((metadata["nadyn"] + metadata["timings"]).encode())
    for name in sorted(tensors):
        result.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        result.update(tensors[name].numpy().tobytes())
    metadata["sha256"] = result.hexdigest()
    safetensors.torch.save_file(tensors, path, metadata=metadata)


def test_a_newer_version_is_refused_with_advice(stored, tmp_path):
    path = tmp_path / "newer.safetensors"
    _rewritten(stored, path, lambda header: header)
    assert digest(path) == digest(stored)
    _rewritten(stored, path, lambda header: header.update(version=4))
    with pytest.raises(InputError, match=r"must have version 3 or older, but has 4. Update nadyn"):
        load_model(path)
    _rewritten(stored, path, lambda header: header.update(kind="tensor_network"))
    with pytest.raises(InputError, match=r"kind must be one that this version knows.*Update nadyn"):
        load_model(path)


def test_tensors_that_do_not_fit_the_header_are_refused(stored, tmp_path):
    path = tmp_path / "misfit.safetensors"
    _rewritten(stored, path, lambda header: header["hyperparameters"].update(hidden=[16, 9]))
    with pytest.raises(InputError, match="must hold the tensors its header announces"):
        load_model(path)


def test_a_file_describes_itself_for_people(stored):
    text = describe(stored)
    assert text["molecule"] == "NH2F"
    assert text["states"] == "2"
    assert text["basis"] == "1x0e + 1x1o"
    assert text["cutoff"] == text["reach"] == "3.70 Å"
    assert text["features"] == "82x0e + 4x1o + 4x2e"
    assert text["host"] == "here"


def test_a_model_file_may_be_read_by_whoever_may_read_any_new_file(stored, tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    assert stored.stat().st_mode == (tmp_path / "plain").stat().st_mode


CELL = torch.diag(torch.tensor([7.0, 7.5, 8.0], dtype=torch.float64))
MOLECULES = (
    Molecule("hydrogen", (1,), 1, POSITIONS[:1]),
    Molecule("amine", (7, 1, 1, 9), 40, POSITIONS),
    Molecule("crystal", (9, 1), 40, POSITIONS[:2], CELL, (True, True, True)),
)


def test_a_model_of_several_molecules_can_be_bound_to_each_of_them_after_loading(tmp_path):
    path = tmp_path / "several.safetensors"
    save_model(replace(_model(), molecules=MOLECULES), path)
    loaded = load_model(path)
    assert [molecule.name for molecule in loaded.molecules] == ["hydrogen", "amine", "crystal"]
    for molecule in MOLECULES:
        bound = loaded.for_molecule(molecule.name)
        assert bound.atomic_numbers == molecule.atomic_numbers
        assert torch.equal(bound.starting_geometry, molecule.starting_geometry)
        assert bound.pbc == molecule.pbc
        assert (bound.cell is None) is (molecule.cell is None)
        assert bound.evaluate(molecule.starting_geometry[None]).hamiltonian.shape == (1, 4, 4)
    assert torch.equal(loaded.for_molecule("crystal").cell, CELL)
    # From one to another and back.
    assert loaded.for_molecule("crystal").for_molecule("amine").cell is None
    assert describe(path)["trained molecules"] == "hydrogen (1 frame), amine (40 frames), crystal (40 frames)"
    save_model(loaded, tmp_path / "again.safetensors")
    assert digest(tmp_path / "again.safetensors") == digest(path)


def test_a_molecule_that_a_model_was_not_trained_on_is_refused_with_those_that_it_was():
    model = replace(_model(), molecules=MOLECULES)
    with pytest.raises(InputError, match=r"amine \(40 frames\).*is 'amin'. Did you mean 'amine'\?"):
        model.for_molecule("amin")


def test_the_molecule_with_most_frames_is_the_default_and_of_equals_the_first():
    assert default_molecule(MOLECULES).name == "amine"


def test_a_file_that_lists_no_molecules_knows_the_one_group_that_it_was_trained_on(tmp_path):
    unlisted, path = tmp_path / "unlisted.safetensors", tmp_path / "older.safetensors"
    save_model(replace(_model(), molecules=()), unlisted)
    _rewritten(unlisted, path, lambda header: header.pop("molecules"))
    (molecule,) = load_model(path).molecules
    assert (molecule.name, molecule.n_frames, molecule.atomic_numbers) == ("butène", 7, (7, 1, 1, 9))
    assert torch.equal(molecule.starting_geometry, POSITIONS)


def test_a_file_that_lists_no_molecules_and_had_several_groups_knows_none(tmp_path):
    unlisted, path = tmp_path / "unlisted.safetensors", tmp_path / "older.safetensors"
    groups = {"one": {"n_frames": 7}, "two": {"n_frames": 9}}
    save_model(replace(_model(), molecules=(), trained_on={"groups": groups}), unlisted)
    _rewritten(unlisted, path, lambda header: header.pop("molecules"))
    assert load_model(path).molecules == ()
    assert load_model(path).unknown_composition is None


def test_a_file_that_knows_the_longest_distance_to_a_neighbour_keeps_that_guard(stored, tmp_path):
    def with_longest_distance(tensors):
        (key,) = (name for name in tensors if name.endswith("network.nearest"))
        elements = tensors.pop(key).shape[0]
        # Every element up to 3 bohr.
        tensors[key.removesuffix("nearest") + "farthest"] = torch.full((elements,), 3.0)

    path = tmp_path / "older.safetensors"
    _rewritten(stored, path, lambda header: header, with_longest_distance)
    model = load_model(path)
    assert float(model.evaluate(POSITIONS[None]).novelty) == 0.0
    apart = POSITIONS.clone()
    apart[0] += 50.0
    assert float(model.evaluate(apart[None]).novelty) == 1.0


@pytest.mark.parametrize("basis", [None, "1x0e + 1x1o"])
def test_files_of_two_kinds_of_network_give_the_same_numbers(tmp_path, basis):
    model = untrained("moments", basis, repulsion=2.5 if basis is None else None)
    new, old = tmp_path / "new.safetensors", tmp_path / "old.safetensors"
    save_model(model, new)

    def older_header(header):
        header["kind"] = "atomic_sum" if basis is None else "diabatic_hamiltonian"
        unknown = ("basis", "n_states", "start") if basis is None else ("repulsion_ends",)
        for key in unknown:
            header["hyperparameters"].pop(key)

    def older_tensors(tensors):
        for name in [name for name in tensors if name.startswith("network.") and basis is not None]:
            tensors[f"matrix.{name}"] = tensors.pop(name)

    _rewritten(new, old, older_header, older_tensors)
    assert describe(old)["kind"] == describe(new)["kind"]
    before, after = (load_model(path).evaluate(POSITIONS[None]) for path in (new, old))
    assert torch.equal(before.hamiltonian, after.hamiltonian) and torch.equal(before.novelty, after.novelty)


def test_a_model_says_the_charge_of_its_data_and_whether_it_was_assumed():
    one, two = {"charge": 1}, {"charge": 0, "assumed": ["charge"]}
    assert charges({"a": one, "b": one}) == "1"
    assert charges({"a": two}) == "0 (assumed: its data do not say it)"
    assert charges({"a": one, "b": two}) == "1 of a, 0 (assumed: its data do not say it) of b"
    assert charges({"a": {}}) == charges({}) == "not known"
