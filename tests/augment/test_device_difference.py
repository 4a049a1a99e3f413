"""DeviceDifference: each device's known curve is recovered and drawn evenly; only the main device hears of it."""

from __future__ import annotations

import json

import librosa
import numpy as np
import pytest
import torch
from scipy import stats
from scipy.signal import firwin2, freqz, lfilter

from tinyscene.augment import DeviceDifference, SpectrumCorrection, augmented
from tinyscene.batch import Batch
from tinyscene.dsp import power_spectrum
from tinyscene.errors import SettingError
from tinyscene.spec import Spec

N_BANDS = 12
BANK = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=N_BANDS)
TAPS = {
    "a": firwin2(65, [0, 0.3, 1], [0.8, 1.1, 0.9]),
    "b": firwin2(65, [0, 0.1, 0.4, 1], [1.5, 1.0, 0.7, 0.4]),
    "s1": firwin2(65, [0, 0.1, 0.4, 1], [0.6, 1.2, 1.0, 1.6]),
}
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
    assert np.abs(part.curves - expected).max() < 0.15  # the noise of 100 clips of 20 frames, four deviations


def filtered(device: str, seed: int) -> torch.Tensor:
    """One second of noise through the device's filter, as log10 mel power, (1, band, frame)."""
    noise = np.random.default_rng(seed).standard_normal(16_000)
    wave = torch.from_numpy(lfilter(TAPS[device], 1, noise)).float()
    power = power_spectrum(wave[None], torch.hann_window(512), 512, 256)[0, :, 2:-2]
    return torch.log10(torch.from_numpy(BANK).float() @ power)[None]


@pytest.mark.parametrize("part", [DeviceDifference, SpectrumCorrection])
def test_simulated_devices_are_recovered_within_half_a_db(part):
    devices = ("a", "b", "s1") * 10
    x = torch.stack([filtered(device, seed) for seed, device in enumerate(devices)])  # no two clips of one sound
    numbers = part().fit([Batch(x=x, target=torch.eye(len(devices)), device=devices)])
    through = {name: np.abs(freqz(taps, worN=512, whole=True)[1][:257]) ** 2 for name, taps in TAPS.items()}
    level = {name: 10 * np.log10(BANK @ response) for name, response in through.items()}
    wanted = np.stack([level["b"] - level["a"], level["s1"] - level["a"]])
    wanted = wanted if part is DeviceDifference else wanted.mean(0)
    (learned,) = numbers.values()
    assert np.abs(10 * np.asarray(learned) - wanted).max() < 0.5


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
