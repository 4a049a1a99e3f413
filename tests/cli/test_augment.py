"""`tinyscene augment`: every augmentation can be listed, seen and heard; mistakes are told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyscene.audio import read_audio, write_wav
from tinyscene.cli.augment_verbs import classes

RATE = 44_100


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Two seconds of chirps in noise."""
    rng = np.random.default_rng(0)
    time_s = np.arange(2 * RATE) / RATE
    wave = 0.2 * np.sin(2 * np.pi * (400 + 900 * time_s) * time_s) * (np.sin(6 * np.pi * time_s) > 0)
    path = tmp_path_factory.mktemp("clip") / "chirps.wav"
    write_wav(path, (wave + 0.01 * rng.standard_normal(len(wave))).astype(np.float32), RATE)
    return path


def test_list_names_every_augmentation_its_places_and_its_systems(tinyscene):
    answer = tinyscene("augment", "list")
    assert answer.code == 0
    for name, cls in classes().items():
        (line,) = [line for line in answer.out.splitlines() if line.split()[:1] == [name]]
        assert ", ".join(cls.places) in line
    assert "dsmn-1" in next(line for line in answer.out.splitlines() if line.startswith("spectrum_correction"))


# One for each place; the docs' pages were made of all of them.
@pytest.mark.parametrize(
    ("name", "sounds"),
    [
        ("gain", True),
        ("bin_gains", True),
        ("spectrum-correction", True),
        ("spec_augment", True),
        ("random_crop", False),
    ],
)
def test_show_writes_a_picture_and_sounds(tmp_path, tinyscene, clip, name, sounds):
    settings = () if sounds else ("--set", "length=20000")
    answer = tinyscene("augment", "show", name, clip, "--out", tmp_path / "out", *settings)
    assert answer.code == 0, answer.err
    key = name.replace("-", "_")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written >= {f"{key}.png", f"{key}-before.wav", f"{key}-after.wav"}
    assert (tmp_path / "out" / f"{key}.png").read_bytes().startswith(b"\x89PNG")
    before, after = (read_audio(tmp_path / "out" / f"{key}-{when}.wav")[0] for when in ("before", "after"))
    assert len(before) == RATE
    if sounds:
        assert len(after) == RATE
        assert not np.allclose(before, after)
        assert 0.05 < after.std() / before.std() < 20


def test_a_gain_of_6_db_is_heard_as_one(tmp_path, tinyscene, clip):
    settings = ("--set", "low_db=6.0", "--set", "high_db=6.0")
    assert tinyscene("augment", "show", "gain", clip, "--out", tmp_path, *settings).code == 0
    before, after = (read_audio(tmp_path / f"gain-{when}.wav")[0] for when in ("before", "after"))
    assert 20 * np.log10(after.std() / before.std()) == pytest.approx(6, abs=0.05)


def test_a_spectrum_correction_is_heard_as_its_curve(tmp_path, tinyscene, clip):
    """Bands that are lifted sound louder: what the picture says and what is heard are the same change."""
    assert tinyscene("augment", "show", "spectrum_correction", clip, "--out", tmp_path).code == 0
    from tinyscene import load_system
    from tinyscene.pipeline import demonstrate
    from tinyscene.spec import Spec

    system = load_system("dsmn-1")
    made = demonstrate(Spec(classes()["spectrum_correction"]), system, [read_audio(clip)[0]], seed=1)
    wanted = (made.maps["after"] - made.maps["before"]).mean(1)
    after, _ = read_audio(tmp_path / "spectrum_correction-after.wav")
    import torch

    with torch.no_grad():
        heard = system.frontend.build().bands(torch.from_numpy(after)[None])[0, 0].numpy()
    change = (heard - made.maps["before"])[:, 4:-4].mean(1)
    middle = slice(20, 200)
    assert np.corrcoef(change[middle], wanted[middle])[0, 1] > 0.95
    assert np.abs(change - wanted)[middle].mean() < 0.1  # of log10 power: 1 dB


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mixupp",), "no augmentation 'mixupp'"),
        (("device_response",), "device_response needs --set folder=VALUE"),
        (("gain", "--set", "loud=3"), "gain has no field 'loud'"),
        (("gain", "--set", "p=2"), "Gain.p takes 0 to 1; 2"),
        (("random_crop",), "RandomCrop changes nothing in this clip"),
        (("gain", "--beside", "nothing.wav"), "nothing.wav does not exist"),
        (("gain", "--out", __file__), "test_augment.py cannot be made: File exists. Choose another --out."),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, tinyscene, clip, words, message):
    name, *options = words
    answer = tinyscene("augment", "show", name, clip, "--out", tmp_path / "out", *options)
    assert answer.code == 2
    assert message in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists(), "something was written before the mistake was found"


SMALL = ("--set", "epochs=2", "--set", "width=2", "--set", "depth=3", "--system-set", "frontend.spectral.n_mels=32")


def test_a_generator_is_trained_used_and_shown(tmp_path, tinyscene, scenes, clip):
    out = tmp_path / "made" / "device.pt"
    answer = tinyscene("augment", "train-pix2pix", "--data", scenes, "--out", out, *SMALL)
    assert answer.code == 0, answer.err
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "from the target" in answer.err
    again = tinyscene("augment", "train-pix2pix", "--data", scenes, "--out", out, *SMALL)
    assert again.code == 2
    assert "exists already" in again.err

    shown = tinyscene(
        "augment", "show", "pix2pix", clip, "--out", tmp_path, "--set", f"weights={out}", "--beside", clip
    )
    assert shown.code == 0, shown.err
    assert (tmp_path / "pix2pix.png").is_file()


def test_a_set_without_aligned_devices_is_told(tmp_path, tinyscene, scenes):
    out = tmp_path / "device.pt"
    answer = tinyscene("augment", "train-pix2pix", "--data", scenes, "--out", out, "--others", "s6", *SMALL)
    assert answer.code == 2
    assert "on the device a and on one of s6" in answer.err
    assert not list(tmp_path.iterdir())
