"""LogMel in torch: librosa, shifts, batches, bad settings, the shape of report 001, its twin on the device."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import torch

from tinyscene.errors import AudioError, SettingError
from tinyscene.frontends import FrontEnd, LogMel, StandardisedDeltas
from tinyscene.runtime.front_end import front_end as twin_of
from tinyscene.runtime.log_mel import LogMel as TwinLogMel
from tinyscene.spec import Spec
from tinyscene.systems import load_system

RATE_HZ = 16_000
MEL = Spec(
    LogMel, sample_rate_hz=RATE_HZ, n_fft=1_024, win_length=1_024, hop_length=256, n_mels=40, f_min=0.0, f_max=8_000.0
)
SOUND = 0.1 * torch.randn(3, RATE_HZ, generator=torch.Generator().manual_seed(0))


def sounds(n_samples: int) -> dict[str, torch.Tensor]:
    time_s = torch.arange(n_samples) / RATE_HZ
    impulse = torch.zeros(n_samples)
    impulse[n_samples // 3] = 1.0
    return {
        "noise": 0.1 * torch.randn(n_samples, generator=torch.Generator().manual_seed(1)),
        "sine": 0.5 * torch.sin(2 * torch.pi * 440 * time_s),
        "silence": torch.zeros(n_samples),
        "impulse": impulse,
    }


def by_librosa(**changes: Any) -> np.ndarray:
    """Mel spectrum of SOUND (3, 40, frame), before the logarithm."""
    # melspectrogram is these lines; to import it takes half a minute the first time
    keys: dict[str, Any] = {"win_length": None, "window": "hann", "center": True, "power": 2.0} | changes
    power, own = keys.pop("power"), {key: keys.pop(key) for key in ("win_length", "window", "center")}
    spectrum = librosa.stft(SOUND.double().numpy(), n_fft=1_024, hop_length=256, pad_mode="reflect", **own)
    bank = {"n_mels": 40, "htk": True, "norm": None} | keys
    return librosa.filters.mel(sr=RATE_HZ, n_fft=1_024, **bank) @ np.abs(spectrum) ** power


def unlogged(made: torch.Tensor, log: str) -> np.ndarray:
    level = made[:, 0].double().numpy()
    return {"log10": 10.0**level, "ln": np.exp(level), "db": 10.0 ** (level / 10)}[log]


@pytest.mark.parametrize(("scale", "norm"), [("htk", None), ("htk", "slaney"), ("slaney", None), ("slaney", "slaney")])
@pytest.mark.parametrize("log", ["log10", "ln", "db"])
def test_mel_power_equals_librosa(scale, norm, log):
    made = unlogged(MEL.but(mel_scale=scale, mel_norm=norm, log=log).build()(SOUND), log)
    assert np.abs(made / by_librosa(htk=scale == "htk", norm=norm) - 1).max() < 1e-4


@pytest.mark.parametrize("window", ["hann", "hamming"])
@pytest.mark.parametrize("win_length", [1_024, 801])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_windows_centring_and_power_equal_librosa(window, win_length, center, power):
    settings = {"window": window, "win_length": win_length, "center": center, "power": power}
    made, expected = unlogged(MEL.but(**settings).build()(SOUND), "log10"), by_librosa(**settings)
    assert made.shape == expected.shape
    assert np.abs(made / expected - 1).max() < 1e-4


@pytest.mark.parametrize("log", ["log10", "ln", "db"])
def test_levels_equal_librosas_to_a_ten_thousandth(log):
    spectrum = by_librosa()
    expected = {
        "log10": np.log10(spectrum + 1e-10),
        "ln": np.log(spectrum + 1e-10),
        "db": librosa.power_to_db(spectrum, ref=1.0, amin=1e-10, top_db=None),
    }[log]
    np.testing.assert_allclose(MEL.but(log=log).build()(SOUND)[:, 0].numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("rate", "seconds", "changes", "shape"),
    [
        (44_100, 1, {"n_fft": 4_096, "win_length": 4_096, "mel_norm": "slaney"}, (1, 256, 44)),  # reports 000, 001
        (44_100, 5, {"win_length": 1_764, "hop_length": 882, "n_mels": 128, "window": "hamming"}, (1, 128, 251)),  # 002
        (44_100, 1, {"mel_scale": "slaney", "mel_norm": "slaney", "log": "db"}, (1, 256, 44)),  # 004
        (32_000, 1, {"n_fft": 4_096, "win_length": 3_072, "hop_length": 500, "log": "ln", "floor": 1e-5}, (1, 256, 65)),
    ],
)
def test_published_settings_have_their_published_shapes(rate, seconds, changes, shape):
    numbers = {"sample_rate_hz": rate, "n_fft": 2_048, "win_length": 2_048, "hop_length": 1_024, "n_mels": 256}
    spec = MEL.but(**(numbers | {"f_max": rate / 2} | changes))
    assert spec.build()(torch.zeros(2, rate * seconds)).shape == (2, *shape)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_it_is_its_two_halves_and_the_first_is_a_power_spectrum(power):
    mel = MEL.but(power=power).build()
    spectrum = mel.spectrum(SOUND)
    theirs = librosa.stft(SOUND.double().numpy(), n_fft=1_024, hop_length=256, pad_mode="reflect")
    np.testing.assert_allclose(spectrum.numpy(), np.abs(theirs) ** 2, rtol=1e-4, atol=1e-6)
    assert torch.equal(mel.bands(spectrum), mel(SOUND))
    front = FrontEnd(mel)
    assert torch.equal(front.spectrum(SOUND), spectrum)


def test_raised_edges_equal_librosa():
    made = unlogged(MEL.but(win_length=800, f_min=100.0, f_max=6_000.0).build()(SOUND), "log10")
    assert np.abs(made / by_librosa(win_length=800, fmin=100, fmax=6_000) - 1).max() < 1e-4


@pytest.mark.parametrize(("log", "level"), [("log10", -10.0), ("ln", np.log(1e-10)), ("db", -100.0)])
def test_silence_is_the_floor(log, level):
    assert torch.allclose(MEL.but(log=log).build()(torch.zeros(1, RATE_HZ)), torch.tensor(level, dtype=torch.float32))


def test_a_gain_is_one_step_up_in_log():
    loud = MEL.build()(10 * SOUND) - MEL.build()(SOUND)
    assert torch.allclose(loud, torch.tensor(2.0), atol=1e-4)


def test_shift_by_a_hop_is_a_shift_by_a_frame():
    mel = MEL.build()
    first, second = mel(SOUND[:, :-256]), mel(SOUND[:, 256:])
    assert torch.allclose(first[..., 3:-2], second[..., 2:-3], atol=1e-4)  # the mirrored ends differ


@pytest.mark.parametrize("part", ["spectral", "whole"])
def test_a_clip_alone_equals_the_clip_in_a_batch_of_three(part):
    made = MEL.build() if part == "spectral" else FrontEnd(MEL.build(), (StandardisedDeltas(),))
    loud = SOUND * torch.tensor([[1.0], [1e-3], [10.0]])
    together = made(loud)
    for i in range(3):
        assert torch.allclose(made(loud[i : i + 1]), together[i : i + 1], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n_fft": 1_023}, "LogMel.n_fft takes an even number of samples from 2; 1023 came."),
        ({"n_fft": 0}, "LogMel.n_fft takes an even number of samples from 2; 0 came."),
        ({"win_length": 2_048}, "LogMel.win_length takes 1 to 1024 samples (n_fft); 2048 came."),
        ({"win_length": 0}, "LogMel.win_length takes 1 to 1024 samples (n_fft); 0 came."),
        ({"hop_length": 0}, "LogMel.hop_length takes 1 sample or more; 0 came."),
        ({"n_mels": 0}, "LogMel.n_mels takes 1 to 512 (half of n_fft 1024); 0 came."),
        ({"n_mels": 513}, "LogMel.n_mels takes 1 to 512 (half of n_fft 1024); 513 came."),
        ({"f_min": -1.0}, "LogMel.f_min takes 0 Hz up to below f_max (8000 Hz); -1 came."),
        ({"f_min": 8_000.0}, "LogMel.f_min takes 0 Hz up to below f_max (8000 Hz); 8000 came."),
        ({"f_max": 8_001.0}, "8000 Hz (half of sample_rate_hz); 8001 came."),
        ({"mel_scale": "bark"}, "LogMel has no mel_scale 'bark'; it takes htk, slaney."),
        ({"mel_norm": "area"}, "LogMel.mel_norm takes 'slaney' or None; 'area' came."),
        ({"log": "log2"}, "LogMel has no log 'log2'; it takes log10, ln, db. Did you mean 'log10'?"),
        ({"floor": 0.0}, "LogMel.floor takes a number above 0 (from 1e-37); 0.0 came."),
        ({"window": "kaiser"}, "LogMel has no window 'kaiser'; it takes hann, hamming."),
        ({"power": 0.5}, "LogMel.power takes 2 (power) or 1 (amplitude); 0.5 came."),
    ],
)
def test_a_setting_out_of_range_is_told_by_its_name(changes, text):
    with pytest.raises(SettingError) as caught:
        MEL.but(**changes).build()
    assert str(caught.value).startswith("LogMel")
    assert str(caught.value).endswith(text)


def test_a_waveform_too_short_to_be_mirrored_is_told():
    assert MEL.build()(SOUND[:, :513]).shape == (3, 1, 40, 3)
    with pytest.raises(AudioError, match=r"LogMel takes more than 512 samples \(half of n_fft 1024\).*; 512 came"):
        MEL.build()(SOUND[:, :512])
    assert MEL.but(center=False).build()(SOUND[:, :1_024]).shape == (3, 1, 40, 1)
    with pytest.raises(AudioError, match=r"LogMel takes 1024 samples or more .*; 1023 came"):
        MEL.but(center=False).build()(SOUND[:, :1_023])


def test_features_of_report_001_are_two_channels_of_256_bands_and_44_frames():
    """Section 2.1: "the final input size of our models is 2 x 256 x 44"."""
    system = load_system("dsmn-1")
    assert system.frontend.build()(torch.zeros(1, system.window_samples)).shape == (1, 2, 256, 44)


# Beside a pure sine, a quiet band holds little but the rounding of the float32 transform, torch's or scipy's (each is
# as far from float64 as from the other), and the logarithm shows it.
@pytest.mark.parametrize(("name", "tolerance"), [("noise", 1e-4), ("sine", 0.05), ("silence", 1e-4), ("impulse", 1e-4)])
@pytest.mark.parametrize(
    "changes", [{}, {"log": "ln", "floor": 1e-7}, {"log": "db", "mel_scale": "slaney", "mel_norm": "slaney"}]
)
def test_equals_its_twin_on_the_device(name, tolerance, changes):
    spec = Spec(FrontEnd, spectral=MEL.but(**changes), finish=(Spec(StandardisedDeltas),))
    sound = sounds(8_000)[name][None]
    made, twin = spec.build()(sound).numpy(), twin_of(spec.constants())(sound.numpy())
    assert made.shape == twin.shape
    assert np.abs(made - twin).max() < tolerance


@pytest.mark.parametrize(("name", "tolerance"), [("noise", 1e-4), ("sine", 0.05), ("silence", 1e-4), ("impulse", 1e-4)])
def test_front_end_of_report_001_equals_its_twin_on_the_device(name, tolerance):
    spec = load_system("dsmn-1").frontend
    sound = sounds(44_100)[name][None]
    assert np.abs(spec.build()(sound).numpy() - twin_of(spec.constants())(sound.numpy())).max() < tolerance


def test_power_of_a_sine_equals_its_twins_to_a_hundred_thousandth_of_the_loudest_band():
    constants = MEL.constants()
    constants.pop("class")
    sine = sounds(8_000)["sine"][None]
    made, twin = 10.0 ** MEL.build()(sine).double().numpy(), 10.0 ** TwinLogMel(**constants)(sine.numpy()).astype(float)
    assert np.abs(made - twin).max() < 1e-5 * twin.max()


def test_nothing_in_it_is_trained_or_saved():
    made = FrontEnd(MEL.build(), (StandardisedDeltas(),))
    assert list(made.parameters()) == []
    assert made.state_dict() == {}
