"""Planted faults are found, levels and spectra are those of known signals, and the verbs print them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tinyscene.audio import write_wav
from tinyscene.cli.explore_verbs import _several
from tinyscene.cli.explore_verbs import describe as describe_verb
from tinyscene.cli.explore_verbs import simulate_devices as simulate_verb
from tinyscene.data.dataset import make_dataset
from tinyscene.data.describe import describe
from tinyscene.data.open import open_dataset
from tinyscene.errors import SettingError
from tinyscene.evaluate.device_picture import draw_devices

RATE = 16_000
TONE_DB = -20.0
NOISE_DB = {"a": -30.0, "b": -42.0}


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Noise clips of 0.5 s on devices a and b, and beside them one clip of each fault."""
    root = tmp_path_factory.mktemp("sets") / "planted"
    rng = np.random.default_rng(0)

    def noise(level_db: float, seconds: float = 0.5) -> np.ndarray:
        wave = rng.uniform(-1, 1, round(seconds * RATE))
        return wave * 10 ** (level_db / 20) / np.sqrt(np.mean(wave**2))

    rows = ["filename\tscene_label\tdevice\tcity\trecording\tfold"]

    def add(name: str, wave: np.ndarray, label: str, device: str, fold: str, recording: str = "", rate: int = RATE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(root / name, wave, rate, "PCM_16")
        rows.append(f"{name}\t{label}\t{device}\tparis\t{recording or name}\t{fold}")

    for i in range(8):
        device = "ab"[i % 2]
        add(f"plain{i}.wav", noise(NOISE_DB[device]), "xy"[i // 4], device, ("train", "test")[i // 2 % 2])
    same = noise(-30)
    add("one.wav", same, "x", "c", "train")
    add("sub/two.wav", same, "y", "c", "test")
    add("three.wav", same, "x", "c", "train", rate=RATE // 2)  # the same samples, another sound
    clipped = noise(-30)
    clipped[100:103] = [1.0, -1.0, 1.0]
    add("clipped.wav", clipped, "x", "c", "train")
    add("silent.wav", np.zeros(RATE // 2), "x", "c", "train")
    add("silent2.wav", np.zeros(RATE // 2), "x", "c", "train")
    half = noise(-30)
    half[RATE // 4 :] = 0
    add("half.wav", half, "y", "c", "test")
    add("long.wav", noise(-30, 0.8), "y", "c", "train")
    add("street1.wav", noise(-30), "x", "c", "train", "street")
    add("street2.wav", noise(-30), "x", "c", "test", "street")
    add("broken.wav", noise(-30), "y", "d", "train")
    (root / "broken.wav").write_bytes(b"RIFF and no more")
    (root / "meta.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def found(planted) -> dict:
    return json.loads(json.dumps(describe(open_dataset(planted), workers=2)))  # plain enough for JSON


def test_counts_are_by_class_device_city_and_split(found):
    assert found["clips"] == 19 == sum(row["clips"] for row in found["counts"])
    assert {"class": "x", "device": "a", "city": "paris", "fold": "train", "clips": 1} in found["counts"]
    assert sum(row["clips"] for row in found["counts"] if row["class"] == "y") == 8


def test_planted_faults_are_found_and_nothing_else(found):
    assert found["clipping"] == {"count": 1, "first": [{"file": "clipped.wav", "samples": 3}]}
    assert found["silence"] == {"count": 2, "first": ["silent.wav", "silent2.wav"]}
    twins = {"files": ["one.wav", "sub/two.wav"], "labels_differ": True, "splits_differ": True}
    assert found["duplicates"] == {"count": 1, "first": [twins]}
    assert found["leaks"] == {"count": 1, "first": [{"recording": "street", "clips": {"test": 1, "train": 1}}]}
    assert found["bad"]["count"] == 1
    assert "broken.wav" in found["bad"]["first"][0]["reason"]
    length = found["duration_s"]
    assert (length["min"], length["max"], length["usual"]) == (0.5, 1.0, 0.5)
    assert length["odd"]["first"] == [{"file": "three.wav", "seconds": 1.0}, {"file": "long.wav", "seconds": 0.8}]
    assert length["total"] == pytest.approx(16 * 0.5 + 1.0 + 0.8)
    assert found["sample_rates_hz"] == {"8000": 1, "16000": 17}
    assert found["channels"] == {"1": 18}


def test_levels_and_spectra_of_white_noise(found):
    """White noise of L dBFS has L - 10 log10(rate / 2) dB per Hz in every band below half the rate."""
    for device, level_db in NOISE_DB.items():
        own = found["devices"][device]
        assert own["clips"] == 4
        assert own["clipped_share"] == 0
        assert own["silent_share"] == 0
        assert own["rms_dbfs"]["mean"] == pytest.approx(level_db, abs=0.01)
        told = [(hz, db) for hz, db in zip(found["bands_hz"], own["spectrum_db"], strict=True) if db is not None]
        assert max(hz for hz, _ in told) == pytest.approx(6_349.6, abs=0.1)  # the next band ends above 8 kHz
        means = [db for hz, db in told if hz > 500]  # lower bands hold few bins of a short clip
        assert means == pytest.approx([level_db - 10 * np.log10(RATE / 2)] * len(means), abs=1.0)
    c = found["devices"]["c"]
    assert c["clipped_share"] == pytest.approx(1 / 10, abs=1e-6)
    assert c["silent_share"] == pytest.approx((0.5 + 0.5 + 0.25) / (8 * 0.5 + 1.0 + 0.8), abs=1e-6)
    assert "d" not in found["devices"]


def test_a_tone_stands_in_its_band_at_its_level(tmp_path):
    t = np.arange(2 * 44_100) / 44_100
    for name in ("x", "y"):
        write_wav(tmp_path / f"{name}.wav", 10 ** (TONE_DB / 20) * np.sqrt(2) * np.sin(2 * np.pi * 1000 * t), 44_100)
    own = describe(make_dataset("tone", tmp_path, ["x.wav", "y.wav"], ["x", "y"]))["devices"][""]
    bands_hz = 1000 * 2.0 ** (np.arange(-15, 14) / 3)
    spectrum = np.asarray(own["spectrum_db"][:-1])
    assert bands_hz[np.argmax(spectrum)] == 1000
    width_hz = 1000 * (2 ** (1 / 6) - 2 ** (-1 / 6))
    assert spectrum.max() == pytest.approx(TONE_DB - 10 * np.log10(width_hz), abs=0.1)
    assert own["spectrum_db"][-1] is None  # 20 kHz ends above 22.05 kHz


def test_numbered_folds_and_progress_and_workers(planted, found):
    dataset = open_dataset(planted)
    told = []
    one = describe(dataset, lambda *state: told.append(state), workers=1)
    assert told == [(i + 1, 19) for i in range(19)]
    assert json.loads(json.dumps(one)) == found
    with pytest.raises(SettingError, match="workers takes 1 or more"):
        describe(dataset, workers=0)


def test_a_picture_of_devices(found):
    assert draw_devices(found)[:4] == b"\x89PNG"
    alone = {**found, "devices": {"": found["devices"]["a"]}}
    many = {**found, "devices": {f"s{i}": found["devices"]["a"] for i in range(30)}}
    silent = {**found, "devices": {"a": {**found["devices"]["a"], "spectrum_db": [None] * 29}}}
    sizes = {len(draw_devices(one)) for one in (found, alone, many, silent)}
    assert len(sizes) == 4


def test_the_verbs_print_tables_json_and_a_picture(planted, tmp_path, capsys):
    describe_verb(planted, picture=tmp_path / "spectra.png", workers=1)
    out = capsys.readouterr().out
    for words in ("class x device", "duplicates: 1", "one.wav = sub/two.wav (their labels and splits differ)",
                  "street: 1 in test, 1 in train", "silent clips: 2", "clipped.wav 3 samples"):  # fmt: skip
        assert words in out
    assert (tmp_path / "spectra.png").stat().st_size > 10_000
    describe_verb(planted, as_json=True, workers=1)
    assert json.loads(capsys.readouterr().out)["clipping"]["count"] == 1
    with pytest.raises(SettingError, match=r"ends in \.png"):
        describe_verb(planted, picture=tmp_path / "spectra.jpg")


def test_columns_follow_the_alphabet_and_numbers_in_names_their_value(tmp_path, capsys):
    cities = ("vienna", "barcelona", "lyon", "Oslo", "helsinki")
    devices = ("s10", "s9", "b", "a", "s1")
    rows = ["filename,label,city,device,fold"]
    for i, (city, device) in enumerate(zip(cities, devices, strict=True)):
        write_wav(tmp_path / f"{i}.wav", 0.1 * np.sin(np.arange(800) * (i + 1) / 9), RATE)
        rows.append(f"{i}.wav,{'xy'[i % 2]},{city},{device},{(10, 9, 2, 1, 'train')[i]}")
    (tmp_path / "meta.csv").write_text("\n".join(rows) + "\n")
    describe_verb(tmp_path, workers=1)
    heads = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("class x")]
    assert [head[2] for head in heads] == ["device", "city", "fold"]
    assert heads[0][3:-1] == ["a", "b", "s1", "s9", "s10"]
    assert heads[1][3:-1] == ["barcelona", "helsinki", "lyon", "Oslo", "vienna"]
    assert heads[2][3:-1] == ["train", "1", "2", "9", "10"]


@pytest.mark.parametrize(("n", "text"), [(0, "0 clips"), (1, "1 clip"), (2_000, "2,000 clips")])
def test_words_have_their_plural(n, text):
    assert _several(n, "clip") == text


def test_simulate_devices_verb(planted, tmp_path, capsys):
    spec = {
        "devices": {
            "b": {"impulse_response": "ir.wav", "compressor": {"threshold_db": -20, "ratio": 2, "attack_ms": 1}},
        },
        "train_devices": ["a", "b"],
        "test_devices": ["a", "b"],
    }
    write_wav(tmp_path / "ir.wav", np.array([0.9, 0.1]), RATE)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    rows = (planted / "meta.csv").read_text().splitlines()
    few = [rows[0], *(row for row in rows if "\ta\t" in row)]
    (planted / "few.csv").write_text("\n".join(few) + "\n")
    simulate_verb(planted / "few.csv", tmp_path / "spec.json", tmp_path / "new", workers=1)
    answer = capsys.readouterr()
    assert answer.out.strip() == str(tmp_path / "new")
    assert "tinyscene train" in answer.err
    assert "other folds" not in answer.err  # train and test are one
    dataset = open_dataset(tmp_path / "new")
    assert dataset.name == "new"
    assert sorted(set(dataset.device)) == ["a", "b"]
    assert set(dataset.city) == {"paris"}
