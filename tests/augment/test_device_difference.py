"""DeviceDifference: each device's known curve is recovered and drawn evenly; only the main device hears of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import DeviceDifference, augmented
from tinyscene.batch import Batch
from tinyscene.errors import SettingError
from tinyscene.spec import Spec

N_BANDS = 12
CURVES = {name: 3 * np.random.default_rng(i).standard_normal(N_BANDS) for i, name in enumerate(("a", "b", "s1", "s2"))}


def recorded(devices: tuple[str, ...], seed: int = 0) -> Batch:
    noise = np.random.default_rng(seed).normal(0, 1, (len(devices), 1, N_BANDS, 20))
    colour = np.stack([CURVES.get(device, np.zeros(N_BANDS)) for device in devices])
    x = torch.from_numpy(noise + colour[:, None, :, None]).float()
    return Batch(x=x, target=torch.eye(len(devices)), device=devices)


def fitted(**numbers) -> DeviceDifference:
    spec = Spec(DeviceDifference, **numbers)
    batches = [recorded(("a", "b", "s1", "s2", "a", ""), seed) for seed in range(100)]
    return spec.but(**json.loads(json.dumps(spec.build().fit(iter(batches))))).build()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_known_curves_are_recovered():
    part = fitted()
    expected = np.stack([CURVES[device] - CURVES["a"] for device in ("b", "s1", "s2")])
    assert np.abs(part.curves - expected).max() < 0.5 / 10 * 3  # 0.5 dB in log10 units would be 0.05; noise is 1


def test_a_clip_of_the_main_device_gets_one_of_the_curves():
    part, before = fitted(p=1.0), recorded(("a",) * 6)
    after = augmented(before, [part], rng())
    for shift in (after.x - before.x)[:, 0]:
        torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-5, rtol=0)
        assert np.abs(part.curves - shift[:, 0].numpy()).max(1).min() < 1e-5


def test_each_curve_is_drawn_as_often():
    part = fitted(p=12 / 13)
    drawn = part.draw(recorded(("a",) * 10_000), rng()).curve
    counts = np.bincount(drawn + 1, minlength=4)
    expected = np.asarray([1 / 13, *[12 / 13 / 3] * 3]) * 10_000
    assert stats.chisquare(counts, expected).pvalue > 0.001


def test_other_devices_are_left_alone():
    before = recorded(("b", "s1", "", "s6"))
    assert torch.equal(augmented(before, [fitted(p=1.0)], rng()).x, before.x)


@pytest.mark.parametrize("devices", [("a", "a"), ("b", "s1"), ("", "")])
def test_without_a_pair_of_devices_nothing_is_learned(devices):
    assert DeviceDifference().fit([recorded(devices)]) == {}
    assert torch.equal(augmented(recorded(("a",)), [DeviceDifference()], rng()).x, recorded(("a",)).x)


def test_bad_share_is_refused():
    with pytest.raises(SettingError, match=r"DeviceDifference\.p takes 0 to 1; 2 came"):
        DeviceDifference(p=2)
