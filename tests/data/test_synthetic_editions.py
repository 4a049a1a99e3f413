"""The editions of the synthetic set: names, lists and audio as of the real sets, and classes that can be learned."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tinyscene.data import TAU_CLASSES, TAU_GROUPS, open_dataset
from tinyscene.data.synthetic import make_synthetic_set
from tinyscene.data.synthetic_devices import (
    CLIP_SAMPLES,
    N_TAPS,
    RENDER_SAMPLES,
    RUN_IN_SAMPLES,
    device_fir,
)
from tinyscene.data.synthetic_editions import EDITIONS, plan
from tinyscene.data.synthetic_joining import join_seconds, two_ears
from tinyscene.data.synthetic_scenes import render_scene
from tinyscene.errors import OutputError, SettingError

NAME = {
    "2022": re.compile(r"audio/[a-z_]+-[a-z]+-\d+-\d+-\d-(a|b|c|s[1-6])\.wav"),
    "2020": re.compile(r"audio/[a-z_]+-[a-z]+-\d+-\d+-(a|b|c|s[1-6])\.wav"),
    "2020-3class": re.compile(r"audio/[a-z_]+-[a-z]+-\d+-\d+-a\.wav"),
}
REAL = {
    "2022": "TAU-urban-acoustic-scenes-2022-mobile-development",
    "2020": "TAU-urban-acoustic-scenes-2020-mobile-development",
    "2020-3class": "TAU-urban-acoustic-scenes-2020-3class-development",
}
SEED, N_TRAIN, N_TEST = 4, 1, 1
LISTS = (
    "meta.csv",
    "evaluation_setup/fold1_train.csv",
    "evaluation_setup/fold1_evaluate.csv",
    "evaluation_setup/fold1_test.csv",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """made(edition): the smallest set of it, written once."""
    folder = tmp_path_factory.mktemp("editions")
    return lambda edition: make_synthetic_set(folder / edition, SEED, N_TRAIN, N_TEST, workers=2, edition=edition)


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="ascii").splitlines()]


# ---- names and lists ----


@pytest.mark.parametrize("edition", EDITIONS)
def test_headers_line_ends_and_names_are_those_of_the_real_lists(
    edition: str, made: Callable[[str], Path], real_data: Path
) -> None:
    compared = 0
    for name in LISTS:
        real = real_data / "tau_lists" / REAL[edition] / name
        if not real.is_file():  # of 3Class, some lists were never published alone
            continue
        theirs, ours = real.read_bytes(), (made(edition) / name).read_bytes()
        end = b"\r\n" if b"\r\n" in theirs else b"\n"
        assert ours.count(b"\n") == ours.count(end), "the line ends"
        assert (b"\r" in ours) == (b"\r" in theirs)
        assert ours.split(end)[0] == theirs.split(end)[0], "the header"
        for row in [*lines(real)[1::20], *lines(made(edition) / name)[1:]]:
            assert NAME[edition].fullmatch(row[0]), row[0]
        compared += 1
    assert compared >= 2


@pytest.mark.parametrize("edition", EDITIONS)
def test_labels_follow_from_the_names_as_in_the_real_lists(
    edition: str, made: Callable[[str], Path], real_data: Path
) -> None:
    def labels(path: Path) -> dict[str, str]:
        return {row[0].removeprefix("audio/").partition("-")[0]: row[1] for row in lines(path)[1:]}

    for part in ("train", "evaluate"):
        name = f"evaluation_setup/fold1_{part}.csv"
        real = real_data / "tau_lists" / REAL[edition] / name
        if real.is_file():
            assert labels(made(edition) / name) == labels(real)


def test_the_lists_of_the_two_sets_of_2020_end_in_lf_and_name_every_file(made: Callable[[str], Path]) -> None:
    for edition in ("2020", "2020-3class"):
        folder = made(edition)
        assert not any(b"\r" in (folder / name).read_bytes() for name in LISTS)
        train, evaluate, test = (
            [row[0] for row in lines(folder / "evaluation_setup" / f"fold1_{name}.csv")[1:]]
            for name in ("train", "evaluate", "test")
        )
        assert evaluate == test
        on_disk = sorted(f"audio/{path.name}" for path in (folder / "audio").iterdir())
        assert on_disk == sorted(train + evaluate) == sorted(row[0] for row in lines(folder / "meta.csv")[1:])
        for name, label, identifier, device in lines(folder / "meta.csv")[1:]:
            scene, city, location, _, ending = name.removeprefix("audio/").split("-")
            group = next(group for group, scenes in TAU_GROUPS.items() if scene in scenes)
            assert label == (group if edition == "2020-3class" else scene)
            assert (identifier, f"{device}.wav") == (f"{city}-{location}", ending)


def test_s4_to_s6_are_in_the_test_part_of_2020_only_and_3class_knows_device_a_alone() -> None:
    clips = plan(EDITIONS["2020"], 20, 9)
    train = Counter(clip.device for clip in clips if not clip.is_test)
    assert set(train) == {"a", "b", "c", "s1", "s2", "s3"}
    assert train["a"] == 140
    test = Counter(clip.device for clip in clips if clip.is_test)
    assert test == dict.fromkeys(("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"), 10)
    assert {clip.device for clip in plan(EDITIONS["2020-3class"], 6, 9)} == {"a"}


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(("n_train", "n_test"), [(1, 1), (6, 9), (7, 10)])
def test_no_location_is_in_both_parts_and_no_name_comes_twice(edition: str, n_train: int, n_test: int) -> None:
    clips = plan(EDITIONS[edition], n_train, n_test)
    assert len({clip.filename for clip in clips}) == len(clips) == 10 * (n_train + n_test)
    assert Counter((clip.scene, clip.is_test) for clip in clips) == {
        (scene, is_test): n for scene in TAU_CLASSES for is_test, n in ((False, n_train), (True, n_test))
    }
    where: dict[int, set[tuple[str, str, bool]]] = {}
    for clip in clips:
        where.setdefault(clip.location, set()).add((clip.scene, clip.city, clip.is_test))
    assert all(len(places) == 1 for places in where.values())


def test_the_table_reader_finds_classes_devices_and_folds(made: Callable[[str], Path]) -> None:
    mobile, grouped = open_dataset(made("2020")), open_dataset(made("2020-3class"))
    assert mobile.classes == TAU_CLASSES
    assert grouped.classes == tuple(TAU_GROUPS)
    for dataset in (mobile, grouped):
        assert dataset.synthetic
        assert Counter(dataset.fold) == {"train": 10, "test": 10}


# ---- audio ----


@pytest.mark.parametrize(("edition", "rate", "channels"), [("2020", 44100, 1), ("2020-3class", 48000, 2)])
def test_clips_have_ten_seconds_at_the_rate_and_the_channels_of_the_edition(
    edition: str, rate: int, channels: int, made: Callable[[str], Path]
) -> None:
    for path in (made(edition) / "audio").iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (rate, channels, 10 * rate)
        assert (info.format, info.subtype) == ("WAV", "PCM_24")


def test_a_clip_of_2020_is_ten_rendered_seconds_of_its_location(made: Callable[[str], Path]) -> None:
    """Each second, through device a's filter, is what the clip holds there; the gain of the compressor is left open."""
    clip = next(clip for clip in plan(EDITIONS["2020"], N_TRAIN, N_TEST) if clip.scene == "park" and not clip.is_test)
    assert clip.device == "a"
    wave, _ = soundfile.read(made("2020") / clip.filename)
    for second in range(10):
        place = np.random.default_rng([SEED, 0, clip.location])
        rendered = render_scene("park", place, np.random.default_rng([SEED, 1, clip.location, clip.segment, second]))
        alone = np.convolve(rendered[:12000], device_fir("a"), mode="valid")[RUN_IN_SAMPLES:]
        there = wave[second * CLIP_SAMPLES + RUN_IN_SAMPLES :][: len(alone)]
        assert np.corrcoef(there, alone)[0, 1] > 0.999


