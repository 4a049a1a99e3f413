"""Every spectral step on every road: alone and in a batch, eager and in a file, in torch and in numpy."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tinyscene.export import Deployed, slim, traced
from tinyscene.frontends import FrontEnd, GammatoneBank, GammatoneSpectrogram, LogMel, PreEmphasis
from tinyscene.runtime.front_end import front_end as numpy_twin
from tinyscene.spec import Spec

RATE_HZ, HOP = 8_000, 200
EDGES = {"sample_rate_hz": RATE_HZ, "f_min": 20.0, "f_max": RATE_HZ / 2}
MEL = Spec(LogMel, n_fft=512, win_length=512, hop_length=HOP, n_mels=40, **EDGES)
STEPS = {
    "log-mel": MEL,
    "log-mel-hamming-amplitude": MEL.but(
        window="hamming", win_length=400, power=1.0, center=False, log="ln", floor=1e-5
    ),
    "log-mel-slaney-db": MEL.but(mel_scale="slaney", mel_norm="slaney", log="db"),
    "gammatone-spectrogram": Spec(GammatoneSpectrogram, n_fft=512, win_length=256, hop_length=HOP, n_bands=24, **EDGES),
    "gammatone-bank": Spec(GammatoneBank, win_length=400, hop_length=HOP, n_bands=12, **EDGES),
}
STEP = pytest.mark.parametrize("spec", [Spec(FrontEnd, spectral=step) for step in STEPS.values()], ids=list(STEPS))


def sounds() -> torch.Tensor:
    """(4, time): noise, a tone in faint noise, a click, silence."""
    noise = 0.1 * torch.randn(2, RATE_HZ, generator=torch.Generator().manual_seed(0))
    tone = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(RATE_HZ) / RATE_HZ) + 0.1 * noise[1]
    click = torch.zeros(RATE_HZ)
    click[RATE_HZ // 3] = 1.0
    return torch.stack([noise[0], tone, click, torch.zeros(RATE_HZ)])


@STEP
def test_in_numpy_as_in_torch(spec):
    made = spec.build()(sounds()).numpy()
    twin = numpy_twin(json.loads(json.dumps(spec.constants())))(sounds().numpy())
    assert twin.dtype == np.float32
    np.testing.assert_allclose(twin, made, atol=1e-4, rtol=1e-4)
    quick = numpy_twin(spec.constants(), quick_start=True)(sounds().numpy())
    np.testing.assert_allclose(quick, made, atol=1e-4, rtol=1e-4)


@STEP
def test_a_clip_alone_as_in_a_batch(spec):
    made, loud = spec.build(), sounds() * torch.tensor([[1.0], [1e-2], [5.0], [1.0]])
    twin = numpy_twin(spec.constants())
    for i, alone in enumerate(loud.split(1)):
        torch.testing.assert_close(made(alone)[0], made(loud)[i], atol=1e-5, rtol=1e-5)
        assert np.array_equal(twin(alone.numpy())[0], twin(loud.numpy())[i])


@STEP
def test_in_a_file_as_in_torch(spec):
    deployed = Deployed(nn.Flatten(), nn.Softmax(1), spec.build()).eval()
    graph = slim(traced(deployed, sounds()[:2], "waveform")).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    for rows in (sounds(), sounds()[3:]):
        answer = np.asarray(session.run(["logits"], {"waveform": rows.numpy()})[0])
        np.testing.assert_allclose(answer, deployed(rows)[1].numpy(), atol=1e-4, rtol=1e-4)


@STEP
def test_a_shift_by_a_hop_is_a_shift_by_a_frame(spec):
    made, clip = spec.build(), sounds()[:1]
    first, second = made(clip[:, :-HOP]), made(clip[:, HOP:])
    ends = slice(8, -8)  # mirrored, or still ringing: the bank's lowest filter, cut off at 0 Hz, does so long
    tolerance = 5e-3 if isinstance(made.spectral, GammatoneBank) else 1e-4
    assert torch.allclose(first[..., 1:][..., ends], second[..., :-1][..., ends], atol=tolerance)
    assert not torch.allclose(first[..., ends], second[..., ends], atol=0.1)


@STEP
def test_silence_and_its_gradient_are_finite(spec):
    quiet = torch.stack([torch.zeros(RATE_HZ), torch.full((RATE_HZ,), 0.25), 1e-6 * sounds()[0]]).requires_grad_()
    features = spec.build()(quiet)
    features.sum().backward()
    assert torch.isfinite(features).all()
    assert features.dtype == torch.float32
    assert quiet.grad is not None
    assert torch.isfinite(quiet.grad).all()


@STEP
def test_everything_of_it_moves_to_another_device(spec):
    """On torch's "meta" device, which has shapes and no numbers: a tensor left on the CPU would be refused."""
    made = spec.build()
    assert made.to("meta")(sounds().to("meta")).shape == spec.build()(sounds()).shape


def test_pre_emphasis_travels_in_a_file():
    spec = Spec(FrontEnd, spectral=MEL, waveform=(Spec(PreEmphasis),))
    test_in_a_file_as_in_torch(spec)
    test_in_numpy_as_in_torch(spec)
