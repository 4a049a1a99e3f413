"""The golden figures of ESC-10-mobile, the closed forms of a device, names, folds, resuming, workers."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from math import gcd
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from tinyscene.audio import write_wav
from tinyscene.data.check import check
from tinyscene.data.open import open_dataset
from tinyscene.data.simulate_devices import simulate_devices
from tinyscene.data.simulated_clips import unfinished
from tinyscene.data.simulated_device import BLOCK, compressed, convolved, prepared_response
from tinyscene.data.split import fold_split
from tinyscene.errors import DataError, OutputError, SettingError, TinysceneError

RATE = 8_000
COMPRESSOR = {"threshold_db": -20, "ratio": 4.0}
SPEC = {
    "devices": {name: {"impulse_response": f"{name}.wav", "compressor": COMPRESSOR} for name in ("b", "s1", "s2")},
    "train_devices": ["a", "b", "s1"],
    "test_devices": ["a", "b", "s1", "s2"],
    "train_rule": "clip i also appears as device [b,s1][i mod 2] where i mod 3 == 0",
}


@pytest.fixture
def source(tmp_path) -> Path:
    """Twelve clips of two classes in two folds, awkwardly named; the spec and its responses lie beside them."""
    rng = np.random.default_rng(5)
    root = tmp_path / "my-set"
    rows = ["filename,fold,category,src_file"]
    for i in range(12):
        name = f"audio/00{1 - i % 2} - Car horn/{i:02d}-x.wav"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(root / name, 0.3 * rng.standard_normal(RATE // 4).clip(-3, 3), RATE)
        rows.append(f"{name},{i // 6 + 1},{('car-horn', 'rain')[i % 2]},take-{i // 2}")
    (root / "meta.csv").write_text("\n".join(rows) + "\n")
    responses = tmp_path / "spec" / "ir"
    responses.mkdir(parents=True)
    for name in SPEC["devices"]:
        response = rng.standard_normal(400) * np.exp(-np.arange(400) / 40)
        write_wav(responses / f"{name}.wav", 0.2 * response.clip(-4, 4), 2 * RATE)
    (tmp_path / "spec" / "spec.json").write_text(json.dumps(SPEC))
    return root


def spec_of(source: Path) -> Path:
    return source.parent / "spec" / "spec.json"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_golden_figures_of_esc10_mobile(real_data, tmp_path):
    clip = "audio/001 - Dog bark/1-100032-A.ogg"
    (tmp_path / "small" / clip).parent.mkdir(parents=True)
    other = clip.replace("100032", "110389")
    for name in (clip, other):
        (tmp_path / "small" / name).symlink_to(real_data / "esc10" / name)
    (tmp_path / "small" / "list.csv").write_text(f"filename,category\n{clip},dog_bark\n{other},other\n")
    to = simulate_devices(tmp_path / "small" / "list.csv", real_data / "esc10_mobile.json", tmp_path / "new", workers=1)
    for device, rms, peak in (("s4", 0.010647, 0.218877), ("s6", 0.012015, 0.265326)):
        wave, rate = soundfile.read(next(to.glob(f"audio/dog_bark-*-0-{device}.wav")))
        assert rate == 44_100
        assert np.sqrt(np.mean(wave**2)) == pytest.approx(rms, abs=1e-6)
        assert np.max(np.abs(wave)) == pytest.approx(peak, abs=1e-6)
    recorded, _ = soundfile.read(next(to.glob("audio/dog_bark-*-0-a.wav")))
    decoded, _ = soundfile.read(real_data / "esc10" / clip)
    np.testing.assert_allclose(recorded, decoded.clip(-1, 1), atol=2**-23)


# ---- one device ----


def test_a_response_begins_at_its_largest_sample_and_has_unit_energy():
    raw = np.concatenate([np.zeros(30), [0.1, -0.8, 0.3, 0.1], np.zeros(20)])
    made = prepared_response(raw, RATE, RATE)
    np.testing.assert_allclose(made[:3], np.array([-0.8, 0.3, 0.1]) / np.sqrt(0.64 + 0.09 + 0.01))
    assert not len(prepared_response(np.zeros(9), RATE, RATE))
    slow = np.exp(-0.5 * ((np.arange(400) - 200) / 12) ** 2)
    other = prepared_response(slow, 48_000, 44_100)
    by_hand = resample_poly(slow, 44_100 // gcd(44_100, 48_000), 48_000 // gcd(44_100, 48_000))
    assert np.sum(other**2) == pytest.approx(1)
    assert len(other) == len(by_hand) - np.argmax(by_hand)


def test_convolution_keeps_length_and_level_and_adds_no_delay():
    rng = np.random.default_rng(5)
    clip, response = 0.1 * rng.standard_normal(3_000), prepared_response(rng.standard_normal(200), RATE, RATE)
    made = convolved(clip, response)
    assert len(made) == len(clip)
    assert np.mean(made**2) == pytest.approx(np.mean(clip**2))
    direct = np.convolve(clip, response)[: len(clip)]
    np.testing.assert_allclose(made, direct * np.sqrt(np.mean(clip**2) / np.mean(direct**2)), atol=1e-12)
    assert not convolved(np.zeros(100), response).any()


@pytest.mark.parametrize("level_db", [-40.0, -21.0, -12.0, -4.0])
def test_a_steady_level_above_the_threshold_is_divided_by_the_ratio(level_db):
    made = compressed(np.full(2 * RATE, 10 ** (level_db / 20)), RATE, -20, 4, 5, 50)
    expected = level_db if level_db <= -20 else -20 + (level_db + 20) / 4
    assert 20 * np.log10(made[-BLOCK:]) == pytest.approx(expected, abs=1e-6)


def test_attack_and_release_are_one_pole_of_the_blocks_peaks():
    """A step nears its level by exp(-t / tau); t counts whole blocks, gains stand at their centres."""
    attack_ms, release_ms = 20.0, 80.0
    clip = np.concatenate([np.full(50 * BLOCK, 0.8), np.full(50 * BLOCK, 0.2)])
    gain = compressed(clip, RATE, -60, 2, attack_ms, release_ms) / clip
    centre = lambda block: (gain[block * BLOCK + 31] + gain[block * BLOCK + 32]) / 2  # noqa: E731
    for n in (1, 5, 20):
        level = 0.8 * (1 - np.exp(-n * BLOCK / (RATE * attack_ms / 1000)))
        assert 20 * np.log10(centre(n - 1)) == pytest.approx(-(20 * np.log10(level) + 60) / 2, abs=2e-2)
        level = 0.2 + (0.8 - 0.2) * np.exp(-n * BLOCK / (RATE * release_ms / 1000))
        assert 20 * np.log10(centre(49 + n)) == pytest.approx(-(20 * np.log10(level) + 60) / 2, abs=2e-2)


def test_nothing_is_louder_than_minus_one_dbfs():
    clip = np.zeros(1_000)
    clip[500] = 3.0
    assert np.max(np.abs(compressed(clip, RATE, 0, 1, 5, 50))) == pytest.approx(10 ** (-1 / 20))
    np.testing.assert_array_equal(compressed(clip / 10, RATE, 0, 1, 5, 50), clip / 10)


# ---- a set ----


def test_a_set_in_tau_layout_with_its_folds(source, tmp_path):
    told = []
    to = simulate_devices(source, spec_of(source), tmp_path / "new", 16, 1, lambda *state: told.append(state))
    assert told[11:13] == [(12, 12), (0, 48)]
    assert told[-1] == (48, 48)
    dataset = open_dataset(to)
    assert len(dataset) == 48
    assert not dataset.notes
    assert dataset.classes == ("car-horn", "rain")
    assert dataset.files[0] == "audio/car_horn-my_set-take_0-0-a.wav"
    assert soundfile.info(dataset.paths()[0]).subtype == "PCM_16"
    for number in (1, 2):
        table = open_dataset(to, fold=str(number))
        split = fold_split(table, str(number))
        assert not set(table.recording[split.train]) & set(table.recording[split.test])
        devices, counts = np.unique(table.device[split.test].astype(str), return_counts=True)
        assert dict(zip(devices.tolist(), counts.tolist(), strict=True)) == {"a": 6, "b": 6, "s1": 6, "s2": 6}
        # clips 0 and 3 of six, by source name: [b, s1][i mod 2]
        rows = (source / "meta.csv").read_text().splitlines()[1:]
        names = sorted(row.split(",")[0] for row in rows if row.split(",")[1] != str(number))
        stems = dict(line.split("\t")[1::-1] for line in (to / "source.csv").read_text().splitlines()[1:])
        expected = {f"audio/{stems[name]}-a.wav" for name in names}
        expected |= {f"audio/{stems[names[0]]}-b.wav", f"audio/{stems[names[3]]}-s1.wav"}
        assert set(table.files[split.train]) == expected
        setup = to / "evaluation_setup"
        assert {line.split("\t")[0] for line in (setup / f"fold{number}_train.csv").open()} == expected | {"filename"}
        test = (setup / f"fold{number}_test.csv").read_text().splitlines()
        assert test == [line.split("\t")[0] for line in (setup / f"fold{number}_evaluate.csv").open()]


def test_the_reference_recipe_end_to_end(source, tmp_path):
    """A random clip through the steps written out: resampled response, direct path first, level kept, compressed."""
    to = simulate_devices(source, spec_of(source), tmp_path / "new", workers=1)
    clip, _ = soundfile.read(source / "audio/001 - Car horn/00-x.wav")
    raw, _ = soundfile.read(source.parent / "spec/ir/s2.wav")
    response = resample_poly(raw, 1, 2)
    response = response[np.argmax(np.abs(response)) :]
    wet = np.convolve(clip, response)[: len(clip)]
    wet *= np.sqrt(np.mean(clip**2) / np.mean(wet**2))
    level, levels = 0.0, []
    for start in range(0, len(wet), 64):
        peak = np.abs(wet[start : start + 64]).max()
        tau_ms = 5 if peak > level else 50
        pole = np.exp(-64 / (RATE * tau_ms / 1000))
        level = pole * level + (1 - pole) * peak
        levels.append(max(0.0, 20 * np.log10(level) + 20) * 0.75)
    centres = np.arange(len(levels)) * 64 + 31.5
    dry = wet * np.interp(np.arange(len(wet)), centres, 10 ** (-np.asarray(levels) / 20))
    dry *= min(1.0, 10 ** (-1 / 20) / np.abs(dry).max())
    made, _ = soundfile.read(to / "audio/car_horn-my_set-take_0-0-s2.wav")
    np.testing.assert_allclose(made, dry, atol=2**-23)


def test_without_folds_every_clip_is_on_every_device(source, tmp_path):
    (source / "meta.csv").write_text((source / "meta.csv").read_text().replace("fold", "number"))
    to = simulate_devices(source, spec_of(source), tmp_path / "new", workers=1)
    dataset = open_dataset(to)
    assert len(dataset) == 48
    assert not dataset.has("fold")
    assert not (to / "evaluation_setup").exists()
    assert sorted(set(dataset.device)) == ["a", "b", "s1", "s2"]
    assert len(set(dataset.recording)) == 6


def test_one_and_two_workers_write_the_same_bytes(source, tmp_path):
    one, two = (simulate_devices(source, spec_of(source), tmp_path / str(n), workers=n) for n in (1, 2))
    assert contents(one) == contents(two)


def test_a_killed_run_goes_on_and_does_nothing_twice(source, tmp_path):
    whole = contents(simulate_devices(source, spec_of(source), tmp_path / "whole", workers=1))
    to = tmp_path / "new"
    slow = (
        "import sys, time\nfrom tinyscene.data.simulate_devices import simulate_devices\n"
        "simulate_devices(*sys.argv[1:], workers=1, progress=lambda done, n: time.sleep(0.2))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", slow, source, spec_of(source), to])
    end = time.monotonic() + 60  # on a busy machine the imports alone take seconds
    while len(list(to.glob("audio/*.wav"))) < 8 and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    there = {path: path.stat().st_mtime_ns for path in to.glob("audio/*.wav")}
    assert 8 <= len(there) < 48
    assert not (to / "meta.csv").exists()
    (to / "audio" / ".half.wav.123").write_bytes(b"RIFF")
    next(iter(there)).write_bytes(b"")  # a name without its data, as a power cut can leave it
    told = []
    simulate_devices(source, spec_of(source), to, workers=1, progress=lambda *state: told.append(state))
    assert told[0] == (len(there) - 1, 48)
    assert contents(to) == whole
    assert sum(path.stat().st_mtime_ns == then for path, then in there.items()) == len(there) - 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s.update(devcies={}), SettingError, "no key 'devcies'"),
        (lambda s: s.pop("test_devices"), SettingError, "needs 'test_devices'"),
        (lambda s: s["devices"]["b"].update(gain=1), SettingError, "no key 'gain'"),
        (lambda s: s["devices"]["b"].pop("compressor"), SettingError, "device b needs compressor"),
        (lambda s: s["devices"]["b"].update(compressor={"threshold_db": -1, "ratio": 0.5}), SettingError, "1 or more"),
        (lambda s: s["devices"]["b"].update(compressor={"threshold_db": "x", "ratio": 2}), SettingError, "a number"),
        (lambda s: s["devices"]["b"].update(impulse_response="no.wav"), DataError, "no.wav is not in"),
        (lambda s: s["test_devices"].append("s9"), SettingError, "no device 's9'"),
        (lambda s: s["train_devices"].pop(0), SettingError, "the clip as recorded"),
        (lambda s: s.update(train_rule="at random"), SettingError, "i mod"),
    ],
)
def test_a_wrong_spec_is_told_and_nothing_is_made(source, tmp_path, change, error, words):
    wrong = json.loads(json.dumps(SPEC))
    change(wrong)
    spec_of(source).write_text(json.dumps(wrong))
    with pytest.raises(error, match=words.replace("(", r"\(")):
        simulate_devices(source, spec_of(source), tmp_path / "new", workers=1)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_ours_is_left_alone(source, tmp_path):
    to = tmp_path / "new"
    to.mkdir()
    (to / "letter.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        simulate_devices(source, spec_of(source), to, workers=1)
    with pytest.raises(OutputError, match=r"letter\.txt is a file"):
        simulate_devices(source, spec_of(source), to / "letter.txt", workers=1)
    (to / "letter.txt").unlink()
    simulate_devices(source, spec_of(source), to, workers=1)
    before = contents(to)
    with pytest.raises(OutputError, match="other bits"):
        simulate_devices(source, spec_of(source), to, bits=16, workers=1)
    assert contents(to) == before


def spoil(source: Path, *numbers: int) -> list[Path]:
    clips = [next(source.glob(f"audio/*/{i:02d}-x.wav")) for i in numbers]
    for clip in clips:
        clip.write_bytes(b"no sound")
    return clips


def test_clips_that_cannot_be_decoded_are_all_told_before_anything_is_made(source, tmp_path):
    bad = spoil(source, 2, 7)
    with pytest.raises(
        DataError, match=r"2 of 12 clips of my-set cannot be decoded, nothing was made: .*--skip-bad"
    ) as caught:
        simulate_devices(source, spec_of(source), tmp_path / "new", workers=1)
    assert all(str(clip) in str(caught.value) for clip in bad)
    assert not (tmp_path / "new").exists()
    said = []
    spoil(source, *range(11))
    with pytest.raises(DataError, match="11 of 12"):
        simulate_devices(source, spec_of(source), tmp_path / "new", workers=1, say=said.append)
    assert said == []  # the error has room for all of them
    spoil(source, *range(12))
    with pytest.raises(DataError, match=r"12 of 12 clips .* Mend them\."):
        simulate_devices(source, spec_of(source), tmp_path / "new", workers=1, skip_bad=True)


def test_clips_that_cannot_be_decoded_are_left_out_and_stay_so(source, tmp_path):
    """The set is the one that a list without those clips gives, a run that goes on with it leaves the same ones out."""
    clips = spoil(source, 2, 7)
    said = []
    to = simulate_devices(source, spec_of(source), tmp_path / "new", workers=1, skip_bad=True, say=said.append)
    names = [str(clip.relative_to(source)) for clip in clips]
    assert any("2 clips left out" in line and all(name in line for name in names) for line in said)
    rows = (source / "meta.csv").read_text().splitlines()
    (source / "meta.csv").write_text("\n".join(row for row in rows if not row.startswith(tuple(names))) + "\n")
    for clip in clips:
        clip.unlink()
    other = simulate_devices(source, spec_of(source), tmp_path / "other", workers=1)
    assert {k: v for k, v in contents(other).items() if k != "simulated.json"} == {
        k: v for k, v in contents(to).items() if k != "simulated.json"
    }
    assert json.loads((to / "simulated.json").read_text())["left_out"] == names


def test_a_set_with_clips_left_out_goes_on_without_them_though_they_are_mended(source, tmp_path):
    clip = next(source.glob("audio/*/02-x.wav"))
    whole = clip.read_bytes()
    spoil(source, 2)
    to = simulate_devices(source, spec_of(source), tmp_path / "new", workers=1, skip_bad=True)
    before = contents(to)
    clip.write_bytes(whole)
    (to / "meta.csv").unlink()
    next(to.glob("audio/*-a.wav")).unlink()
    with pytest.raises(OutputError, match=r"with other clips.*made with --skip-bad"):
        simulate_devices(source, spec_of(source), to, workers=1)
    simulate_devices(source, spec_of(source), to, workers=1, skip_bad=True)
    assert contents(to) == before


def test_a_set_that_is_not_finished_says_how_to_go_on(source, tmp_path):
    to = tmp_path / "new set"

    def stop(done: int, total: int) -> None:
        if total == 48 and done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_devices(source, spec_of(source), to, 16, 1, stop)
    told = unfinished(to)
    assert "not finished" in told
    command = shlex.split(told.partition("go on with: ")[2])
    assert command[:3] == ["tinyscene", "data", "simulate-devices"]
    with pytest.raises(DataError, match="not finished; go on with: tinyscene data simulate-devices"):
        check(to)
    said = []
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert set(options) == {"--devices", "--to", "--bits"}
    simulate_devices(
        Path(command[3]), Path(options["--devices"]), Path(options["--to"]), int(options["--bits"]), 1, say=said.append
    )
    assert said == [f"{to} was begun before: 8 of its 48 clips are there, the others are made now"]
    assert unfinished(to) == ""
    assert not (to / "unfinished.txt").exists()
    (report,) = check(to)
    assert report.whole
    assert report.n_listed == report.n_audio == 48
    next(to.glob("audio/*.wav")).unlink()
    (report,) = check(to)
    assert not report.whole
    assert len(report.absent) == 1


def test_what_no_list_of_the_new_set_can_hold_is_said(source, tmp_path):
    """Folds train, test and validation; and a row of no fold."""
    text = (source / "meta.csv").read_text().replace(",2,", ",test,").replace(",1,", ",train,")
    rows = text.splitlines()
    rows[2], rows[3] = rows[2].replace(",train,", ",validation,"), rows[3].replace(",train,", ",,")
    (source / "meta.csv").write_text("\n".join(rows) + "\n")
    said = []
    to = simulate_devices(source, spec_of(source), tmp_path / "new", workers=1, say=said.append)
    assert len(said) == 1
    assert "1 clip of no fold and 1 clip of the fold 'validation' of the source are not made" in said[0]
    assert len((to / "source.csv").read_text().splitlines()) == 11
    assert check(to)[0].whole


def test_room_is_looked_for_before_anything_is_made_and_what_is_there_counts(source, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    whole = simulate_devices(source, spec_of(source), tmp_path / "whole", workers=1)
    truth = sum(path.stat().st_size for path in whole.glob("audio/*.wav"))
    to = tmp_path / "new"
    for free in (0, truth, truth + 48 * 4000):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(0, 0, free))
        with pytest.raises(OutputError, match=rf"the clips need [\d,]+ bytes and .* has {free:,} free"):
            simulate_devices(source, spec_of(source), to, workers=1)
        assert not to.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, truth + 48 * 4096))
    simulate_devices(source, spec_of(source), to, workers=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 0))
    simulate_devices(source, spec_of(source), to, workers=1)  # nothing is to be made


@pytest.mark.parametrize(("spoilt", "words"), [(b"no sound", "b.wav"), (None, "is silent")])
def test_a_response_that_cannot_be_used_is_told_before_anything_is_made(source, tmp_path, spoilt, words):
    path = source.parent / "spec" / "ir" / "b.wav"
    path.write_bytes(spoilt) if spoilt else write_wav(path, np.zeros(100), RATE)
    with pytest.raises(TinysceneError, match=words):
        simulate_devices(source, spec_of(source), tmp_path / "new", workers=1)
    assert not (tmp_path / "new").exists()


def test_a_set_of_several_devices_is_refused(source, tmp_path):
    made = simulate_devices(source, spec_of(source), tmp_path / "new", workers=1)
    with pytest.raises(DataError, match="recorded by 4 devices"):
        simulate_devices(made, spec_of(source), tmp_path / "newer", workers=1)


def test_a_spec_as_a_mapping_takes_its_responses_from_a_folder(source, tmp_path):
    with pytest.raises(DataError, match="names no folder"):
        simulate_devices(source, SPEC, tmp_path / "new", workers=1)
    made = simulate_devices(source, SPEC, tmp_path / "new", workers=1, responses=source.parent / "spec" / "ir")
    assert contents(made) == contents(simulate_devices(source, spec_of(source), tmp_path / "other", workers=1))
