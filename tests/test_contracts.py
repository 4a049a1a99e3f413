"""What every part promises, checked on every part that is found: a new one needs no line here.

Augmentations are found in augment/, with the numbers that the system files give them and, at every place they name,
with their defaults; front ends and models are found in the system files.
"""

from __future__ import annotations

import atexit
import inspect
import json
import tempfile
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import tinyscene.augment
from tinyscene.audio import write_wav
from tinyscene.augment import Pix2pix
from tinyscene.batch import Batch
from tinyscene.export import Deployed, slim, traced
from tinyscene.nn.device_translator import DeviceTranslator
from tinyscene.runtime.front_end import front_end as numpy_twin
from tinyscene.spec import Spec, snake_case
from tinyscene.system import Augment, System
from tinyscene.systems import systems

SYSTEMS = systems()
TOLERANCE = 1e-4
DEVICES, CITIES = ("a", "b", "s1", "a", "c", "s6"), ("lisbon", "lyon", "paris", "lisbon", "milan", "paris")
SEGMENTS = ("1", "2", "1", "2", "1", "2")
N_CLASSES = 4


@cache
@cache
def resource(name: str, place: str) -> str:
    """What a class that has no default for `name` is given; it lies in a folder that lasts as long as the process."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    if name == "folder":  # of impulse responses
        write_wav(Path(folder.name) / "response.wav", np.hanning(64).astype(np.float32)[32:], 8_000)
        return folder.name
    if name == "weights":  # of a generator for the features of `example`
        channels = example(place).shape[1]
        translator = DeviceTranslator(channels, 2, 2, mean=(-3.0,) * channels, deviation=(1.0,) * channels)
        torch.nn.init.normal_(translator.generator.out.weight)
        translator.write(Path(folder.name) / "generator.pt")
        return str(Path(folder.name) / "generator.pt")
    raise KeyError(name)


def different(specs: list[Spec]) -> list[Spec]:
    """The specs without repetitions, in order."""
    return list({json.dumps(spec.plain(), default=str): spec for spec in specs}.values())


# ---- augmentations ----


def augmentation_classes() -> list[type]:
    public = (getattr(tinyscene.augment, name) for name in tinyscene.augment.__all__)
    return [
        value
        for value in public
        if inspect.isclass(value)
        and not getattr(value, "_is_protocol", False)
        and callable(getattr(value, "draw", None))
        and callable(getattr(value, "apply", None))
    ]


@cache
def example(place: str) -> np.ndarray:
    """What augmentations of this place act on: (batch, time), or maps (batch, channel, band, frame)."""
    rng = np.random.default_rng(0)
    if place == "wave":
        return rng.normal(0, 0.1, (len(DEVICES), 8_000)).astype(np.float32)
    if place == "spectrum":
        return rng.gamma(1, 1, (len(DEVICES), 129, 33)).astype(np.float32)
    return rng.normal(-3, 1, (len(DEVICES), 1 if place == "bands" else 2, 24, 33)).astype(np.float32)


def augmentation_cases() -> list[Any]:
    """(spec, place): every augmentation of every system where it acts, then each class with its defaults.

    A pix2pix that each run trains for itself is given a generator.
    """
    places = [field.name for field in fields(Augment)]
    used = [(spec, place) for system in SYSTEMS.values() for place in places for spec in getattr(system.augment, place)]
    used = [
        (spec.but(weights=resource("weights", place)), place) if spec.target is Pix2pix else (spec, place)
        for spec, place in used
    ]
    used += [(spec, place) for cls in augmentation_classes() for place in cls.places for spec in default(cls, place)]
    cases = {json.dumps([place, spec.plain()], default=str): (spec, place) for spec, place in used}
    return [
        pytest.param(spec, place, id=f"{spec.name}-{place}{'' if spec.numbers else '-defaults'}")
        for spec, place in cases.values()
    ]


def default(cls: type, place: str) -> list[Spec]:
    """The class with its defaults; one that asks for a file or folder is given one."""
    asked = ["weights"] if cls is Pix2pix else Spec(cls).missing()
    return [Spec(cls, **{name: resource(name, place) for name in asked})]


AUGMENTATIONS = pytest.mark.parametrize(("spec", "place"), augmentation_cases())


def batch_of(x: np.ndarray, dtype: torch.dtype = torch.float32) -> Batch:
    target = torch.eye(N_CLASSES, dtype=dtype)[torch.arange(len(x)) % N_CLASSES]
    target[-1] = 1 / N_CLASSES  # soft, as a teacher's
    names = tuple(f"{i}.wav" for i in range(len(x)))
    return Batch(
        x=torch.from_numpy(x).to(dtype),
        target=target,
        device=DEVICES,
        city=CITIES,
        file=names,
        segment=SEGMENTS,
        sample_rate_hz=8_000,
        teacher=torch.randn(len(x), N_CLASSES, dtype=dtype, generator=torch.Generator().manual_seed(3)),
    )


def built(spec: Spec, x: np.ndarray) -> Any:
    """The augmentation; one that learns has learned from clips that differ from device to device."""
    part = spec.build()
    if hasattr(part, "fit"):
        numbers = json.loads(json.dumps(part.fit([batch_of(x)])))
        assert set(numbers) <= set(spec.fields), "fit gives numbers that the constructor does not take"
        part = spec.but(**numbers).build()
    return part


def augmented(part: Any, batch: Batch, seed: int = 7) -> Batch:
    return part.apply(batch, part.draw(batch, np.random.default_rng(seed)))


def test_every_augmentation_is_tried():
    tried = {case.values[0].target for case in augmentation_cases()}
    for cls in augmentation_classes():
        assert cls in tried, (
            f"{cls.__name__} has arguments without defaults: give it some, or `resource` what it asks for"
        )
        assert set(cls.places) <= {field.name for field in fields(Augment)}


@AUGMENTATIONS
def test_all_chance_comes_from_the_generator(spec, place):
    part, batch = built(spec, example(place)), batch_of(example(place))
    torch.manual_seed(0)
    np.random.seed(0)
    first = augmented(part, batch)
    torch.manual_seed(1)
    np.random.seed(1)
    second = augmented(part, batch)
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.target, second.target)
    params = part.draw(batch, np.random.default_rng(8))
    assert torch.equal(part.apply(batch, params).x, part.apply(batch, params).x), "apply draws anew"


@AUGMENTATIONS
def test_seeds_differ(spec, place):
    if "length" in spec.fields and spec.fields["length"] is None:
        return  # a crop of all there is
    part, batch = built(spec, example(place)), batch_of(example(place))
    results = [augmented(part, batch, seed) for seed in range(20)]
    assert any(not torch.equal(results[0].x, other.x) for other in results[1:])


@AUGMENTATIONS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_shape_and_dtype_are_kept(spec, place, dtype):
    batch = batch_of(example(place), dtype)
    result = augmented(built(spec, example(place)), batch)
    assert (result.x.shape, result.x.dtype) == (batch.x.shape, dtype)
    assert (result.target.shape, result.target.dtype) == (batch.target.shape, dtype)
    assert result.teacher is not None
    assert (result.teacher.shape, result.teacher.dtype) == (batch.target.shape, dtype)
    assert len(result.device) == len(result.city) == len(result.file) == len(result.x)


@AUGMENTATIONS
def test_target_keeps_its_mass(spec, place):
    part, batch = built(spec, example(place)), batch_of(example(place))
    for seed in range(5):
        target = augmented(part, batch, seed).target
        assert (target >= 0).all()
        torch.testing.assert_close(target.sum(1), torch.ones(len(target)))


@AUGMENTATIONS
def test_input_is_not_changed(spec, place):
    part, batch = built(spec, example(place)), batch_of(example(place).copy())
    before = (batch.x.clone(), batch.target.clone())
    for seed in range(5):
        augmented(part, batch, seed)
    assert torch.equal(batch.x, before[0]), "x was changed in place"
    assert torch.equal(batch.target, before[1]), "target was changed in place"


@AUGMENTATIONS
@pytest.mark.parametrize("case", ["all zero", "one frame", "epoch 1000"])
def test_result_is_finite(spec, place, case):
    x = example(place)
    part = built(spec, x)
    if case == "all zero":
        batch = batch_of(np.zeros_like(x))
    elif case == "one frame":
        batch = batch_of(x[..., :1] if place != "wave" else x[..., :256])
    else:
        batch = replace(batch_of(x), epoch=1000)
    for seed in range(5):
        result = augmented(part, batch, seed)
        assert torch.isfinite(result.x).all()
        assert result.x.shape == batch.x.shape


# ---- front ends ----

FRONT_ENDS = pytest.mark.parametrize(
    ("spec", "window", "rate"),
    [
        pytest.param(spec, system.window_samples, system.task.sample_rate_hz, id=f"{name}-{spec.name}")
        for spec in different([system.frontend for system in SYSTEMS.values()])
        for name, system in [next((n, s) for n, s in SYSTEMS.items() if s.frontend == spec)]
    ],
)


def sounds(window: int, rate: int) -> Tensor:
    """(3, window): loud noise, a tone in noise, very quiet noise: what one clip does to another would show.

    The tone stands 30 dB above its noise: float32 keeps seven digits of the loudest bin, the logarithm asks for the
    digits of the faintest. It swells: a step that divides by a band's deviation would magnify the last digits of a band
    that does not vary.
    """
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (3, window)) * [[0.2], [1e-2], [1e-3]]
    time_s = np.arange(window) / rate
    noise[1] += 0.3 * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time_s)) * np.sin(2 * np.pi * 440 * time_s)
    return torch.from_numpy(noise).float()


@FRONT_ENDS
@torch.no_grad()
def test_front_end_treats_each_clip_alone(spec, window, rate):
    front_end, waveforms = spec.build().eval(), sounds(window, rate)
    features = front_end(waveforms)
    assert features.dim() == 4, "(batch, channel, band, frame)"
    assert len(features) == 3
    assert features.dtype == torch.float32
    for i in range(3):
        torch.testing.assert_close(front_end(waveforms[i : i + 1])[0], features[i], atol=1e-5, rtol=1e-5)


@FRONT_ENDS
@torch.no_grad()
def test_front_end_is_finite_on_silence(spec, window, rate):
    silence = torch.zeros(2, window)
    silence[1] = 0.25  # a dead input with an offset
    assert torch.isfinite(spec.build().eval()(silence)).all()


@FRONT_ENDS
@torch.no_grad()
def test_front_end_has_an_equal_twin_on_the_device(spec, window, rate):
    waveforms = torch.cat([sounds(window, rate), torch.zeros(1, window)])
    expected = spec.build().eval()(waveforms).numpy()
    features = numpy_twin(json.loads(json.dumps(spec.constants())))(waveforms.numpy())
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=TOLERANCE, rtol=TOLERANCE)


@FRONT_ENDS
@torch.no_grad()
def test_front_end_exports(spec, window, rate):
    waveforms = torch.cat([sounds(window, rate), torch.zeros(1, window)])  # silence: an optimiser once lost the floor
    assert_file_agrees(Deployed(nn.Flatten(), nn.Softmax(1), spec.build()), waveforms, "waveform")


# ---- models ----


def narrow(spec: Spec) -> Spec:
    """The same architecture a quarter as wide, where it can be told its widths."""
    changes = {}
    for name in ("widths", "filters"):
        widths = spec.fields.get(name)
        if isinstance(widths, tuple):
            changes[name] = tuple(max(4, width // 16 * 4) for width in widths)
    return spec.but(**changes)


@cache
def features_of(name: str) -> Tensor:
    system: System = SYSTEMS[name]
    with torch.no_grad():
        return system.frontend.build().eval()(sounds(system.window_samples, system.task.sample_rate_hz))


def model_cases() -> list[Any]:
    cases = {}
    for name, system in SYSTEMS.items():
        spec = narrow(system.model)
        cases.setdefault(json.dumps([system.frontend.plain(), spec.plain()], default=str), (spec, name))
    return [pytest.param(spec, name, id=f"{name}-{snake_case(spec.target.__name__)}") for spec, name in cases.values()]


MODELS = pytest.mark.parametrize(("spec", "name"), model_cases())


def exported_cases() -> list[Any]:
    """Of each class the first; an export takes seconds, and the variants differ in numbers."""
    seen, cases = set(), []
    for case in model_cases():
        target = case.values[0].target
        cases.append(pytest.param(*case.values, id=case.id, marks=pytest.mark.full if target in seen else ()))
        seen.add(target)
    return cases


def network_of(spec: Spec) -> nn.Module:
    torch.manual_seed(5)
    return spec.build()


@MODELS
@torch.no_grad()
def test_model_answers_each_clip_alone_and_always_the_same(spec, name):
    network, features = network_of(spec).eval(), features_of(name)
    logits = network(features)
    assert logits.dim() == 2, "(batch, class [+ group])"
    assert len(logits) == 3
    assert torch.isfinite(logits).all()
    assert torch.equal(network(features), logits)
    for i in range(3):
        torch.testing.assert_close(network(features[i : i + 1])[0], logits[i], atol=1e-5, rtol=1e-4)


@MODELS
def test_every_weight_has_a_finite_gradient(spec, name):
    network = network_of(spec).train()
    torch.manual_seed(6)
    network(features_of(name)).square().sum().backward()
    for key, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{key} takes no part in the answer"
            assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize(("spec", "name"), exported_cases())
@torch.no_grad()
def test_model_exports(spec, name):
    assert_file_agrees(Deployed(network_of(spec), nn.Softmax(1)), features_of(name), "features")


def assert_file_agrees(deployed: Deployed, x: Tensor, form: str) -> None:
    """The exported and slimmed file says what the network says, of all at once and of the last one alone."""
    expected = [answer.numpy() for answer in deployed.eval()(x)[:2]]
    data = slim(traced(deployed, x[:2], form)).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for rows in (slice(None), slice(-1, None)):
        answers = session.run(["probabilities", "logits"], {form: x[rows].numpy()})
        for answer, wanted in zip(answers, expected, strict=True):
            np.testing.assert_allclose(np.asarray(answer), wanted[rows], atol=TOLERANCE, rtol=TOLERANCE)