def test_seconds_fade_over_without_a_dip_or_a_click() -> None:
    rng = np.random.default_rng(1)
    seconds = [rng.standard_normal(RENDER_SAMPLES).astype(np.float32) for _ in range(40)]
    whole = join_seconds(seconds)
    assert len(whole) == RUN_IN_SAMPLES + 40 * CLIP_SAMPLES
    fades = whole[CLIP_SAMPLES : 40 * CLIP_SAMPLES].reshape(39, CLIP_SAMPLES)[:, :RUN_IN_SAMPLES]
    assert np.mean(fades**2, axis=0).reshape(-1, 90).mean(axis=1) == pytest.approx(np.ones(22), abs=0.15)
    assert N_TAPS - 1 <= RUN_IN_SAMPLES, "what the device filters cut off is no more than the first run-in"
    ones = join_seconds([np.ones(RENDER_SAMPLES, np.float32)] * 3)
    assert np.max(np.abs(np.diff(ones))) < 0.001
    assert np.array_equal(join_seconds(seconds[:1]), seconds[0])


def test_the_mean_of_both_ears_is_the_mono_scene_and_the_ears_differ(made: Callable[[str], Path]) -> None:
    rng = np.random.default_rng(1)
    seconds = [rng.standard_normal(RENDER_SAMPLES).astype(np.float32) for _ in range(4)]
    left, right = two_ears(seconds)
    np.testing.assert_allclose((left + right) / 2, join_seconds(seconds), atol=1e-5)
    assert np.corrcoef(left, right)[0, 1] == pytest.approx((1 - 0.25) / (1 + 0.25), abs=0.02)
    for path in (made("2020-3class") / "audio").iterdir():
        wave, _ = soundfile.read(path)
        assert 0.2 < np.corrcoef(wave.T)[0, 1] < 0.95


