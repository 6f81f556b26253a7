"""Heads in model files: named, found again, refused where they are not known."""

import json

import pytest
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.heads.polarisability import PolarisabilitySettings
from nadyn.models.heads.table import heads_from_dict
from nadyn.models.hyperparameters import hyperparameters
from nadyn.models.model_description import describe
from nadyn.models.model_file import load_model, save_model

POSITIONS = torch.tensor(
    [[[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]]], dtype=torch.float64
)


@pytest.mark.parametrize("basis", [None, "1x0e + 1x1o"])
def test_a_model_file_gives_back_every_head(basis, tmp_path):
    heads = (DipoleSettings(-1), PolarisabilitySettings())
    model = untrained("moments", basis, n_states=1 if basis is None else 2, heads=heads)
    model.potential.heads["polarisability"].per_element[1] = 7.0
    save_model(model, tmp_path / "model.safetensors")
    read = load_model(tmp_path / "model.safetensors")
    assert read.operators == ("dipole", "polarisability")
    assert read.potential.settings.heads == heads
    for name in read.operators:
        assert torch.equal(read.operator(name, POSITIONS), model.operator(name, POSITIONS))
    assert describe(tmp_path / "model.safetensors")["properties"] == "dipole, polarisability"


def test_the_header_of_a_model_without_heads_does_not_name_any():
    plain, with_heads = (untrained("moments", "2x0e", heads=heads) for heads in ((), (DipoleSettings(1),)))
    assert "heads" not in hyperparameters(plain.potential)
    assert json.loads(json.dumps(hyperparameters(with_heads.potential)))["heads"] == {"dipole": {"charge": 1}}
    # The numbers drawn for W are those of a model without heads.
    torch.manual_seed(0)
    first = type(plain.potential)(plain.potential.settings)
    torch.manual_seed(0)
    second = type(plain.potential)(with_heads.potential.settings)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, second.get_parameter(name))


def test_a_head_of_a_newer_version_is_refused():
    with pytest.raises(InputError, match="heads must be among dipole, polarisability"):
        heads_from_dict({"magnetisability": {}})
