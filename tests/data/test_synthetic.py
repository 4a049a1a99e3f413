"""The synthetic set: TAU's layout, honest splits, the same bytes from the same seed, nothing overwritten."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tinyscene.data import synthetic
from tinyscene.data.synthetic import make_synthetic_set
from tinyscene.data.synthetic_devices import (
    CLIP_SAMPLES,
    DEVICES,
    PEAK,
    RENDER_SAMPLES,
    SAMPLE_RATE_HZ,
    TEST_DEVICES,
    device_fir,
    record,
    response_db,
)
from tinyscene.data.synthetic_editions import EDITIONS, plan
from tinyscene.data.synthetic_scenes import SCENES, render_scene
from tinyscene.errors import OutputError, SettingError

TAU_CLASSES = "airport bus metro metro_station park public_square shopping_mall street_pedestrian street_traffic tram"
N_TRAIN, N_TEST = 7, 9
TEXTS_SHA256 = "2f5416945bd24155a89299216e770d80b1148424916d183580bb9813ebf2a9e0"
FINGERPRINTS = {  # samples 1000, 20000 and 44000, and the rms
    "airport-lisbon-20-40-0-a": (-0.0164196, 0.0256779, 0.0429329, 0.0743460),
    "park-vienna-24-48-0-s6": (-0.0083191, 0.0142928, -0.0087252, 0.0097166),
    "tram-lisbon-29-58-0-s6": (-0.0049676, 0.0227953, -0.0105306, 0.0220661),
}
NAME = re.compile(r"audio/([a-z_]+)-([a-z]+)-(\d+)-(\d+)-(\d)-(a|b|c|s[1-6])\.wav")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="ascii") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def fold(folder: Path, name: str) -> list[dict[str, str]]:
    return rows(folder / "evaluation_setup" / f"fold1_{name}.csv")


def parts(name: str) -> tuple[str, ...]:
    match = NAME.fullmatch(name)
    assert match is not None, name
    return match.groups()


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def n_planned(n_train: int, n_test: int, devices: tuple[str, ...] = ()) -> int:
    """How many test clips the plan gives to `devices`, without rendering them."""
    return sum(clip.is_test and clip.device in devices for clip in plan(EDITIONS["2022"], n_train, n_test))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic_set(tmp_path_factory.mktemp("synthetic") / "set", 1, N_TRAIN, N_TEST)


# ---- layout ----


def test_the_folder_holds_the_layout_of_the_2022_set_and_nothing_else(made: Path) -> None:
    top = {path.name for path in made.iterdir()}
    assert top == {"audio", "evaluation_setup", "meta.csv", "README.md", "synthetic.json"}
    lists = {path.name for path in (made / "evaluation_setup").iterdir()}
    assert lists == {"fold1_train.csv", "fold1_evaluate.csv", "fold1_test.csv"}
    on_disk = {f"audio/{path.name}" for path in (made / "audio").iterdir()}
    assert on_disk == {row["filename"] for row in rows(made / "meta.csv")}
    assert [path.name for path in made.parent.iterdir()] == [made.name], "the temporary folder is gone"


def test_the_lists_have_the_official_columns_tabs_and_cr_lf(made: Path) -> None:
    columns = {
        "meta.csv": b"filename\tscene_label\tidentifier\tsource_label",
        "evaluation_setup/fold1_train.csv": b"filename\tscene_label",
        "evaluation_setup/fold1_evaluate.csv": b"filename\tscene_label",
        "evaluation_setup/fold1_test.csv": b"filename",
    }
    for name, header in columns.items():
        content = (made / name).read_bytes()
        assert content.split(b"\r\n")[0] == header
        assert content.endswith(b"\r\n")
        assert content.count(b"\n") == content.count(b"\r\n")


def test_meta_says_what_the_file_names_say(made: Path) -> None:
    for row in rows(made / "meta.csv"):
        scene, city, location, _, _, device = parts(row["filename"])
        assert (row["scene_label"], row["identifier"], row["source_label"]) == (scene, f"{city}-{location}", device)


def test_train_and_evaluate_share_out_all_clips_and_test_is_evaluate_without_labels(made: Path) -> None:
    train, evaluate = fold(made, "train"), fold(made, "evaluate")
    names = [row["filename"] for row in train + evaluate]
    assert sorted(names) == sorted(row["filename"] for row in rows(made / "meta.csv"))
    assert len(set(names)) == len(names)
    assert [row["filename"] for row in fold(made, "test")] == [row["filename"] for row in evaluate]
    assert all(row["scene_label"] == parts(row["filename"])[0] for row in train + evaluate)


def test_every_class_has_its_number_of_clips_in_train_and_test(made: Path) -> None:
    assert list(SCENES) == TAU_CLASSES.split()
    assert Counter(row["scene_label"] for row in fold(made, "train")) == dict.fromkeys(SCENES, N_TRAIN)
    assert Counter(row["scene_label"] for row in fold(made, "evaluate")) == dict.fromkeys(SCENES, N_TEST)


def test_the_readme_says_that_nothing_was_recorded_and_that_figures_are_no_results(made: Path) -> None:
    readme = (made / "README.md").read_text(encoding="utf-8")
    assert "Everything in this folder is synthetic: tinyscene made it" in readme
    assert "cannot be compared with any published\nfigure" in readme


# ---- splits ----


def test_s4_s5_s6_are_in_test_only_and_device_a_has_seven_in_ten_training_clips(made: Path) -> None:
    train = Counter(parts(row["filename"])[-1] for row in fold(made, "train"))
    assert set(train) == {"a", "b", "c", "s1", "s2", "s3"}
    assert train["a"] / train.total() == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("n_test", [9, 27, 12, 4])
def test_the_test_devices_are_balanced_whatever_the_size(n_test: int) -> None:
    counts = [n_planned(1, n_test, (device,)) for device in TEST_DEVICES]
    assert sum(counts) == 10 * n_test
    assert max(counts) - min(counts) <= 1


def test_train_and_test_share_no_location_and_a_location_has_one_scene_and_one_city(made: Path) -> None:
    owner: dict[str, tuple[str, str, bool]] = {}
    for name in ("train", "evaluate"):
        for row in fold(made, name):
            scene, city, location, *_ = parts(row["filename"])
            assert owner.setdefault(location, (scene, city, name == "train")) == (scene, city, name == "train")
    assert len({city for _, city, _ in owner.values()}) >= 4


def test_a_test_second_is_recorded_by_all_nine_devices_and_training_pairs_include_device_a(made: Path) -> None:
    parallel: dict[tuple[str, ...], set[str]] = {}
    for row in rows(made / "meta.csv"):
        *source, device = parts(row["filename"])
        parallel.setdefault(tuple(source), set()).add(device)
    in_test = {parts(row["filename"])[:-1] for row in fold(made, "evaluate")}
    assert all(
        devices == set(TEST_DEVICES) if source in in_test else "a" in devices for source, devices in parallel.items()
    )


# ---- audio ----


def test_every_clip_is_one_second_of_24_bit_mono_at_44100_hz(made: Path) -> None:
    for path in (made / "audio").iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (44100, 1, 44100)
        assert (info.format, info.subtype) == ("WAV", "PCM_24")


def test_every_clip_is_finite_audible_and_below_full_scale(made: Path) -> None:
    for path in (made / "audio").iterdir():
        wave, _ = soundfile.read(path)
        assert np.all(np.isfinite(wave))
        assert np.max(np.abs(wave)) <= PEAK + 1e-6
        assert np.sqrt(np.mean(wave**2)) > 0.003


@pytest.mark.parametrize("scene", SCENES)
def test_clips_of_one_location_differ_but_less_than_clips_of_two_locations(scene: str) -> None:
    def colour_db(location: int, second: int) -> np.ndarray:
        """(band,) levels in dB, overall level removed."""
        wave = render_scene(scene, np.random.default_rng([location]), np.random.default_rng([location, second]))
        power = np.abs(np.fft.rfft(wave)) ** 2
        level_db = 10 * np.log10(np.add.reduceat(power, np.geomspace(60, 20000, 21).astype(int))[:-1])
        return level_db - level_db.mean()

    colours = np.array([[colour_db(location, second) for second in range(2)] for location in range(5)])
    within = np.abs(colours[:, 0] - colours[:, 1]).mean()
    across = np.abs(colours[:, 0] - np.roll(colours[:, 1], 1, axis=0)).mean()
    assert 0.2 < within < across


# ---- devices ----


@pytest.mark.parametrize("device", DEVICES)
def test_a_recording_has_the_response_of_its_device(device: str) -> None:
    """Played an impulse too quiet for the compressor, a device answers with its filter, within 1 dB from 400 Hz."""
    impulse = np.zeros(RENDER_SAMPLES, np.float32)
    impulse[RENDER_SAMPLES // 2] = 0.05
    noise = record(np.zeros_like(impulse), device, np.random.default_rng(1))
    answer = record(impulse, device, np.random.default_rng(1)) - noise
    freq_hz = np.fft.rfftfreq(CLIP_SAMPLES, 1 / SAMPLE_RATE_HZ)
    inside = (freq_hz > 400) & (freq_hz < 12000)
    heard_db = 20 * np.log10(np.abs(np.fft.rfft(answer))[inside] / 0.05) - DEVICES[device].gain_db
    assert np.max(np.abs(heard_db - response_db(device, freq_hz[inside]))) < 1.0


def test_unseen_devices_lie_further_from_device_a_than_the_seen_simulated_ones() -> None:
    freq_hz = np.geomspace(60, 16000, 400)
    distance = {name: float(np.std(response_db(name, freq_hz) - response_db("a", freq_hz))) for name in DEVICES}
    assert min(distance[name] for name in ("s4", "s5", "s6")) > 1.3 * max(distance[name] for name in ("s1", "s2", "s3"))


def test_device_filters_are_symmetric_so_that_parallel_recordings_are_aligned() -> None:
    for device in DEVICES:
        np.testing.assert_allclose(device_fir(device), device_fir(device)[::-1], atol=1e-12)


def test_the_compressor_divides_the_level_above_its_threshold_by_its_ratio() -> None:
    time_s = np.arange(RENDER_SAMPLES) / SAMPLE_RATE_HZ
    levels = []
    for amplitude in (0.25, 0.5):
        tone = (amplitude * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)
        levels.append(np.sqrt(np.mean(record(tone, "s6", np.random.default_rng(1)) ** 2)))
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(20 * np.log10(2) / DEVICES["s6"].ratio, abs=0.05)


# ---- the same bytes, nothing overwritten ----


def test_the_same_seed_gives_the_same_bytes_with_one_worker_and_with_three(made: Path, tmp_path: Path) -> None:
    again = make_synthetic_set(tmp_path / "again", 1, N_TRAIN, N_TEST, workers=3)
    assert digests(again) == digests(made)


def test_the_set_is_that_of_the_first_release(made: Path) -> None:
    """The texts to the byte; the audio to what another processor's FFT may change."""
    texts = "".join(f"{name} {digest}\n" for name, digest in digests(made).items() if not name.startswith("audio/"))
    assert hashlib.sha256(texts.encode()).hexdigest() == TEXTS_SHA256
    for name, fingerprint in FINGERPRINTS.items():
        wave, _ = soundfile.read(made / "audio" / f"{name}.wav")
        heard = [wave[1000], wave[20000], wave[44000], np.sqrt(np.mean(wave**2))]
        np.testing.assert_allclose(heard, fingerprint, atol=2e-6)


