"""Settings that cannot work are refused with one sentence that says what to do."""

from dataclasses import replace

import pytest
import torch
from contracts.encoders import every_encoder
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.models.encoders.table import encoder_settings_from_dict, encoder_settings_to_dict
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.potential import Potential


@pytest.mark.parametrize("name", ["relu", "ReLU", "leaky_relu"])
def test_relu_is_refused_because_its_kinks_make_forces_jump(name):
    with pytest.raises(InputError, match=r"`activation` must be smooth.*kinks.*Try silu"):
        untrained("moments", "2x0e", activation=name)


def test_an_unknown_activation_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"must be one of silu, tanh, softplus, but is 'gelu2'"):
        untrained("moments", "2x0e", activation="gelu2")


@pytest.mark.parametrize("name", ["silu", "tanh", "softplus", "SiLU"])
def test_smooth_activations_are_accepted(name):
    model = untrained("moments", "2x0e", activation=name)
    positions = torch.eye(3, dtype=torch.float64)[None] * 2.0
    hamiltonian = model.for_atoms((7, 1, 1)).evaluate(positions).hamiltonian
    assert bool(torch.isfinite(hamiltonian).all())


def test_an_unknown_cutoff_function_is_refused_with_the_known_ones():
    model = untrained("moments", "2x0e", cutoff_function="cubic").for_atoms((7, 1, 1))
    with pytest.raises(
        InputError, match=r"`cutoff_function` must be one of polynomial, cosine, but is 'cubic'"
    ):
        model.evaluate(torch.eye(3, dtype=torch.float64)[None] * 2.0)


def test_an_unknown_encoder_is_refused_with_the_known_ones():
    values = encoder_settings_to_dict(untrained("acsf", None).potential.settings.network.encoder)
    with pytest.raises(InputError, match=r"must be one of moments, .*acsf, but is 'soap2'"):
        encoder_settings_from_dict(values | {"name": "soap2"})


@every_encoder
def test_encoder_settings_survive_plain_values(encoder):
    settings = untrained(encoder, None).potential.settings.network.encoder
    values = encoder_settings_to_dict(settings)
    as_lists = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    assert encoder_settings_from_dict(as_lists) == settings


@pytest.mark.parametrize("text", ["", "2x2e", "0x0e", "two scalars", "2x0e +", "-1x0e", "0e1o"])
def test_a_basis_that_cannot_be_read_is_refused(text):
    with pytest.raises(InputError, match=r"`basis` must be a sum like '2x0e \+ 1x1o' of 0e, 0o, 1o, 1e"):
        parse_basis(text)


@pytest.mark.parametrize(
    "text, meaning, size",
    [
        ("2x0e", "2x0e", 2),
        ("0e+1o", "1x0e + 1x1o", 4),
        ("1x1e + 2x0e + 1x0o + 1x0e", "3x0e + 1x0o + 1x1e", 7),
    ],
)
def test_a_basis_is_read_in_any_order_and_with_repetitions(text, meaning, size):
    assert str(parse_basis(text)) == meaning
    assert parse_basis(text).size == size


def test_a_basis_with_fewer_rows_than_states_is_refused():
    with pytest.raises(InputError, match=r"at least 3 rows for 3 states, but '2x0e' has 2. Try '3x0e'"):
        untrained("moments", "2x0e", n_states=3)


def test_a_start_that_the_basis_does_not_have_is_refused():
    settings = replace(untrained("moments", "1x0e + 1x1o").potential.settings, start=("0e", "0e"))
    with pytest.raises(InputError, match=r"`start` must name functions of the basis '1x0e \+ 1x1o'"):
        Potential(settings).start_rows()


def test_an_element_that_the_model_has_not_seen_is_refused_by_name():
    with pytest.raises(InputError, match=r"elements that the model knows \(H, C, N, F\).*contain Br, O"):
        untrained("moments", "2x0e").for_atoms((8, 1, 35))
