"""The log-mel spectrogram against librosa, torch and laws."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from tinyscene.errors import AudioError, SettingError
from tinyscene.runtime import LogMel, mel_filterbank
from tinyscene.runtime.filterbanks import hz_to_mel, mel_to_hz

NUMBERS = {
    "sample_rate_hz": 44_100,
    "n_fft": 2_048,
    "win_length": 2_048,
    "hop_length": 1_024,
    "n_mels": 256,
    "f_min": 0.0,
    "f_max": 22_050.0,
    "mel_scale": "htk",
    "mel_norm": None,
    "log": "log10",
    "floor": 1e-6,
    "window": "hann",
    "center": True,
    "power": 2.0,
}
SOUND = (0.1 * np.random.default_rng(0).standard_normal((3, 44_100))).astype(np.float32)


def log_mel(**changes: object) -> LogMel:
    return LogMel(**(NUMBERS | changes))  # type: ignore[arg-type]


def torch_power_mel(sound: np.ndarray, numbers: dict) -> np.ndarray:
    torch = pytest.importorskip("torch")
    spectrum = torch.stft(
        torch.from_numpy(sound).double(),
        numbers["n_fft"],
        numbers["hop_length"],
        numbers["win_length"],
        getattr(torch, f"{numbers['window']}_window")(numbers["win_length"], dtype=torch.float64),
        center=numbers["center"],
        pad_mode="reflect",
        return_complex=True,
    )
    keys = ("sample_rate_hz", "n_fft", "n_mels", "f_min", "f_max", "mel_scale", "mel_norm")
    bank = mel_filterbank(**{key: numbers[key] for key in keys})
    return bank @ (spectrum.abs() ** numbers["power"]).numpy()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"log": "ln", "floor": 1e-8},
        {"log": "db", "floor": 1e-10},
        {"win_length": 1_764, "hop_length": 882, "n_mels": 40, "mel_scale": "slaney", "mel_norm": "slaney"},
        {"n_fft": 512, "win_length": 401, "hop_length": 100, "n_mels": 7, "f_min": 300.0, "f_max": 8_000.0},
        {"window": "hamming", "win_length": 1_764, "hop_length": 882, "n_mels": 128},
        {"center": False},
        {"center": False, "win_length": 801, "power": 1.0, "floor": 1e-4},
    ],
)
def test_equals_torch_stft_in_float64(changes):
    numbers = NUMBERS | changes
    x = torch_power_mel(SOUND, numbers)
    formulas = {
        "log10": lambda: np.log10(x + numbers["floor"]),
        "ln": lambda: np.log(x + numbers["floor"]),
        "db": lambda: 10 * np.log10(np.maximum(x, numbers["floor"])),
    }
    made = log_mel(**changes)(SOUND)
    assert (made.dtype, made.shape) == (np.float32, (3, 1, numbers["n_mels"], x.shape[-1]))
    tolerance = 1e-4 * (10 / np.log(10) if numbers["log"] == "db" else 1)  # a dB is a small unit
    assert np.abs(made[:, 0] - formulas[numbers["log"]]()).max() < tolerance


@pytest.mark.parametrize(("scale", "norm"), [("htk", None), ("slaney", "slaney")])
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_equals_librosa_in_db(scale, norm):
    # melspectrogram is these lines; to import it takes half a minute the first time
    spectrum = librosa.stft(SOUND[0].astype(np.float64), n_fft=2_048, hop_length=1_024, pad_mode="reflect")
    bank = librosa.filters.mel(sr=44_100, n_fft=2_048, n_mels=128, fmax=22_050, htk=scale == "htk", norm=norm)
    mel = bank @ np.abs(spectrum) ** 2
    expected = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None)
    made = log_mel(n_mels=128, mel_scale=scale, mel_norm=norm, log="db", floor=1e-10)(SOUND[:1])
    assert np.abs(made[0, 0] - expected).max() < 1e-4


def test_one_clip_equals_the_same_clip_in_a_batch_of_three():
    """To the last digit: torchaudio once let the loudest clip of a batch set the floor of the others."""
    front = log_mel()
    loud = SOUND * np.array([[1.0], [1e-3], [10.0]], dtype=np.float32)
    assert np.array_equal(front(loud)[1:2], front(loud[1:2]))


def test_shift_by_a_hop_is_a_shift_by_a_frame():
    front = log_mel()
    first, second = front(SOUND[:1, :-1_024]), front(SOUND[:1, 1_024:])
    inside = slice(2, -2)  # the mirrored ends differ
    assert np.abs(first[..., 1:][..., inside] - second[..., :-1][..., inside]).max() < 1e-5


@pytest.mark.parametrize("band", [8, 20, 50])
def test_tone_peaks_in_the_band_whose_centre_it_is(band):
    f_hz = mel_to_hz(hz_to_mel(22_050, "htk") * (band + 1) / 65, "htk")
    tone = np.sin(2 * np.pi * f_hz * np.arange(44_100) / 44_100).astype(np.float32)
    assert (log_mel(n_mels=64)(tone[None])[0, 0, :, 2:-2].argmax(axis=0) == band).all()


@pytest.mark.parametrize(("window", "mean"), [("hann", 0.5), ("hamming", 0.54)])
@pytest.mark.parametrize("power", [1, 2])
def test_level_of_a_tone_is_that_of_its_window(window, mean, power):
    """A cosine on bin 5 has magnitude N/2 times the window's mean there, N/4 times the rest at its neighbours."""
    numbers = {"n_fft": 512, "win_length": 512, "hop_length": 256, "n_mels": 1, "f_max": 900.0, "floor": 1e-12}
    front = log_mel(**numbers, mel_scale="slaney", log="ln", window=window, power=power)
    tone = np.cos(2 * np.pi * 5 * np.arange(44_100) / 512).astype(np.float32)
    triangle = np.array([4, 5, 6]) * 44_100 / 512 / 450  # one band, 0 to 900 Hz, its peak of 1 at 450 Hz
    triangle = np.minimum(triangle, 2 - triangle)
    expected = triangle @ (512 * np.array([(1 - mean) / 4, mean / 2, (1 - mean) / 4])) ** power
    assert np.allclose(np.exp(front(tone[None])[0, 0, 0, 3:-3]), expected, rtol=1e-3)