def test_another_seed_gives_the_same_lists_and_other_audio(tmp_path: Path) -> None:
    one, two = (digests(make_synthetic_set(tmp_path / f"seed{seed}", seed, 2, 1)) for seed in (1, 2))
    audio = {name for name in one if name.startswith("audio")}
    assert {name for name in one if one[name] == two.get(name)} == set(one) - audio - {"synthetic.json"}
    assert audio == {name for name in two if name.startswith("audio")}


def test_a_second_call_returns_at_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(made)

    def refuse(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(synthetic, "render_scene", refuse)
    assert make_synthetic_set(made, 1, N_TRAIN, N_TEST) == made
    assert digests(made) == before


def test_progress_counts_every_clip_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_synthetic_set(tmp_path / "set", 1, 1, 1, progress=lambda done, total: seen.append((done, total)), workers=2)
    assert seen == [(done, 20) for done in range(1, 21)]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert (make_synthetic_set(tmp_path / "set", 1, 1, 1) / "meta.csv").exists()


def test_a_foreign_folder_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(
        OutputError, match=r"missing, empty or holds the same set; .* holds something else, which is left"
    ):
        make_synthetic_set(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_set_of_another_recipe_is_refused_and_left_as_it_is(made: Path) -> None:
    before = digests(made)
    with pytest.raises(OutputError, match=r"a synthetic set of another recipe .*'seed': 1.*Name another folder"):
        make_synthetic_set(made, 2, N_TRAIN, N_TEST)
    assert digests(made) == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("keep")
    with pytest.raises(OutputError, match="holds something else"):
        make_synthetic_set(tmp_path / "set")
    assert (tmp_path / "set").read_text() == "keep"


def test_a_build_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_synthetic_set(tmp_path / "set", 1, 1, 1, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["clips_per_class_train", "clips_per_class_test", "workers"])
def test_a_number_out_of_range_is_named(name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(SettingError, match=f"{name} takes 1 or more; 0 came"):
        make_synthetic_set(tmp_path / "set", **settings)
