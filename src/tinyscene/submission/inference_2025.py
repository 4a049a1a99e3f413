"""The installable inference package of 2025: the four functions that the organisers' scripts call, on tinyscene."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..system import System

GENERAL = "general"
RUNNING = ("running_mean", "running_var", "num_batches_tracked")  # batch norm's: no parameters, nobody counts them


@dataclass(frozen=True)
class Inference2025:
    """A trained system, to be rebuilt where tinyscene is installed.

    system         name, or "system.py" or "system.py:NAME" with the text of that file in `system_source`
    settings       what `--set` changed
    learned        what its parts learned from the training clips, as the run's learned.json has it
    classes        in the order of the network's outputs
    weights        bytes of `container_weights`
    buffers        names in the network's state that are no parameters and are not counted, batch norm's aside
    """

    label: str
    system: str
    classes: tuple[str, ...]
    weights: bytes
    settings: Mapping[str, str] = field(default_factory=dict)
    learned: Mapping[str, Any] = field(default_factory=dict)
    system_source: str = ""
    buffers: tuple[str, ...] = ()

    @property
    def team(self) -> str:
        """The package's name: the label without its number."""
        return self.label.rpartition("_")[0]


def container_weights(networks: Mapping[str, Mapping[str, Tensor]], half: bool) -> bytes:
    """State dicts by device, "general" for every other one, as one checkpoint; `half` stores floats in 16 bits."""
    import torch

    state = {
        f"{name}.{key}": value.half() if half and value.is_floating_point() else value
        for name, network in networks.items()
        for key, value in network.items()
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def rebuilt(system: System, classes: Sequence[str], state: Mapping[str, Tensor]) -> nn.Module:
    """The system's network with these weights, in the number type they are stored in, in eval.

    Raises:
        ModelError: weights of a network of another form: cut, quantised, or with other parts.
    """
    from ..train import group_membership

    membership = group_membership(tuple(classes), system.task.groups)
    heads = {"n_classes": len(classes)}
    if "n_groups" in system.model.fields:
        heads["n_groups"] = 0 if membership is None else membership.shape[1]
    network = system.model.build(**heads)
    without_groups = getattr(network, "without_groups", None)
    if without_groups is not None and not network.state_dict().keys() <= state.keys():
        network = without_groups()
    number = next((value.dtype for value in state.values() if value.is_floating_point()), None)
    try:
        network.to(number).load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"the weights do not fit the model of {system.name}: {str(error).splitlines()[0]}") from None
    return network.eval()


def buffers_of(network: nn.Module) -> tuple[str, ...]:
    """Names in the state of a network that are no parameters and none of batch norm's statistics."""
    counted = {name for name, _ in network.named_parameters()}
    return tuple(name for name in network.state_dict() if name not in counted and name.split(".")[-1] not in RUNNING)


def inference_files(systems: Sequence[Inference2025]) -> dict[str, bytes | str]:
    """Name -> content of each file of the package; `systems` share their team."""
    team = systems[0].team
    files: dict[str, bytes | str] = {
        "pyproject.toml": PROJECT.format(team=team, version=__version__),
        f"{team}/__init__.py": f'"""Inference of {team}."""\n',
        f"{team}/resources/__init__.py": "",
        f"{team}/resources/dummy.wav": dummy_wav(),
    }
    for system in systems:
        facts = {
            "system": system.system,
            "settings": dict(system.settings),
            "learned": system.learned,
            "classes": list(system.classes),
        }
        if system.buffers:
            facts["buffers"] = list(system.buffers)
        if system.system_source:
            own = f"{system.label}_system.py"
            facts["system"] = own + system.system.removeprefix("system.py")
            files[f"{team}/resources/{own}"] = system.system_source
        files[f"{team}/{system.label}.py"] = MODULE.replace("LABEL", system.label)
        files[f"{team}/resources/{system.label}.json"] = json.dumps(facts, indent=1) + "\n"
        files[f"{team}/ckpts/{system.label}.pt"] = system.weights
    return files


