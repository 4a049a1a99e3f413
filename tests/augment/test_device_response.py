"""DeviceResponse: the response's own spectrum, the reference's samples, level, delay, and the folder's faults."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import fftconvolve, firwin2

from tinyscene.audio import read_audio, resample
from tinyscene.augment import device_response
from tinyscene.augment.device_response import DeviceResponse, DeviceResponseDraw
from tinyscene.batch import Batch
from tinyscene.errors import AudioError, SettingError

RATE = 44_100


def batch(x: np.ndarray, rate: int = RATE, dtype: torch.dtype = torch.float32) -> Batch:
    return Batch(x=torch.from_numpy(x).to(dtype), target=torch.zeros(len(x), 2), sample_rate_hz=rate)


def reference(x: np.ndarray, response: np.ndarray) -> np.ndarray:
    """As the makers of ESC-10-mobile apply a response at the clip's own rate: float64, direct path first, RMS kept."""
    response = response[np.argmax(np.abs(response)) :]
    response = response / np.sqrt(np.sum(response**2))
    y = fftconvolve(x, response)[: len(x)]
    return y * np.sqrt(np.mean(x**2) / np.mean(y**2))


def third_octaves_db(power: np.ndarray, f_hz: np.ndarray) -> np.ndarray:
    centres = 1_000 * 2.0 ** (np.arange(-10, 13) / 3)  # 100 Hz to 16 kHz
    edge = 2 ** (1 / 6)
    return np.array([10 * np.log10(power[(f_hz >= c / edge) & (f_hz < c * edge)].mean()) for c in centres])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two microphones, one of them in a sub-folder and at another rate, and what is no audio."""
    root = tmp_path_factory.mktemp("responses")
    (root / "deeper").mkdir()
    f = np.array([0, 200, 1_000, 4_000, 10_000, 24_000]) / 24_000
    for name, rate, gain_db in (
        ("a.wav", RATE, [-30, -3, 0, 6, -9, -30]),
        ("deeper/b.flac", 48_000, [0, 3, 0, -6, 3, 0]),
    ):
        response = np.asarray(firwin2(513, f, 10 ** (np.array(gain_db) / 20)))
        soundfile.write(root / name, 0.5 * np.pad(response, (40, 0)), rate, subtype="PCM_24")
    (root / "README.txt").write_text("two microphones")
    (root / "._a.wav").write_bytes(b"what macOS leaves")
    return root


def test_samples_are_the_reference_s(folder):
    x = 0.1 * np.random.default_rng(0).standard_normal((3, RATE)).astype(np.float32)
    part = DeviceResponse(str(folder))
    assert [path.name for path in part.files] == ["a.wav", "b.flac"]
    for dtype in (torch.float32, torch.float64):
        made = part.apply(batch(x, dtype=dtype), DeviceResponseDraw(np.array([0, -1, 1]))).x
        assert made.dtype == dtype
        assert np.array_equal(made[1], x[1])
        for row, name in ((0, "a.wav"), (2, "deeper/b.flac")):
            waveform, rate = read_audio(folder / name)
            response = resample(waveform, rate, RATE).astype(np.float64)
            np.testing.assert_allclose(made[row], reference(x[row].astype(np.float64), response), atol=1e-5)


def test_real_microphones_are_the_reference_s(real_data):
    x = read_audio(sorted((real_data / "esc10" / "audio").glob("*/*.*"))[200])[0][None]
    part = DeviceResponse(str(real_data / "micirp" / "ir"))
    assert len(part.files) > 50
    for i in range(0, len(part.files), 10):
        response, rate = soundfile.read(part.files[i])
        if rate == RATE:
            made = part.apply(batch(x), DeviceResponseDraw(np.array([i]))).x
            np.testing.assert_allclose(made[0], reference(x[0].astype(np.float64), response), atol=1e-4)


@pytest.mark.parametrize("index", [0, 1])
def test_white_noise_gets_the_response_s_third_octaves(folder, index):
    part = DeviceResponse(str(folder))
    x = 0.1 * np.random.default_rng(1).standard_normal((1, 20 * RATE)).astype(np.float32)
    made = part.apply(batch(x), DeviceResponseDraw(np.array([index]))).x.numpy()
    f_hz = np.fft.rfftfreq(x.shape[1], 1 / RATE)
    change = third_octaves_db(np.abs(np.fft.rfft(made[0])) ** 2, f_hz)
    change -= third_octaves_db(np.abs(np.fft.rfft(x[0])) ** 2, f_hz)
    response, rate = soundfile.read(part.files[index])
    whole = third_octaves_db(
        np.abs(np.fft.rfft(response[np.argmax(np.abs(response)) :], 1 << 17)) ** 2, np.fft.rfftfreq(1 << 17, 1 / rate)
    )
    np.testing.assert_allclose(change - change[10], whole - whole[10], atol=0.5)


def test_level_is_kept_and_silence_stays(folder):
    x = 0.1 * np.random.default_rng(2).standard_normal((3, 5_000)).astype(np.float32) * [[1], [1e-3], [0]]
    made = DeviceResponse(str(folder)).apply(batch(x), DeviceResponseDraw(np.array([0, 1, 0]))).x.numpy()
    np.testing.assert_allclose(np.sqrt((made**2).mean(1)), np.sqrt((x**2).mean(1)), rtol=1e-4)
    assert not made[2].any()


def test_click_is_not_delayed(folder):
    x = np.zeros((2, 4_000), np.float32)
    x[:, 1_000] = 0.5
    made = DeviceResponse(str(folder)).apply(batch(x), DeviceResponseDraw(np.array([0, 1]))).x
    assert np.abs(made.numpy()).argmax(1).tolist() == [1_000, 1_000]
    assert made[:, :1_000].abs().max() < 1e-6


def test_a_response_that_outlasts_the_clip_is_told(folder):
    part = DeviceResponse(str(folder), p=1.0)
    x = 0.1 * np.random.default_rng(3).standard_normal((1, 100)).astype(np.float32)
    with pytest.raises(AudioError, match=r"DeviceResponse.folder: a.wav sounds for \d+ samples, the clips have 100"):
        part.apply(batch(x), DeviceResponseDraw(np.array([0])))


def test_a_long_tail_of_silence_does_not_count(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.pad([0.9, 0.3], (0, 10_000)), RATE)
    x = 0.1 * np.random.default_rng(3).standard_normal((1, 100)).astype(np.float32)
    made = DeviceResponse(str(tmp_path)).apply(batch(x), DeviceResponseDraw(np.array([0]))).x
    np.testing.assert_allclose(made[0], reference(x[0].astype(np.float64), np.array([0.9, 0.3])), atol=1e-5)


def test_excluded_responses_are_never_drawn(folder):
    part = DeviceResponse(str(folder), exclude=("a.wav",))
    assert [path.name for path in part.files] == ["b.flac"]
    with pytest.raises(SettingError, match=r"DeviceResponse.exclude: .* has no file 'c.wav'; it takes a.wav, b.flac"):
        DeviceResponse(str(folder), exclude=("c.wav",))
    with pytest.raises(SettingError, match=r"DeviceResponse.exclude leaves none of the 2 files"):
        DeviceResponse(str(folder), exclude=("a.wav", "b.flac"))


def test_files_are_read_once_when_the_part_is_made_and_the_part_can_be_pickled(folder, monkeypatch):
    read = []
    monkeypatch.setattr(device_response, "read_audio", lambda name: read.append(name) or read_audio(name))
    device_response._sound.cache_clear()
    part = DeviceResponse(str(folder), p=1.0)
    clips = batch(np.ones((2, 900), np.float32))
    draw = part.draw(clips, np.random.default_rng(0))
    assert len(read) == 2
    first = part.apply(clips, draw).x
    assert torch.equal(part.apply(clips, draw).x, first)
    assert len(read) == 2
    assert torch.equal(pickle.loads(pickle.dumps(part)).apply(clips, draw).x, first)
    part.apply(batch(np.ones((2, 900), np.float32), 16_000), draw)
    DeviceResponse(str(folder))
    assert len(read) == 2


def test_folder_s_faults_are_told(tmp_path):
    with pytest.raises(SettingError, match=r"DeviceResponse.folder takes a folder of audio files; .*none is none"):
        DeviceResponse(str(tmp_path / "none"))
    with pytest.raises(SettingError, match=r"DeviceResponse.folder takes a folder of audio files .* holds none"):
        DeviceResponse(str(tmp_path))
    with pytest.raises(SettingError, match=r"DeviceResponse.p takes 0 to 1; 2 came"):
        DeviceResponse(str(tmp_path), p=2)
    (tmp_path / "broken.wav").write_bytes(b"RIFF but no more")
    with pytest.raises(AudioError, match=r"broken.wav"):
        DeviceResponse(str(tmp_path))
    soundfile.write(tmp_path / "broken.wav", np.ones(999), RATE)
    whole = (tmp_path / "broken.wav").read_bytes()
    DeviceResponse(str(tmp_path))
    (tmp_path / "broken.wav").write_bytes(whole[:500])  # a good header, half of the body
    with pytest.raises(AudioError, match=r"broken.wav"):
        DeviceResponse(str(tmp_path))
    (tmp_path / "broken.wav").unlink()
    soundfile.write(tmp_path / "silent.wav", np.zeros(99), RATE)
    with pytest.raises(AudioError, match=r"silent.wav is silent; an impulse response is taken"):
        DeviceResponse(str(tmp_path))
    soundfile.write(tmp_path / "silent.wav", np.ones(99), RATE)
    with pytest.raises(SettingError, match=r"DeviceResponse needs Batch.sample_rate_hz"):
        DeviceResponse(str(tmp_path)).draw(batch(np.ones((1, 9)), 0), np.random.default_rng(0))


def test_on_power_spectra_it_is_the_convolution_within_half_a_decibel(folder):
    x = 0.1 * np.random.default_rng(1).standard_normal((2, 3 * RATE)).astype(np.float32)
    part, drawn = DeviceResponse(str(folder)), DeviceResponseDraw(np.array([0, 1]))

    def spectra(waves: torch.Tensor) -> torch.Tensor:
        return torch.stft(waves, 2_048, 882, window=torch.hann_window(2_048), return_complex=True).abs().square()

    convolved = spectra(part.apply(batch(x), drawn).x)
    before = batch(x)
    multiplied = part.apply(Batch(x=spectra(before.x), target=before.target, sample_rate_hz=RATE), drawn).x
    f_hz = np.fft.rfftfreq(2_048, 1 / RATE)
    for one, other in zip(convolved.mean(-1).numpy(), multiplied.mean(-1).numpy(), strict=True):
        np.testing.assert_allclose(third_octaves_db(one, f_hz), third_octaves_db(other, f_hz), atol=0.5)


def test_power_spectra_that_are_not_drawn_and_silence_stay_as_they_are(folder):
    power = torch.rand(3, 129, 5) + 0.1
    power[1] = 0
    before = Batch(x=power, target=torch.eye(3), sample_rate_hz=8_000)
    after = DeviceResponse(str(folder)).apply(before, DeviceResponseDraw(np.array([-1, 0, 1]))).x
    torch.testing.assert_close(after[0], power[0])
    assert not after[1].any()
    torch.testing.assert_close(after.sum((1, 2)), power.sum((1, 2)))
    assert not torch.allclose(after[2], power[2], rtol=0.1)