@pytest.mark.parametrize(("log", "level"), [("log10", -6.0), ("ln", np.log(1e-6)), ("db", -60.0)])
def test_silence_is_the_floor(log, level):
    assert np.allclose(log_mel(log=log)(np.zeros((1, 44_100), np.float32)), level, atol=1e-5)


def test_shortest_clip_that_can_be_mirrored_is_taken():
    front = log_mel()
    assert front(SOUND[:1, :1_025]).shape == (1, 1, 256, 2)
    x = torch_power_mel(SOUND[:1, :1_025], NUMBERS)
    assert np.abs(front(SOUND[:1, :1_025])[:, 0] - np.log10(x + 1e-6)).max() < 1e-4
    with pytest.raises(AudioError, match=r"LogMel takes more than 1024 samples .* 1024 came"):
        front(SOUND[:1, :1_024])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n_mels": 1_025}, r"LogMel.n_mels takes 1 to 1024 \(half of n_fft 2048\); 1025 came"),
        ({"window": "flat"}, "LogMel has no window 'flat'; it takes hann, hamming"),
        ({"power": 3.0}, r"LogMel.power takes 2 \(power\) or 1 \(amplitude\); 3.0 came"),
        ({"floor": 0.0}, "LogMel.floor takes a number above 0 .*; 0.0 came"),
        ({"floor": float("nan")}, "LogMel.floor takes a number above 0 .*; nan came"),
        ({"log": "log2"}, "LogMel has no log 'log2'; it takes log10, ln, db"),
        ({"win_length": 4_096}, r"LogMel.win_length takes 1 to 2048 samples \(n_fft\); 4096 came"),
        ({"n_fft": 2_047}, "LogMel.n_fft takes an even number of samples from 2; 2047 came"),
        ({"hop_length": 0}, "LogMel.hop_length takes 1 sample or more; 0 came"),
        ({"f_max": 30_000.0}, r"LogMel.f_max takes .* up to 22050 Hz .*; 30000 came"),
    ],
)
def test_numbers_out_of_range_are_told(changes, text):
    with pytest.raises(SettingError, match=text):
        log_mel(**changes)


def test_a_clip_that_holds_one_frame_is_taken_without_centring():
    front = log_mel(center=False)
    assert front(SOUND[:, :2_048]).shape == (3, 1, 256, 1)
    with pytest.raises(
        AudioError, match=r"LogMel takes 2048 samples or more \(n_fft, since center is False\); 2047 came"
    ):
        front(SOUND[:, :2_047])


def test_a_long_clip_has_the_frames_of_its_parts():
    """More frames than are transformed at once."""
    front = log_mel(center=False)
    clip = np.tile(SOUND[:1], 4)
    parts = [front(clip[:, i * 1_024 : i * 1_024 + 2_048]) for i in (0, 63, 64, 65, 127, 128, 170)]
    assert np.abs(front(clip)[..., [0, 63, 64, 65, 127, 128, 170]] - np.concatenate(parts, axis=-1)).max() < 1e-5


def test_waveform_without_a_batch_axis_is_told():
    with pytest.raises(AudioError, match=r"waveforms \(batch, time\); \(44100,\) came"):
        log_mel()(SOUND[0])


def test_a_quick_start_gives_the_same_features():
    clip = np.random.default_rng(4).normal(0, 0.1, (2, 44_100)).astype(np.float32)
    numbers = {
        "sample_rate_hz": 44_100,
        "n_fft": 4096,
        "win_length": 4096,
        "hop_length": 1024,
        "n_mels": 256,
        "f_min": 0.0,
        "f_max": 22_050.0,
        "mel_scale": "htk",
        "mel_norm": "slaney",
        "log": "log10",
        "floor": 1e-10,
    }
    slow, quick = LogMel(**numbers)(clip), LogMel(**numbers, quick_start=True)(clip)
    assert np.abs(slow - quick).max() < 1e-5
