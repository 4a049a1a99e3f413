"""The inference package of 2025: installed by a path, its four functions, and the official way of counting it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyscene
from tinyscene.audio import write_wav
from tinyscene.submission import Inference2025, inference_files
from tinyscene.submission.inference_2025 import container_weights, dummy_wav

# What the organisers' scripts do with a package (their README): import, load, count, predict.
SCRIPT = """
import copy, importlib, json, sys
import torch, torchinfo
from importlib import resources

name, files = sys.argv[1], sys.argv[2:]
api = importlib.import_module(f"{name}.{name}_1")
model = api.load_model()
inputs = api.load_inputs(files, ["a", "s7"], model)
counts = []
for x, device in zip(inputs, ["a", "s7"]):
    network = api.get_model_for_device(model, device)
    assert isinstance(network, torch.nn.Module)
    profile = torchinfo.summary(copy.deepcopy(network).float(), input_size=tuple(x.shape), verbose=0)
    counts.append([profile.total_mult_adds, sum(p.numel() * p.element_size() for p in network.parameters())])
logits, order = api.predict(file_paths=files, device_ids=["a", "s7"], model_file_path=None, use_cuda=False)
single, _ = api.predict(files[:1], ["a"])
with resources.path(f"{name}.resources", "dummy.wav") as dummy:
    (silence,) = api.load_inputs([str(dummy)], ["a"], model)
print(json.dumps({
    "counts": counts, "shape": list(inputs[0].shape), "order": order, "silence": list(silence.shape),
    "probabilities": [torch.softmax(row, 0).tolist() for row in logits],
    "single": torch.softmax(single[0], 0).tolist(),
}))
"""


@pytest.fixture(scope="module")
def system():
    """The organisers' network, narrow."""
    return tinyscene.load_system("cp-mobile").with_settings({"model.base_channels": "8"})


@pytest.fixture(scope="module")
def networks(system):
    import torch

    torch.manual_seed(3)
    general, own = system.model.build(), system.model.build()
    return {"general": general.eval(), "a": own.eval()}


def test_the_four_functions(system, networks, tmp_path):
    import torch

    wavs = []
    for i in range(2):
        wave = np.random.default_rng(i).normal(0, 0.1, 44_100).clip(-1, 1).astype(np.float32)
        wavs.append(tmp_path / f"{i}.wav")
        write_wav(wavs[-1], wave, 44_100)
    weights = container_weights({name: network.state_dict() for name, network in networks.items()}, half=True)
    label = "Smith_TAU_task1_1"
    inference = Inference2025(label, "cp-mobile", system.task.classes, weights, {"model.base_channels": "8"})
    for name, content in inference_files([inference]).items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = Path(tinyscene.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'package'}{os.pathsep}{source}"}
    program = [sys.executable, "-c", SCRIPT, "Smith_TAU_task1", *map(str, wavs)]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["order"] == list(system.task.classes)
    assert told["shape"] == told["silence"] == [1, 1, 256, 65]
    parameters = sum(p.numel() for p in networks["a"].parameters())
    assert {size for _, size in told["counts"]} == {2 * parameters}  # 16 bits are counted as 16 bits
    assert told["counts"][0][0] > 0
    # Device a has its network, s7 takes the general one: as eager ones with the weights as stored.
    front_end = system.frontend.build().eval()
    from tinyscene.audio import read_audio, resample

    for wav, name, answer in zip(wavs, ("a", "general"), told["probabilities"], strict=True):
        network = networks[name].half().float()
        wave = torch.from_numpy(resample(read_audio(wav, "mean")[0], 44_100, 32_000))[None]
        with torch.inference_mode():
            expected = torch.softmax(network(front_end(wave)), 1)[0]
        np.testing.assert_allclose(answer, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(told["single"], told["probabilities"][0], atol=1e-6)


def test_files_of_several_systems_and_a_system_of_ones_own():
    systems = [
        Inference2025("Smith_TAU_task1_1", "any", ("x",), b"1"),
        Inference2025("Smith_TAU_task1_3", "system.py:MINE", ("x",), b"3", system_source="MINE = 1\n"),
    ]
    files = inference_files(systems)
    assert {"Smith_TAU_task1/Smith_TAU_task1_1.py", "Smith_TAU_task1/Smith_TAU_task1_3.py"} <= set(files)
    facts = json.loads(files["Smith_TAU_task1/resources/Smith_TAU_task1_3.json"])
    assert facts["system"] == "Smith_TAU_task1_3_system.py:MINE"
    assert files["Smith_TAU_task1/resources/Smith_TAU_task1_3_system.py"] == "MINE = 1\n"
    for name, content in files.items():
        if name.endswith(".py"):
            compile(content, name, "exec")
    import tomllib

    project = tomllib.loads(str(files["pyproject.toml"]))
    assert project["project"]["name"] == "Smith_TAU_task1"
    assert project["project"]["dependencies"] == [f"tinyscene[train]=={tinyscene.__version__}"]


def test_dummy_is_a_second_of_the_evaluation_set():
    assert len(dummy_wav()) == 132_344  # bytes of the organisers' own
