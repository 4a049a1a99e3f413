"""A small set of synthetic scenes in the layout of the TAU Urban Acoustic Scenes 2022 Mobile development set.

It exists so that every command, tutorial and test can run in a minute without a download. Nothing in it was recorded.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ..audio import write_wav
from ..errors import OutputError, SettingError
from .synthetic_devices import SAMPLE_RATE_HZ, TEST_DEVICES, TRAIN_DEVICES, record
from .synthetic_scenes import SCENES, render_scene

VERSION = 1  # raise it whenever the files of an unchanged recipe would sound different
MARKER = "synthetic.json"
# As in the TAU set, one city is heard in the test part only.
_TRAIN_CITIES = ("barcelona", "helsinki", "lisbon", "paris", "vienna")
_TEST_CITIES = (*_TRAIN_CITIES, "milan")
_DEVICE_A_SHARE = 0.7
_SECONDS_PER_LOCATION = 4
_LOCATION, _SECOND, _DEVICE = 0, 1, 2  # which draw a generator's seed is for


@dataclass(frozen=True)
class _Clip:
    scene: str
    city: str
    location: int
    segment: int
    second: int
    device: str
    is_test: bool

    @property
    def source(self) -> tuple[str, int, int, int]:
        """What parallel recordings have in common."""
        return self.scene, self.location, self.segment, self.second

    @property
    def identifier(self) -> str:
        return f"{self.city}-{self.location}"

    @property
    def filename(self) -> str:
        return f"audio/{self.scene}-{self.identifier}-{self.segment}-{self.second}-{self.device}.wav"


def make_synthetic_set(
    folder: Path,
    seed: int = 1,
    clips_per_class_train: int = 70,
    clips_per_class_test: int = 27,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> Path:
    """Writes the set into `folder`, or returns at once where the same set already lies there.

    Ten classes of one-second clips (44.1 kHz, 24 bit, mono). Training clips: seven in ten by device a, the rest shared
    out among b, c and s1 to s3, each in parallel with a clip of device a. Test clips: every second is recorded by all
    nine devices, s4 to s6 among them; counts that are no multiple of nine leave devices out in turn. No location is
    in both parts, and the clips of one location share its colour, tuning and mixing levels.

    Args:
        folder: the data set's own folder; missing or empty. It appears only when it is complete.
        seed: 0 or more. The same seed gives the same bytes, with any number of workers.
        clips_per_class_train, clips_per_class_test: 1 or more.
        progress: called with (clips written, clips in all), never from two threads at once.
        workers: threads that render, 1 or more.

    Returns:
        `folder`.

    Raises:
        SettingError: a number is out of range.
        OutputError: `folder` holds something else; nothing is overwritten.
    """
    folder = Path(folder)
    numbers = {
        "seed": (seed, 0),
        "clips_per_class_train": (clips_per_class_train, 1),
        "clips_per_class_test": (clips_per_class_test, 1),
        "workers": (workers, 1),
    }
    for name, (value, least) in numbers.items():
        if value < least:
            raise SettingError(f"make_synthetic_set's {name} takes {least} or more; {value} came.")
    recipe = {
        "made_by": "tinyscene",
        "version": VERSION,
        "seed": seed,
        "clips_per_class_train": clips_per_class_train,
        "clips_per_class_test": clips_per_class_test,
    }
    if _holds(folder, recipe):
        return folder
    # The process id keeps two builds apart; the name stays beside the target so that the rename is one step.
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        (partial / "audio").mkdir(parents=True)
        (partial / "evaluation_setup").mkdir()
        clips = _plan(clips_per_class_train, clips_per_class_test)
        _write_lists(partial, clips)
        (partial / "README.md").write_text(_README, encoding="utf-8")
        (partial / MARKER).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        _write_audio(partial, clips, seed, progress, workers)
        if not _holds(folder, recipe):  # another process may have been faster
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
    except OSError as error:
        raise OutputError(
            f"the synthetic set cannot be written to {folder}: {error}. Name a folder in a place that can be written."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _holds(folder: Path, recipe: dict[str, object]) -> bool:
    """Whether the set of this recipe lies in `folder`; False for a missing or empty one."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found == recipe:
        return True
    came = f"a synthetic set of another recipe ({found})" if isinstance(found, dict) else "something else"
    raise OutputError(
        f"the synthetic set needs a folder that is missing, empty or holds the same set; {folder} holds {came}, "
        "which is left as it is. Name another folder, or remove this one first."
    )


# ---- which clips there are ----


