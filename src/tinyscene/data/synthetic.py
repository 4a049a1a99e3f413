"""A small set of synthetic scenes in the layout of a TAU Urban Acoustic Scenes development set.

It exists so that every command, tutorial and test can run in a minute without a download. Nothing in it was recorded.
"""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np

from ..audio import resample, write_wav
from ..errors import OutputError, SettingError, unknown
from .synthetic_devices import SAMPLE_RATE_HZ, record
from .synthetic_editions import EDITIONS, Clip, Edition, plan
from .synthetic_joining import join_seconds, two_ears
from .synthetic_scenes import render_scene

VERSION = 1  # raise it whenever the files of an unchanged recipe would sound different
MARKER = "synthetic.json"
_LOCATION, _SECOND, _DEVICE = 0, 1, 2  # which draw a generator's seed is for


def make_synthetic_set(
    folder: Path,
    seed: int = 1,
    clips_per_class_train: int | None = None,
    clips_per_class_test: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
    edition: str = "2022",
) -> Path:
    """Writes the set into `folder`, or returns at once where the same set already lies there.

    The mobile editions, in 44.1 kHz, 24 bit, mono: "2022" has clips of one second, "2020" of ten. Training clips: seven
    in ten by device a, the rest shared out among b, c and s1 to s3, each in parallel with a clip of device a. Test
    clips: every moment is recorded by all nine devices, s4 to s6 among them; counts that are no multiple of nine leave
    devices out in turn. "2020-3class" has clips of ten seconds in 48 kHz, 24 bit, stereo, all by device a, whose lists
    say indoor, outdoor or transportation. A clip of ten seconds is ten seconds of one location, one after the other. No
    location is in both parts, and the clips of one location share its colour, tuning and mixing levels.

    Args:
        folder: the data set's own folder; missing or empty. It appears only when it is complete.
        seed: 0 or more. The same seed gives the same bytes, with any number of workers.
        clips_per_class_train, clips_per_class_test: of each of the ten scenes, 1 or more; None: the edition's own.
        progress: called with (clips written, clips in all), never from two threads at once.
        workers: threads that render, 1 or more.
        edition: one of EDITIONS: which TAU development set the names, lists and audio follow.

    Returns:
        `folder`.

    Raises:
        SettingError: no such edition, or a number is out of range.
        OutputError: `folder` holds something else; nothing is overwritten.
    """
    folder = Path(folder)
    if edition not in EDITIONS:
        raise unknown("make_synthetic_set", "edition", edition, EDITIONS)
    layout = EDITIONS[edition]
    n_train = layout.clips_per_class[0] if clips_per_class_train is None else clips_per_class_train
    n_test = layout.clips_per_class[1] if clips_per_class_test is None else clips_per_class_test
    numbers = {
        "seed": (seed, 0),
        "clips_per_class_train": (n_train, 1),
        "clips_per_class_test": (n_test, 1),
        "workers": (workers, 1),
    }
    for name, (value, least) in numbers.items():
        if value < least:
            raise SettingError(f"make_synthetic_set's {name} takes {least} or more; {value} came.")
    recipe: dict[str, object] = {
        "made_by": "tinyscene",
        "version": VERSION,
        "seed": seed,
        "clips_per_class_train": n_train,
        "clips_per_class_test": n_test,
    }
    if edition != "2022":  # whose recipe had no such entry before there were others
        recipe["edition"] = edition
    if _holds(folder, recipe):
        return folder
    # The process id keeps two builds apart; the name stays beside the target so that the rename is one step.
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        (partial / "audio").mkdir(parents=True)
        (partial / "evaluation_setup").mkdir()
        clips = plan(layout, n_train, n_test)
        _write_lists(partial, clips, layout.line_end)
        (partial / "README.md").write_text(_readme(layout), encoding="utf-8")
        (partial / MARKER).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        _write_audio(partial, clips, layout, seed, progress, workers)
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


# ---- writing ----


def _write_lists(folder: Path, clips: list[Clip], line_end: str) -> None:
    """meta.csv and the three lists of fold 1, tab separated."""

    def write(path: Path, rows: list[tuple[str, ...]]) -> None:
        path.write_bytes("".join("\t".join(row) + line_end for row in rows).encode("ascii"))

    train = [(clip.filename, clip.label) for clip in clips if not clip.is_test]
    test = [(clip.filename, clip.label) for clip in clips if clip.is_test]
    meta = sorted(clips, key=lambda clip: (*clip.source, clip.device))
    write(
        folder / "meta.csv",
        [("filename", "scene_label", "identifier", "source_label")]
        + [(clip.filename, clip.label, clip.identifier, clip.device) for clip in meta],
    )
    setup = folder / "evaluation_setup"
    write(setup / "fold1_train.csv", [("filename", "scene_label"), *train])
    write(setup / "fold1_evaluate.csv", [("filename", "scene_label"), *test])
    write(setup / "fold1_test.csv", [("filename",), *((name,) for name, _ in test)])


def _write_audio(
    folder: Path,
    clips: list[Clip],
    layout: Edition,
    seed: int,
    progress: Callable[[int, int], None] | None,
    workers: int,
) -> None:
    numbered = enumerate(clips)
    sources = [list(group) for _, group in groupby(numbered, key=lambda item: item[1].source)]

    def write(source: list[tuple[int, Clip]]) -> int:
        first = source[0][1]
        heard = _heard(first, layout, seed)
        for index, clip in source:
            noise = np.random.default_rng([seed, _DEVICE, index])
            wave = np.stack([record(scene, clip.device, noise) for scene in heard])
            wave = resample(wave, SAMPLE_RATE_HZ, layout.sample_rate_hz)
            write_wav(folder / clip.filename, wave, layout.sample_rate_hz)
        return len(source)

    written = 0
    with ThreadPoolExecutor(workers) as pool:
        for n_clips in pool.map(write, sources):
            written += n_clips
            if progress is not None:
                progress(written, len(clips))


def _heard(clip: Clip, layout: Edition, seed: int) -> tuple[np.ndarray, ...]:
    """The scene of a clip at each channel of the device, with the run-in of its filters."""
    first = clip.second or 0
    seconds = [
        render_scene(
            clip.scene,
            np.random.default_rng([seed, _LOCATION, clip.location]),
            np.random.default_rng([seed, _SECOND, clip.location, clip.segment, first + index]),
        )
        for index in range(layout.seconds)
    ]
    return (join_seconds(seconds),) if layout.channels == 1 else two_ears(seconds)


def _readme(layout: Edition) -> str:
    devices = '"device" is an invented filter, compressor and noise floor'
    shows = "learns and that its parts fit together"
    if len(layout.test_devices) > 1:
        devices = 'nine "devices" are invented filters, compressors and noise floors'
        shows = (
            "learns, that its parts fit together, and that devices left out of the training (s4 to s6) are harder than "
            "device a"
        )
    text = _README.format(title=layout.title, devices=devices, shows=shows)
    return f"# Synthetic scenes\n\n{textwrap.fill(text, 120)}\n"


_README = """
Everything in this folder is synthetic: tinyscene made it from noise, pulses and tones (`tinyscene.data.synthetic`), in
the layout of the TAU Urban Acoustic Scenes {title} development set; no place was recorded, the city names are only
names, and the {devices}. Accuracy on it shows that a system {shows}. It does not show how good the system is: figures
on it say nothing about real scenes, cannot be compared with any published figure, and should not be quoted as results.
The recipe (seed and sizes) is in `synthetic.json`; the same recipe gives the same files.
""".strip()