def test_a_clip_in_48_khz_has_its_tones_where_the_scene_has_them(made: Callable[[str], Path]) -> None:
    """The hum of a metro station: six harmonics of one frequency near 100 or 150 Hz, drawn first at every place."""
    clip = next(clip for clip in plan(EDITIONS["2020-3class"], N_TRAIN, N_TEST) if clip.scene == "metro_station")
    place = np.random.default_rng([SEED, 0, clip.location])
    place.uniform()  # the level
    place.normal(size=7)  # tilt and colour
    hum_hz = 50 * place.uniform(0.96, 1.04) * place.integers(2, 4)
    wave, rate = soundfile.read(made("2020-3class") / clip.filename)
    power = np.mean([np.abs(np.fft.rfft(second)) ** 2 for second in wave[:, 0].reshape(10, rate)], axis=0)
    around = power[int(hum_hz) - 20 : int(hum_hz) + 22]
    assert abs(int(hum_hz) - 20 + int(np.argmax(around)) - hum_hz) <= 1


# ---- classes can be learned ----


def log_mel_mean(path: Path) -> np.ndarray:
    """(40,) mean log energies of bands that are evenly spaced in mel, the clip's own level removed."""
    wave, rate = soundfile.read(path, dtype="float32")
    power = np.abs(np.fft.rfft(wave[: len(wave) // 2048 * 2048].reshape(-1, 2048) * np.hanning(2048))) ** 2
    edges_hz = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 41) / 2595) - 1)
    bands = np.add.reduceat(power, np.unique((edges_hz * 2048 / rate).astype(int) + np.arange(41) // 40), axis=1)
    level = np.log(bands[:, :-1] + 1e-6)
    return np.concatenate([level.mean(axis=0) - level.mean(), level.std(axis=0)])


def test_a_nearest_mean_of_log_mel_means_tells_scenes_apart_on_unseen_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EDITIONS, "2020", replace(EDITIONS["2020"], seconds=2))  # a small test
    dataset = open_dataset(make_synthetic_set(tmp_path / "set", 1, 6, 9, edition="2020"))
    x = np.stack([log_mel_mean(path) for path in dataset.paths()])
    is_train = np.asarray(dataset.fold) == "train"
    unseen = ~is_train & np.isin(dataset.device, ("s4", "s5", "s6"))
    assert unseen.sum() == 30
    x = (x - x[is_train].mean(axis=0)) / x[is_train].std(axis=0)
    means = np.stack([x[is_train & (dataset.target == index)].mean(axis=0) for index in range(10)])
    nearest = np.linalg.norm(x[unseen][:, None] - means, axis=-1).argmin(axis=1)
    accuracy = float(np.mean(nearest == dataset.target[unseen]))
    assert accuracy > 0.3, f"{accuracy:.2f}; chance is 0.1"


# ---- one recipe, one set ----


def test_an_edition_has_its_own_recipe(made: Callable[[str], Path]) -> None:
    assert '"edition": "2020"' in (made("2020") / "synthetic.json").read_text()
    assert "edition" not in (made("2022") / "synthetic.json").read_text()
    assert "Scenes 2020 3Class development" in (made("2020-3class") / "README.md").read_text()
    with pytest.raises(OutputError, match="a synthetic set of another recipe"):
        make_synthetic_set(made("2022"), SEED, N_TRAIN, N_TEST, edition="2020")


def test_the_editions_are_named_where_another_came(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"no edition '2021'; it takes 2022, 2020, 2020-3class\."):
        make_synthetic_set(tmp_path / "set", edition="2021")
    assert not list(tmp_path.iterdir())


def test_the_verb_hands_the_edition_on(tinyscene: Callable[..., Any], tmp_path: Path) -> None:
    answer = tinyscene("synthesise", tmp_path / "set", "--edition", "2021")
    assert answer.code == 2
    assert "no edition '2021'; it takes 2022, 2020, 2020-3class." in answer.err