def _plan(n_train: int, n_test: int) -> list[_Clip]:
    """All clips, in the order of the lists: training and test, each by class, location, segment, second, device."""
    clips: list[_Clip] = []
    location = 0
    for is_test, n_clips in ((False, n_train), (True, n_test)):
        cities = _TEST_CITIES if is_test else _TRAIN_CITIES
        for class_index, scene in enumerate(SCENES):
            recordings = _test_devices(n_clips, class_index) if is_test else _train_devices(n_clips, class_index)
            per_location = 1 if is_test else _SECONDS_PER_LOCATION
            for second, devices in enumerate(recordings):
                at, k = location + second // per_location, second % per_location
                city = cities[(at + class_index) % len(cities)]
                # Two seconds to a segment, as if the recorder had been started twice at the location.
                clips += [_Clip(scene, city, at, 2 * at + k // 2, k % 2, device, is_test) for device in devices]
            location += -(-len(recordings) // per_location)
    return clips


def _train_devices(n_clips: int, class_index: int) -> list[list[str]]:
    """The devices of each training second: a always, another one in some, evenly spread over the seconds."""
    n_seconds = min(n_clips, max(1, round(_DEVICE_A_SHARE * n_clips)))
    recordings = [["a"] for _ in range(n_seconds)]
    others, n_others = TRAIN_DEVICES[1:], n_clips - n_seconds
    for index in range(n_others):
        recordings[index * n_seconds // n_others].append(others[(index + class_index) % len(others)])
    return recordings


def _test_devices(n_clips: int, class_index: int) -> list[list[str]]:
    """The devices of each test second: all of them; a remainder takes a run that starts elsewhere in each class."""
    full, rest = divmod(n_clips, len(TEST_DEVICES))
    start = class_index * rest
    some = {TEST_DEVICES[(start + index) % len(TEST_DEVICES)] for index in range(rest)}
    remainder = [[device for device in TEST_DEVICES if device in some]] if rest else []
    return [list(TEST_DEVICES) for _ in range(full)] + remainder


# ---- writing ----


def _write_table(path: Path, rows: list[tuple[str, ...]]) -> None:
    """Tab separated, lines ending in CR LF like the 2022 lists."""
    path.write_bytes("".join("\t".join(row) + "\r\n" for row in rows).encode("ascii"))


def _write_lists(folder: Path, clips: list[_Clip]) -> None:
    train = [(clip.filename, clip.scene) for clip in clips if not clip.is_test]
    test = [(clip.filename, clip.scene) for clip in clips if clip.is_test]
    meta = sorted(clips, key=lambda clip: (*clip.source, clip.device))
    _write_table(
        folder / "meta.csv",
        [("filename", "scene_label", "identifier", "source_label")]
        + [(clip.filename, clip.scene, clip.identifier, clip.device) for clip in meta],
    )
    setup = folder / "evaluation_setup"
    _write_table(setup / "fold1_train.csv", [("filename", "scene_label"), *train])
    _write_table(setup / "fold1_evaluate.csv", [("filename", "scene_label"), *test])
    _write_table(setup / "fold1_test.csv", [("filename",), *((name,) for name, _ in test)])


def _write_audio(
    folder: Path, clips: list[_Clip], seed: int, progress: Callable[[int, int], None] | None, workers: int
) -> None:
    numbered = enumerate(clips)
    sources = [list(group) for _, group in groupby(numbered, key=lambda item: item[1].source)]

    def write(source: list[tuple[int, _Clip]]) -> int:
        first = source[0][1]
        place = np.random.default_rng([seed, _LOCATION, first.location])
        now = np.random.default_rng([seed, _SECOND, first.location, first.segment, first.second])
        scene = render_scene(first.scene, place, now)
        for index, clip in source:
            wave = record(scene, clip.device, np.random.default_rng([seed, _DEVICE, index]))
            write_wav(folder / clip.filename, wave, SAMPLE_RATE_HZ)
        return len(source)

    written = 0
    with ThreadPoolExecutor(workers) as pool:
        for n_clips in pool.map(write, sources):
            written += n_clips
            if progress is not None:
                progress(written, len(clips))


_README = """# Synthetic scenes

Everything in this folder is synthetic: tinyscene made it from noise, pulses and tones (`tinyscene.data.synthetic`), in
the layout of the TAU Urban Acoustic Scenes 2022 Mobile development set; no place was recorded, the city names are only
names, and the nine "devices" are invented filters, compressors and noise floors. Accuracy on it shows that a system
learns, that its parts fit together, and that devices left out of the training (s4 to s6) are harder than device a. It
does not show how good the system is: figures on it say nothing about real scenes, cannot be compared with any published
figure, and should not be quoted as results. The recipe (seed and sizes) is in `synthetic.json`; the same recipe gives
the same files.
"""