def dummy_wav() -> bytes:
    """One second of silence as the evaluation set has it: 44.1 kHz, 24 bit, mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(44_100)
        file.writeframes(bytes(3 * 44_100))
    return buffer.getvalue()


PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{team}"
version = "1.0"
description = "Inference of {team}, DCASE 2025 task 1"
requires-python = ">=3.11"
dependencies = ["tinyscene[train]=={version}"]

[tool.hatch.build.targets.wheel]
packages = ["{team}"]
"""

MODULE = '''"""Inference of LABEL, DCASE 2025 task 1: predict, load_model, load_inputs, get_model_for_device."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from tinyscene import load_system
from tinyscene.audio import read_audio, resample
from tinyscene.pipeline.learning import completed
from tinyscene.runtime import cut_windows
from tinyscene.submission.inference_2025 import rebuilt
from tinyscene.train import Decision, group_membership, load
from torch import Tensor, nn

HERE = Path(__file__).parent
RESOURCES = HERE / "resources"
FACTS = json.loads((RESOURCES / "LABEL.json").read_text(encoding="utf-8"))
GENERAL = "general"


class Model(nn.Module):
    """A network for each device that has one, a general one for the others, behind one front end."""

    def __init__(self, state: dict[str, Tensor]):
        super().__init__()
        name, classes = FACTS["system"], tuple(FACTS["classes"])
        system = load_system(str(RESOURCES / name) if ".py" in name else name).with_settings(FACTS["settings"])
        self.system = completed(system, FACTS["learned"])
        self.front_end = self.system.frontend.build()
        membership = group_membership(classes, self.system.task.groups)
        self.decide = Decision(len(classes), membership, self.system.inference.group_weight)
        self.networks = nn.ModuleDict()
        for device in sorted({key.partition(".")[0] for key in state}):
            own = {key.partition(".")[2]: value for key, value in state.items() if key.partition(".")[0] == device}
            self.networks[device] = rebuilt(self.system, classes, own)  # as stored: its bytes are counted


def load_model(model_file_path: str | None = None) -> Model:
    """The trained model; by default with the weights of this package."""
    return Model(load(Path(model_file_path) if model_file_path else HERE / "ckpts" / "LABEL.pt")).eval()


@torch.inference_mode()
def load_inputs(file_paths: list[str], device_ids: list[str], model: Model) -> list[Tensor]:
    """What the network is given of each file: (window, channel, band, frame), one window for one second."""
    task = model.system.task
    inputs = []
    for path in file_paths:
        waveform, rate = read_audio(path, task.channels)
        windows = cut_windows(resample(waveform, rate, task.sample_rate_hz), model.system.window_samples)
        inputs.append(model.front_end(torch.from_numpy(windows)))
    return inputs


def get_model_for_device(model: Model, device_id: str) -> nn.Module:
    """The network of that device, or the general one."""
    return model.networks[device_id if device_id in model.networks else GENERAL]


@torch.inference_mode()
def predict(
    file_paths: list[str],
    device_ids: list[str],
    model_file_path: str | None = None,
    use_cuda: bool = False,
    batch_size: int = 64,
) -> tuple[list[Tensor], list[str]]:
    """Logits (class,) of each file in order, and the order of the classes; their softmax are the probabilities."""
    place = torch.device("cuda" if use_cuda and torch.cuda.is_available() else "cpu")
    model = load_model(model_file_path)
    decide = model.decide.to(place)
    # Weights keep their stored values and are reckoned with in 32 bits.
    networks = {name: copy.deepcopy(network).float().to(place) for name, network in model.networks.items()}
    logits: list[Tensor] = []
    for start in range(0, len(file_paths), batch_size):
        files, devices = file_paths[start : start + batch_size], device_ids[start : start + batch_size]
        inputs = load_inputs(files, devices, model)
        names = [device if device in networks else GENERAL for device in devices]
        found: dict[int, Tensor] = {}
        for name in dict.fromkeys(names):
            own = [i for i, other in enumerate(names) if other == name]
            answers = decide(networks[name](torch.cat([inputs[i] for i in own]).to(place)))
            for i, windows in zip(own, answers.split([len(inputs[i]) for i in own]), strict=True):
                found[i] = windows.mean(0).clamp(min=1e-30).log().cpu()
        logits += [found[i] for i in range(len(files))]
    return logits, list(FACTS["classes"])
'''
