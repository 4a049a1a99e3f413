"""The shapes that the reports publish, each from its steps, each equal to its numpy twin (facts 1.1, 2.1, 3.1, 5.2)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tinyscene.batch import Batch
from tinyscene.frontends import (
    Crop,
    Deltas,
    Doubled,
    FittedStandardisation,
    FrontEnd,
    LogMel,
    StandardisedBands,
    StandardisedClip,
    StandardisedDeltas,
)
from tinyscene.runtime.front_end import front_end as numpy_twin
from tinyscene.spec import Spec

RATE_HZ = 44_100
MEL = Spec(LogMel, sample_rate_hz=RATE_HZ, n_fft=2_048, win_length=2_048, hop_length=1_024, n_mels=256, f_min=0.0)
MEL = MEL.but(f_max=RATE_HZ / 2)
MEL_000 = MEL.but(log="ln", floor=1e-8)
MEL_001 = MEL.but(n_fft=4_096, win_length=4_096, mel_norm="slaney")
MEL_002 = MEL.but(win_length=1_764, hop_length=882, n_mels=128, log="ln", floor=1e-6)
MEL_004 = MEL.but(mel_scale="slaney", mel_norm="slaney", log="db")

# name -> (seconds, spectral step, finishing steps, shape)
PUBLISHED = {
    "000": (1, MEL_000, (Spec(Deltas, edges="valid"), Spec(FittedStandardisation)), (3, 256, 36)),
    "000 doubled": (
        1,
        MEL_000,
        (Spec(Deltas, edges="valid"), Spec(FittedStandardisation), Spec(Doubled)),
        (3, 256, 72),
    ),
    "000 tested": (
        1,
        MEL_000,
        (Spec(Deltas, edges="valid"), Spec(FittedStandardisation), Spec(Doubled), Spec(Crop, n_frames=36)),
        (3, 256, 36),
    ),
    "001": (1, MEL_001, (Spec(StandardisedDeltas),), (2, 256, 44)),
    "002 on bands": (5, MEL_002, (Spec(StandardisedBands), Spec(Deltas, stack="band")), (1, 384, 251)),
    "002 on channels": (5, MEL_002, (Spec(StandardisedBands), Spec(Deltas)), (3, 128, 251)),
    "004": (1, MEL_004, (), (1, 256, 44)),
    "004 standardised": (1, MEL_004, (Spec(StandardisedClip),), (1, 256, 44)),
}


def sounds(seconds: int) -> torch.Tensor:
    """(4, time): loud noise, a tone in noise, quiet noise, silence.

    The tone swells: of a steady one's own band, StandardisedBands would magnify a deviation near float32's rounding.
    """
    rng = np.random.default_rng(3)
    n_samples = seconds * RATE_HZ
    noise = rng.normal(0, 1, (4, n_samples)) * [[0.2], [1e-2], [1e-3], [0]]
    time_s = np.arange(n_samples) / RATE_HZ
    noise[1] += (0.2 + 0.1 * np.sin(2 * np.pi * time_s)) * np.sin(2 * np.pi * 440 * time_s)
    return torch.from_numpy(noise).float()


def fitted(spec: Spec, waveforms: torch.Tensor) -> Spec:
    """The front end with its fitted steps fitted to these sounds, as a run would do it."""
    steps = list(spec.fields["finish"])
    for i, step in enumerate(steps):
        if step.target is FittedStandardisation:
            before = spec.but(finish=tuple(steps[:i])).build()(waveforms)
            steps[i] = step.but(**step.build().fit([Batch(x=before, target=torch.ones(len(before), 1))]))
    return spec.but(finish=tuple(steps))


@pytest.mark.parametrize("name", PUBLISHED)
@torch.no_grad()
def test_shape_is_the_published_one_and_the_twin_is_equal(name):
    seconds, spectral, finish, shape = PUBLISHED[name]
    waveforms = sounds(seconds)
    spec = fitted(Spec(FrontEnd, spectral=spectral, finish=finish), waveforms)
    made = spec.build().eval()(waveforms)
    assert made.shape == (4, *shape)
    assert made.isfinite().all()
    twin = numpy_twin(json.loads(json.dumps(spec.constants())))(waveforms.numpy())
    np.testing.assert_allclose(twin, made.numpy(), atol=1e-4, rtol=1e-4)
