"""A system that uses augmentations at every place trains, learns, resumes, compresses and exports as any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tinyscene.audio import write_wav
from tinyscene.augment import (
    BinGains,
    DeviceDifference,
    DeviceResponse,
    FreqMixStyle,
    Gain,
    Mixup,
    SpecAugment,
    SpecAugmentPlusPlus,
    Tempo,
)
from tinyscene.cli.source import system_source
from tinyscene.data.synthetic_devices import device_fir
from tinyscene.frontends import Deltas, FittedStandardisation, FrontEnd, PreEmphasis
from tinyscene.spec import Spec
from tinyscene.system import Augment
from tinyscene.systems import load_system

SETTINGS = {
    "frontend.spectral.n_mels": "48",
    "frontend.spectral.n_fft": "2048",
    "frontend.spectral.win_length": "2048",
    "model.widths": "4,6",
    "model.segmented": "true,true",
    "model.stem": "4",
    "model.hidden": "12",
    "recipe.fit.epochs": "2",
    "recipe.fit.batch_size": "16",
    "recipe.fit.schedule.warmup_epochs": "1",
    "recipe.fit.validation_share": "0.3",
    "recipe.int8.epochs": "1",
    "recipe.int8.validation_share": "0.3",
}


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Path:
    """A system file with augmentations at all five places and a front end that learns."""
    folder = tmp_path_factory.mktemp("all-places")
    (folder / "responses").mkdir()
    write_wav(folder / "responses" / "s1.wav", 0.5 * device_fir("s1").astype("float32"), 44_100)
    base = load_system("dsmn-1").with_settings(SETTINGS)
    augment = Augment(
        wave=(Spec(Gain), Spec(Tempo), Spec(DeviceResponse, folder=str(folder / "responses"), p=0.5)),
        spectrum=(Spec(BinGains),),
        bands=(Spec(Mixup, alpha=0.4), Spec(DeviceDifference)),
        features=(Spec(FreqMixStyle), Spec(SpecAugment)),
        hidden=(Spec(SpecAugmentPlusPlus, at=("input", "blocks.0"), frame_axis=-2),),
    )
    frontend = Spec(
        FrontEnd,
        waveform=(Spec(PreEmphasis),),
        spectral=base.frontend.numbers["spectral"],
        finish=(Spec(Deltas, order=1), Spec(FittedStandardisation)),
    )
    path = folder / "everywhere.py"
    path.write_text(system_source(base.but(name="everywhere", augment=augment, frontend=frontend), "dsmn-1"))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tinyscene, system: Path, scenes: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    answer = tinyscene("train", system, "--data", scenes, "--out", folder)
    assert answer.code == 0, answer.err
    return folder


def test_what_parts_learned_is_kept(trained: Path):
    learned = json.loads((trained / "learned.json").read_text())
    assert list(learned) == ["bands.1", "finish.1"]
    assert len(learned["finish.1"]["mean"]) == 2
    assert len(learned["finish.1"]["mean"][0]) == 48


def test_the_same_again_on_other_workers(tmp_path, tinyscene, monkeypatch, system: Path, scenes: Path, trained: Path):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    again = tmp_path / "again"
    assert tinyscene("train", system, "--data", scenes, "--out", again).code == 0
    one, other = (torch.load(run / "fit" / "weights.pt", weights_only=True) for run in (trained, again))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_it_is_compressed_exported_and_evaluated(tinyscene, untimed, trained: Path):
    for words in (("compress",), ("export", "--form", "waveform"), ("evaluate",)):
        answer = tinyscene(words[0], trained, *words[1:])
        assert answer.code == 0, f"{words}: {answer.err}"
    result = json.loads((trained / "evaluation.json").read_text())
    accuracies = [stage["accuracy"] for stage in (*result["exported"].values(), result["stages"]["int8"])]
    assert max(accuracies) - min(accuracies) < 0.06, "the files do not answer as the network"


def test_an_augmentation_at_a_wrong_place_is_refused(tmp_path, tinyscene, scenes: Path):
    system = load_system("dsmn-1").but(name="wrong", augment=Augment(wave=(Spec(SpecAugment),)))
    path = tmp_path / "wrong.py"
    path.write_text(system_source(system, "dsmn-1"))
    answer = tinyscene("train", path, "--data", scenes, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "augment.wave has SpecAugment, which takes the place features" in answer.err
    assert not (tmp_path / "run").exists()
