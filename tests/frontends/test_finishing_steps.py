"""What every finishing step promises: its twin, its ONNX graph, each clip alone, silence, gradients, float32."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tinyscene.export import Deployed, slim, traced
from tinyscene.frontends import (
    Crop,
    Deltas,
    Doubled,
    FittedStandardisation,
    StandardisedBands,
    StandardisedClip,
    StandardisedDeltas,
)
from tinyscene.runtime.front_end import FINISH
from tinyscene.spec import Spec

N_CHANNELS, N_BANDS, N_FRAMES = 2, 6, 13
TABLE = {
    name: tuple(map(tuple, np.linspace(low, high, N_CHANNELS * N_BANDS).reshape(N_CHANNELS, N_BANDS).tolist()))
    for name, low, high in (("mean", -12, 2), ("deviation", 0.5, 3))
}
SPECS = {
    "crop": Spec(Crop, n_frames=5, start=3),
    "deltas": Spec(Deltas),
    "deltas valid": Spec(Deltas, edges="valid"),
    "deltas on bands": Spec(Deltas, stack="band"),
    "one delta of 7": Spec(Deltas, order=1, win_length=7, edges="valid", stack="band"),
    "doubled": Spec(Doubled),
    "thrice": Spec(Doubled, times=3),
    "fitted": Spec(FittedStandardisation, **TABLE),
    "not fitted": Spec(FittedStandardisation),
    "bands": Spec(StandardisedBands),
    "clip": Spec(StandardisedClip),
}
STEPS = pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in SPECS.items()])


def maps() -> torch.Tensor:
    """(4, channel, band, frame): three clips of very different level and spread, and digital silence in log10."""
    made = torch.randn(4, N_CHANNELS, N_BANDS, N_FRAMES, generator=torch.Generator().manual_seed(0))
    made = made * torch.tensor([1.5, 0.2, 4.0, 0.0])[:, None, None, None]
    return made + torch.tensor([-3.0, -7.7, 1.0, -10.0])[:, None, None, None]


@STEPS
def test_equals_its_twin_on_the_device(spec):
    numbers = json.loads(json.dumps(spec.constants()))
    twin = FINISH[numbers.pop("class")](**numbers)(maps().numpy())
    made = spec.build()(maps()).numpy()
    assert made.dtype == twin.dtype == np.float32
    np.testing.assert_allclose(twin, made, atol=1e-4, rtol=1e-4)


@STEPS
def test_twin_has_the_same_defaults(spec):
    twin = Spec(FINISH[spec.target.__name__], **spec.numbers)
    assert twin.constants() == spec.constants()


@STEPS
def test_a_clip_alone_equals_the_clip_in_its_batch(spec):
    step, x = spec.build(), maps()
    for i, together in enumerate(step(x)):
        torch.testing.assert_close(step(x[i : i + 1])[0], together, atol=1e-5, rtol=1e-5)


@STEPS
@pytest.mark.parametrize("level", [0.0, -10.0, -23.025851])
def test_constant_maps_stay_finite_and_so_do_their_gradients(spec, level):
    x = torch.full((2, N_CHANNELS, N_BANDS, N_FRAMES), level, requires_grad=True)
    made = spec.build()(x)
    made.square().sum().backward()
    assert made.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@STEPS
def test_the_input_is_not_changed_and_nothing_is_trained_or_saved(spec):
    step, x = spec.build(), maps()
    step(x)
    assert torch.equal(x, maps())
    assert list(step.parameters()) == []
    assert step.state_dict() == {}


@pytest.mark.parametrize(
    "names", [("deltas valid", "doubled", "crop"), ("fitted", "bands", "deltas on bands"), ("clip",)], ids=" ".join
)
@torch.no_grad()
def test_the_exported_graph_says_the_same(names):
    """Several steps to a graph: an exporter takes its time for each."""
    steps, x = nn.Sequential(*(SPECS[name].build() for name in names)), maps()
    data = slim(traced(Deployed(nn.Flatten(), nn.Softmax(1), steps), x[:2], "features")).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for rows in (slice(None), slice(-1, None)):
        (answer,) = session.run(["logits"], {"features": x[rows].numpy()})
        np.testing.assert_allclose(np.asarray(answer), steps(x[rows]).flatten(1).numpy(), atol=1e-4, rtol=1e-4)


def test_every_finishing_step_of_the_device_is_tried_here():
    tried = {spec.target.__name__ for spec in SPECS.values()} | {StandardisedDeltas.__name__}  # it has its own tests
    assert set(FINISH) <= tried, "add it to SPECS"
