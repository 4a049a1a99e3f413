"""Wav files appear whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.audio import read_audio, write_wav
from tinyscene.errors import AudioError, OutputError, SettingError

NOISE = (0.1 * np.random.default_rng(0).standard_normal(4_410)).astype(np.float32)


@pytest.mark.parametrize(("subtype", "step"), [("PCM_24", 2**-23), ("PCM_16", 2**-15), ("FLOAT", 0)])
def test_what_is_written_is_read_back(tmp_path, subtype, step):
    write_wav(tmp_path / "a.wav", NOISE, 44_100, subtype)
    waveform, rate = read_audio(tmp_path / "a.wav")
    assert rate == 44_100
    assert np.abs(waveform - NOISE).max() <= step
    assert soundfile.info(tmp_path / "a.wav").subtype == subtype


def test_channels_are_written_as_channels(tmp_path):
    write_wav(tmp_path / "a.wav", np.stack([NOISE, -NOISE]), 8_000, "FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", "first")[0], NOISE)
    assert soundfile.info(tmp_path / "a.wav").channels == 2


def test_beyond_full_scale_is_clipped_not_wrapped(tmp_path):
    write_wav(tmp_path / "a.wav", np.array([1.5, -1.5]), 8_000)
    assert np.allclose(read_audio(tmp_path / "a.wav")[0], [1, -1], atol=2**-22)


def test_old_file_is_replaced_and_no_other_is_left(tmp_path):
    (tmp_path / "a.wav").write_text("old")
    write_wav(tmp_path / "a.wav", NOISE, 8_000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert read_audio(tmp_path / "a.wav")[0].shape == NOISE.shape


def test_file_has_the_permissions_of_any_new_file(tmp_path):
    write_wav(tmp_path / "a.wav", NOISE, 8_000)
    (tmp_path / "b").touch()
    assert stat.S_IMODE(os.stat(tmp_path / "a.wav").st_mode) == stat.S_IMODE(os.stat(tmp_path / "b").st_mode)


def test_missing_folder_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"none/a\.wav cannot be written: No such file or directory"):
        write_wav(tmp_path / "none" / "a.wav", NOISE, 8_000)


def test_name_of_a_folder_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_wav(tmp_path / "a.wav", NOISE, 8_000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path):
    """A limit on the size of files stands in for a full disk: the write fails half way, as it does there."""
    (tmp_path / "a.wav").write_text("old")
    program = (
        "import resource, signal, sys, numpy; from tinyscene.audio import write_wav\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_wav(sys.argv[1], numpy.zeros(44100), 44100)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.wav")], capture_output=True, text=True)
    assert "OutputError" in done.stderr
    assert "a.wav cannot be written: File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert (tmp_path / "a.wav").read_text() == "old"


def test_unknown_subtype_is_told_with_the_closest(tmp_path):
    with pytest.raises(SettingError, match=r"write_wav has no subtype 'PCM24'.*Did you mean 'PCM_24'"):
        write_wav(tmp_path / "a.wav", NOISE, 8_000, "PCM24")


@pytest.mark.parametrize(
    ("sound", "text"),
    [
        (np.array([0.0, np.nan]), "NaN or infinite ones came"),
        (np.zeros(0), r"\(0,\) came"),
        (np.zeros((1, 1, 5)), r"\(1, 1, 5\) came"),
        (np.zeros(5, np.int16), "int16 came"),
    ],
)
def test_what_is_no_waveform_is_refused(tmp_path, sound, text):
    with pytest.raises(AudioError, match=text):
        write_wav(tmp_path / "a.wav", sound, 8_000)
    assert not list(tmp_path.iterdir())
