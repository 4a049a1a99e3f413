"""The robust switch: each part once, where it can act, on every published system; and what it leaves out, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tinyscene.augment import Codec, DeviceResponse, FreqMixStyle, Gain, Mixup, RandomResponse
from tinyscene.augment.freq_mix_style import FreqMixStyleDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError
from tinyscene.frontends import GammatoneBank
from tinyscene.pipeline import RunRecord
from tinyscene.pipeline.configuring import configured
from tinyscene.pipeline.robust import heard_through, robust
from tinyscene.pipeline.run_folder import open_run, write_record
from tinyscene.spec import Spec
from tinyscene.system import Augment
from tinyscene.systems import load_system, systems


@pytest.fixture(scope="module")
def responses(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("responses")
    for name in ("one", "two"):
        soundfile.write(folder / f"{name}.wav", np.array([0.9, 0.3, 0.1]), 44_100)
    return folder


def kinds(parts: tuple[Spec, ...]) -> list[object]:
    return [part.target for part in parts]


@pytest.mark.parametrize("name", systems())
def test_every_system_gets_each_part_once(name: str, responses: Path):
    system = robust(load_system(name), str(responses))
    wave, bands = kinds(system.augment.wave), kinds(system.augment.bands)
    assert (wave + kinds(system.augment.spectrum)).count(DeviceResponse) == 1
    assert (DeviceResponse in wave) == (len(wave) > 1), "waveforms are made anew only where something else needs them"
    assert (bands + kinds(system.augment.features)).count(FreqMixStyle) <= 1
    for part in (*system.augment.wave, *system.augment.spectrum, *system.augment.bands):
        part.build()
    assert system.name == name
    assert "device responses (p 0.6)" in system.notes[-1]


def test_whether_the_front_end_undoes_freq_mix_style_is_what_it_does(responses: Path):
    """Schmid et al. mix what tells the device; a front end that takes it away again leaves nothing to mix."""
    undone = {}
    for name, front in {system.frontend.__repr__(): system for system in systems().values()}.items():
        front_end = front.frontend.build().eval()
        clips = np.random.default_rng(0).standard_normal((2, front.window_samples)).astype(np.float32)
        clips[1] = np.diff(clips[1], prepend=0) * 0.1  # another device
        with torch.no_grad():
            bands = Batch(front_end.bands(torch.from_numpy(clips)), torch.eye(2))
            mixed = FreqMixStyle().apply(bands, FreqMixStyleDraw(np.array([0.3, 0.3]), np.array([1, 0])))
            change = (front_end.finish(mixed.x) - front_end.finish(bands.x)).abs().mean()
        undone[name] = bool(change < 1e-3)
        added = FreqMixStyle in kinds(robust(front, str(responses)).augment.bands)
        already = FreqMixStyle in kinds(front.augment.features)
        assert added == (not undone[name] and not already), front.name
    assert len(set(undone.values())) == 2


def test_a_response_comes_before_the_codec_and_freq_mix_style_before_mixup(responses: Path):
    base = load_system("dsmn-1").but(augment=Augment(wave=(Spec(Gain), Spec(Codec)), bands=(Spec(Gain), Spec(Mixup))))
    system = robust(base, str(responses), exclude=("two.wav",))
    assert kinds(system.augment.wave) == [Gain, DeviceResponse, Codec]
    mixed = robust(base.but(augment=Augment(wave=(Spec(Mixup), Spec(Gain)))), str(responses))
    assert kinds(mixed.augment.wave) == [DeviceResponse, Mixup, Gain]
    assert kinds(system.augment.bands) == [Gain, FreqMixStyle, Mixup]
    assert [path.name for path in system.augment.wave[1].build().files] == ["one.wav"]
    assert system.augment.bands[1].numbers == {"alpha": 0.3, "p": 0.4}


def test_without_a_folder_responses_are_random_and_it_says_so():
    system = robust(load_system("dsmn-1"))
    assert system.augment.wave == ()
    assert kinds(system.augment.spectrum) == [RandomResponse]
    assert system.augment.spectrum[0].build().p == 0.6
    assert kinds(system.augment.bands)[0] is FreqMixStyle
    assert system.notes[-1].startswith("Made robust with random responses (p 0.6) and Freq-MixStyle")
    bank = Spec(GammatoneBank, sample_rate_hz=44_100, win_length=1_764, hop_length=882)
    pham = load_system("pham-cnn")
    without_spectra = robust(pham.but(frontend=pham.frontend.but(spectral=bank)))
    assert without_spectra.augment.spectrum == ()
    assert "without device responses (it was given no folder of impulse responses)" in without_spectra.notes[-1]


def test_measured_responses_take_the_place_of_random_ones(responses: Path):
    base = robust(load_system("dsmn-1"))
    assert kinds(heard_through(base, str(responses)).augment.spectrum) == [DeviceResponse]
    assert kinds(robust(base, str(responses)).augment.spectrum) == [DeviceResponse]
    with pytest.raises(SettingError, match=r"there is nothing to add"):
        robust(base)


def test_what_is_there_stays(responses: Path):
    own = Spec(FreqMixStyle, alpha=0.9, p=0.9)
    base = load_system("dsmn-1").but(augment=Augment(features=(own,)))
    system = robust(base, str(responses))
    assert system.augment.features == (own,)
    assert system.augment.bands == ()
    with pytest.raises(SettingError, match=r"dsmn-1: there is nothing to add for robustness\. Train it as it is\."):
        robust(system, str(responses))


def test_responses_alone_add_nothing_else(responses: Path):
    base = load_system("tiny-vgg")
    system = heard_through(base, str(responses), exclude=("one.wav",))
    assert [path.name for path in system.augment.spectrum[0].build().files] == ["two.wav"]
    assert system.augment == replace(base.augment, spectrum=system.augment.spectrum)
    assert system.notes == (*base.notes, "Heard through device responses (p 0.6): not the report's.")
    with pytest.raises(SettingError, match=r"tiny-vgg has device responses; train it without --responses\."):
        heard_through(system, str(responses))


@pytest.mark.parametrize("wanted", [{}, {"responses": True}, {"robust": True}, {"robust": True, "responses": True}])
def test_a_run_has_what_its_record_says(wanted: dict[str, bool], responses: Path):
    folder = str(responses) if wanted.get("responses") else None
    record = RunRecord("dsmn-1", "data", 1, robust=wanted.get("robust", False), responses=folder)
    augment = configured(load_system("dsmn-1"), record).augment
    assert (DeviceResponse in kinds(augment.spectrum)) == ("responses" in wanted)
    assert (FreqMixStyle in kinds(augment.bands)) == ("robust" in wanted)


@pytest.mark.parametrize(
    ("old", "robust", "folder"), [(None, False, None), ("", True, None), ("/responses", True, "/responses")]
)
def test_a_record_from_before_responses_had_a_field_is_read(old, robust: bool, folder: str | None, tmp_path: Path):
    write_record(tmp_path, RunRecord("dsmn-1", "data", 1))
    facts = json.loads((tmp_path / "run.json").read_text())
    del facts["responses"]
    (tmp_path / "run.json").write_text(json.dumps(facts | {"robust": old}))
    record = open_run(tmp_path)
    assert (record.robust, record.responses) == (robust, folder)


def test_nothing_to_add_is_told(tmp_path: Path):
    with pytest.raises(SettingError, match=r"amfm: .* standardises every band .* Name a folder of impulse responses"):
        robust(robust(load_system("amfm")))
    with pytest.raises(SettingError, match=r"DeviceResponse.folder takes a folder of audio files; .*nowhere is none"):
        robust(load_system("amfm"), str(tmp_path / "nowhere"))


def test_the_folder_is_found_from_anywhere(responses: Path, monkeypatch):
    monkeypatch.chdir(responses.parent)
    system = robust(load_system("dsmn-1"), responses.name)
    assert system.augment.spectrum[0].numbers["folder"] == str(responses.resolve())
