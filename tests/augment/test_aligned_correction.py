"""AlignedCorrection: a filter between two devices is recovered from clips of the same moment, and from no others."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.signal import firwin2, freqz, lfilter

from tinyscene.augment import AlignedCorrection, augmented
from tinyscene.batch import Batch
from tinyscene.dsp import power_spectrum
from tinyscene.errors import SettingError
from tinyscene.spec import Spec

N_FFT, HOP, RATE = 512, 256, 16_000
TAPS = {
    "b": firwin2(65, [0, 0.1, 0.4, 1], [1.5, 1.0, 0.7, 0.4]),
    "s1": firwin2(65, [0, 0.1, 0.4, 1], [0.6, 1.2, 1.0, 1.6]),
}
# Frames of a random signal and of its filtered form differ in what the frame's edge cuts off, so ratios of quiet bins
# scatter upwards; a steady tone in every bin has no such edge.
TIME = np.arange(RATE)


def sound(segment: int) -> np.ndarray:
    rng = np.random.default_rng(segment)
    bins = np.arange(4, 250, 3)
    phases = rng.uniform(0, 2 * np.pi, len(bins))
    return np.sin(2 * np.pi * np.outer(TIME, bins) / N_FFT + phases).sum(1) / 100


def spectrum(waveforms: list[np.ndarray]) -> torch.Tensor:
    x = torch.from_numpy(np.stack(waveforms)).float()[:, 1_000:9_000]
    return power_spectrum(x, torch.hann_window(N_FFT), N_FFT, HOP)[..., 2:-2]  # the outer frames are mirrored


def recorded(segments: range, devices: tuple[str, ...] = ("a", "b", "s1")) -> list[Batch]:
    batches = []
    for segment in segments:
        clean = sound(segment)
        waves = [lfilter(TAPS[device], 1, clean) if device in TAPS else clean for device in devices]
        names = (str(segment),) * len(devices)
        batches.append(Batch(x=spectrum(waves), target=torch.eye(len(devices)), device=devices, segment=names))
    return batches


def fitted(batches: list[Batch], **numbers) -> AlignedCorrection:
    spec = Spec(AlignedCorrection, **numbers)
    return spec.but(**json.loads(json.dumps(spec.build().fit(iter(batches))))).build()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def filters_db(*devices: str) -> np.ndarray:
    responses = [np.abs(freqz(TAPS[device], worN=N_FFT, whole=True)[1][: N_FFT // 2 + 1]) for device in devices]
    return 20 * np.log10(np.mean(responses, axis=0))


@pytest.mark.parametrize("devices", [("b",), ("b", "s1")])
def test_a_known_filter_is_recovered(devices):
    part = fitted(recorded(range(4), ("a", *devices)))
    assert part.ratio is not None
    bins = np.arange(4, 250, 3)
    assert np.abs(20 * np.log10(part.ratio) - filters_db(*devices))[bins].max() < 0.5


def test_corrected_clips_have_the_other_devices_spectrum():
    part = fitted(recorded(range(4), ("a", "b")), p=1.0)
    (batch,) = recorded(range(9, 10), ("a", "b"))
    after = augmented(batch, [part], rng())
    bins = np.arange(4, 250, 3)
    off_db = 10 * torch.log10(after.x[0, bins] / batch.x[1, bins])
    assert off_db.abs().max() < 0.5
    assert torch.equal(after.x[1], batch.x[1]), "another device was changed"


def test_only_clips_of_one_segment_are_compared():
    (one,), (other,) = recorded(range(1), ("a",)), recorded(range(1, 2), ("b",))
    assert AlignedCorrection().fit([one, other]) == {}
    nameless = [Batch(x=b.x, target=b.target, device=b.device, segment=("",) * len(b.x)) for b in recorded(range(2))]
    assert AlignedCorrection().fit(nameless) == {}


def test_the_partner_may_come_in_the_next_batch():
    batches = [
        Batch(x=b.x[i : i + 1], target=b.target[:1], device=b.device[i : i + 1], segment=b.segment[:1])
        for b in recorded(range(3))
        for i in range(3)
    ]
    np.testing.assert_allclose(fitted(batches).ratio, fitted(recorded(range(3))).ratio, rtol=1e-5)


def level(segment: str, ratio: float) -> Batch:
    """A pair of flat spectra, b above a by a ratio of magnitudes."""
    x = torch.ones(2, 3, 4) * torch.tensor([1.0, ratio**2])[:, None, None]
    return Batch(x=x, target=torch.eye(2), device=("a", "b"), segment=(segment,) * 2)


def test_as_many_pairs_as_asked_for_are_listened_to_from_all_over_the_set():
    binary = [level(str(i), 1 + 2.0**i) for i in range(16)]  # so the sum of the ratios tells which they were
    for n_pairs in (1, 5, 16, 99):
        ratio = AlignedCorrection(n_pairs=n_pairs).fit(binary)["ratio"][0]
        taken = bin(round((ratio - 1) * min(n_pairs, 16))).count("1")
        assert taken == min(n_pairs, 16)
    places = np.linspace(0, 1, 2_000)
    many = [level(f"airport-lyon-{i:04d}", 1 + place) for i, place in enumerate(places)]
    mean = AlignedCorrection(n_pairs=150).fit(many)["ratio"][0] - 1
    assert abs(mean - 0.5) < 3 * places.std() / np.sqrt(150)
    backwards = AlignedCorrection(n_pairs=150).fit(many[::-1])["ratio"][0] - 1
    assert backwards == pytest.approx(mean, abs=1e-5)


def test_devices_weigh_the_same_however_many_pairs_they_have():
    x = torch.tensor([1.0, 9.0])[:, None, None].expand(2, 3, 4)
    (b, *more), other = [level(str(i), 2) for i in range(5)], Batch(x, torch.eye(2), ("a", "c"), segment=("9", "9"))
    assert AlignedCorrection().fit([b, *more, other])["ratio"] == (2.5,) * 3


def test_windows_of_one_recording_meet_each_other_in_whatever_batches_they_come():
    windows = recorded(range(4), ("a", "b"))  # four windows of one segment, all of a's before those of b
    x = torch.cat([batch.x[:1] for batch in windows] + [batch.x[1:] for batch in windows])
    one = Batch(x=x, target=torch.eye(8), device=("a",) * 4 + ("b",) * 4, segment=("7",) * 8)
    parts = [
        Batch(
            x=x[i : i + 3],
            target=one.target[i : i + 3],
            device=one.device[i : i + 3],
            segment=("7",) * len(x[i : i + 3]),
        )
        for i in (0, 3, 6)
    ]
    expected = fitted(windows).ratio
    np.testing.assert_allclose(fitted([one]).ratio, expected, rtol=1e-5)
    np.testing.assert_allclose(fitted(parts).ratio, expected, rtol=1e-5)


def test_noise_through_a_filter_is_recovered():
    """In noise a ratio is off by what the frame's edges cut off of the filter's ring, now up, now down."""
    taps, batches = TAPS["b"], []
    for segment in range(20):
        clean = np.random.default_rng(segment).standard_normal(9_000 + 32)
        waves = [clean[32:], lfilter(taps, 1, np.append(clean, np.zeros(32)))[64:]]  # without the filter's delay
        batches.append(Batch(spectrum(waves), torch.eye(2), device=("a", "b"), segment=(str(segment),) * 2))
    off_db = (20 * np.log10(fitted(batches).ratio) - filters_db("b"))[2:-2]
    assert abs(off_db.mean()) < 0.05
    assert np.quantile(np.abs(off_db), 0.95) < 0.5


def test_gaps_in_a_recording_are_not_listened_to():
    whole, gappy = recorded(range(3), ("a", "b")), recorded(range(3), ("a", "b"))
    gappy[0].x[0, :, 5:9] = 0
    gappy[1].x[1, :, 2] *= 1e-9
    bins = np.arange(4, 250, 3)  # there is nothing between the tones
    np.testing.assert_allclose(fitted(gappy).ratio[bins], fitted(whole).ratio[bins], rtol=1e-3)


def test_recordings_may_differ_in_length():
    (batch,) = recorded(range(1), ("a", "b"))
    short = Batch(x=batch.x[1:, :, :-3], target=batch.target[:1], device=("b",), segment=("0",))
    long = Batch(x=batch.x[:1], target=batch.target[:1], device=("a",), segment=("0",))
    assert fitted([long, short]).ratio is not None


def test_silence_teaches_and_hears_finite_numbers():
    quiet = [Batch(x=torch.zeros(2, 5, 3), target=torch.eye(2), device=("a", "b"), segment=("1", "1"))]
    part = fitted(quiet, p=1.0)
    assert part.ratio.tolist() == [1] * 5
    assert torch.isfinite(augmented(quiet[0], [part], rng()).x).all()


@pytest.mark.parametrize(
    ("setting", "words"), [({"p": 2}, r"\.p takes 0 to 1"), ({"n_pairs": 0}, r"\.n_pairs takes 1 or more")]
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"AlignedCorrection{words}"):
        AlignedCorrection(**setting)
