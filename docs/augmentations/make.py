"""Writes the pages of this folder: one for each augmentation, with its picture. Run it after a change of one.

    python docs/augmentations/make.py [NAME ... | --text]

With --text the pictures stay: seconds instead of minutes.

The clips are synthetic scenes of a park and a street; nothing measured is in the pictures.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from tinyscene import load_system
from tinyscene.audio import read_audio, write_wav
from tinyscene.cli.augment_verbs import classes, summary
from tinyscene.data import open_dataset
from tinyscene.data.synthetic import make_synthetic_set
from tinyscene.data.synthetic_devices import coloured, device_fir
from tinyscene.evaluate import draw_spectrograms
from tinyscene.pipeline import RunRecord, demonstrate, prepare
from tinyscene.pipeline.pix2pix import train_pix2pix
from tinyscene.spec import Spec
from tinyscene.systems import systems
from tinyscene.train.pix2pix_fit import Pix2PixSettings

HERE = Path(__file__).parent
SYSTEM = "dsmn-1"
SEED = 3
NUMBERS = {  # of the pictures, where the defaults would show nothing
    "gain": {"low_db": -12.0, "high_db": -12.0},
    "random_crop": {"length": 22_050},
    "spec_augment": {"band_width": 19, "frame_masks": 1},
}
BESIDE = {"auto_level": "simulated device s1"}  # as figure 2 of report 000


def main(names: list[str]) -> None:
    """Draw and write the pages named, or all."""
    found = classes()
    with tempfile.TemporaryDirectory() as folder:
        clips = scenes(Path(folder))
        for name, cls in found.items():
            if names and name not in names and names != ["--text"]:
                continue
            spec = Spec(cls)
            if "folder" in spec.missing():
                spec = spec.but(folder=str(responses(Path(folder))))
            if names == ["--text"]:
                pass
            elif name == "pix2pix":
                trained_picture(Path(folder))
            else:
                picture(name, spec.but(**NUMBERS.get(name, {})), clips)
            (HERE / f"{name}.md").write_text(page(name, cls))
            print(name)
    (HERE / "README.md").write_text(index(found))


def scenes(folder: Path) -> list[np.ndarray]:
    """A park and a street, recorded by the simulated device a."""
    root = make_synthetic_set(folder / "scenes", seed=5, clips_per_class_train=6, clips_per_class_test=1)
    data = open_dataset(root)
    chosen = []
    for label in ("park", "street_traffic"):
        rows = np.flatnonzero((data.target == data.classes.index(label)) & (data.device == "a"))
        chosen.append(read_audio(data.root / data.files[rows[0]])[0])
    return chosen


def responses(folder: Path) -> Path:
    """One impulse response, of a synthetic device."""
    own = folder / "responses"
    own.mkdir(exist_ok=True)
    write_wav(own / "s1.wav", (0.5 * device_fir("s1")).astype(np.float32), 44_100)
    return own


def picture(name: str, spec: Spec, clips: list[np.ndarray]) -> None:
    """NAME.png: before, after, and for some a third map."""
    system = load_system(SYSTEM)
    beside = coloured(clips[0], system.task.sample_rate_hz, "s1") if name in BESIDE else None
    made = demonstrate(spec, system, clips, SEED, beside)
    maps = {"before": made.maps["before"], name: made.maps["after"]}
    if beside is not None:
        maps[BESIDE[name]] = made.maps["beside"]
    png = draw_spectrograms(summary(spec.target), maps, made.unit, made.curve, system.task.window_s)
    (HERE / f"{name}.png").write_bytes(png)


def trained_picture(folder: Path) -> None:
    """pix2pix.png: real, generated, target, by a small generator trained here for two minutes on synthetic scenes."""
    root = make_synthetic_set(folder / "pairs", seed=1)
    prepared = prepare(
        load_system(SYSTEM), RunRecord(SYSTEM, str(root), seed=1), lambda _: nullcontext(lambda done, total: None)
    )
    settings = Pix2PixSettings(epochs=12, batch_size=4, width=24)
    made, last = train_pix2pix(prepared, folder / "generator.pt", settings)
    print(f"pix2pix: {last['held_out']:.3f} from the target, before {last['held_out_source']:.3f}")
    (HERE / "pix2pix.png").write_bytes(made.read_bytes())


def page(name: str, cls: type) -> str:
    """NAME.md: what its file says of it, its numbers, its users."""
    spec = Spec(cls)
    numbers = shown({key: value for key, value in spec.fields.items() if key not in spec.missing()})
    users = [
        system.name
        for system in systems().values()
        if any(part.target is cls for place in vars(system.augment).values() for part in place)
    ]
    module = inspect.getfile(cls)
    lines = [
        f"# {cls.__name__}",
        "",
        inspect.getdoc(sys.modules[cls.__module__]) or "",
        "",
        *([f"![before and after]({name}.png)", ""] if (HERE / f"{name}.png").is_file() else []),
        *([f"In the picture: {shown(NUMBERS[name])}.", ""] if name in NUMBERS else []),
        "```text",
        inspect.getdoc(cls) or "",
        "```",
        "",
        f"* Acts at: {', '.join(f'`{place}`' for place in cls.places)}",  # type: ignore[attr-defined]
        f"* As it comes: `{cls.__name__}({numbers})`",
        f"* Used by: {', '.join(f'`{user}`' for user in users) or 'no system yet'}",
        f"* Code: [augment/{Path(module).name}](../../src/tinyscene/augment/{Path(module).name})",
        "",
        f"Try it on a clip of yours: `tinyscene augment show {name} FILE --out DIR`",
        "",
        "All [augmentations](README.md). The clips of the pictures are synthetic scenes.",
    ]
    return "\n".join(lines) + "\n"


def shown(numbers: dict[str, object]) -> str:
    """Numbers as one writes them in a call."""
    short = {key: round(value, 4) if isinstance(value, float) else value for key, value in numbers.items()}
    return ", ".join(f"{key}={value!r}" for key, value in short.items())


def index(found: dict[str, type]) -> str:
    """README.md: all of them."""
    rows = [
        f"| [{cls.__name__}]({name}.md) | {', '.join(cls.places)} | {summary(cls)} |"  # type: ignore[attr-defined]
        for name, cls in found.items()
    ]
    return "\n".join(
        [
            "# Augmentations",
            "",
            "What may be done to training clips, and where on their way to the network. These pages are written by",
            "[make.py](make.py) from the code; [how to add one](../add-an-augmentation.md).",
            "",
            "| augmentation | places | what it does |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
