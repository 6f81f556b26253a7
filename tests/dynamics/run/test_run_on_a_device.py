"""A run on another device."""

import numpy as np
import pytest
import torch

import nadyn
from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.dynamics.run.device import device_of
from nadyn.trajectory import open_run

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def configuration(folder, **keys):
    return {
        "model": str(shipped.path("hexafluorobutene/hexafluorobutene.safetensors")),
        "initial": {"sample": "wigner", "n": 24, "state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 20,
        "seed": 3,
        "output": str(folder / "run.h5"),
        **keys,
    }


def test_a_device_that_is_not_there_is_one_sentence(tmp_path):
    for name in ("tpu", "cuda:99"):
        with pytest.raises(InputError, match=f"`device` must be one of this computer .*{name}"):
            device_of(name)
    with pytest.raises(InputError, match="meta"):
        device_of("meta")
    assert device_of(None) == torch.device("cpu") == device_of("cpu")


def test_an_analytic_model_computes_on_the_processor_only(tmp_path, monkeypatch):
    monkeypatch.setattr("nadyn.dynamics.run.prepare.device_of", lambda name: torch.device("cuda"))
    config = configuration(tmp_path, model={"name": "tully", "variant": 1}, device="cuda")
    config["initial"] = {"position_au": -10, "momentum_au": 20, "n": 3, "state": 0}
    with pytest.raises(InputError, match="`device` must be left out for model tully"):
        nadyn.run(config, progress=False)


@on_a_gpu
@pytest.mark.parametrize("name", ["hexafluorobutene", "ammonia"])
def test_surfaces_are_those_of_the_processor(name):
    model = nadyn.load_model(shipped.path(f"{name}/{name}.safetensors"))
    geometry = model.starting_geometry.double()
    noise = torch.randn(9, *geometry.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    here = nadyn.surfaces(model, geometry + 0.05 * noise)
    there = nadyn.surfaces(model.to("cuda"), (geometry + 0.05 * noise).cuda())
    assert float((there.energies.cpu() - here.energies).abs().max()) < 1e-5
    assert float((there.forces.cpu() - here.forces).abs().max()) < 1e-5 * float(here.forces.abs().max()) * 10
    np.testing.assert_allclose(there.novelty.cpu(), here.novelty, atol=0.02)


@on_a_gpu
def test_a_run_on_the_gpu_is_that_of_the_processor_until_rounding_grows(tmp_path):
    for folder, keys in (("here", {}), ("there", {"device": "cuda"})):
        (tmp_path / folder).mkdir()
        nadyn.run(configuration(tmp_path / folder, time_fs=5, **keys), progress=False)
    here, there = (open_run(tmp_path / folder / "run.h5") for folder in ("here", "there"))
    np.testing.assert_allclose(there.positions[:], here.positions[:], atol=1e-3)
    np.testing.assert_array_equal(there.status, here.status)


@on_a_gpu
def test_a_run_on_the_gpu_goes_on_where_it_was(tmp_path):
    config = configuration(tmp_path, device="cuda", time_fs=5)
    nadyn.run(config, progress=False)
    longer = nadyn.run({**config, "time_fs": 10}, resume=True, progress=False)
    assert longer.n_trajectories == 24 and open_run(config["output"]).positions.shape[1] > 10
