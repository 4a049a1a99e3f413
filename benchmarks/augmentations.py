"""What each augmentation costs beside the training step it feeds. Writes augmentations.md.

    python benchmarks/augmentations.py

A batch of 32 one-second clips at 44.1 kHz with the front end of report 001 (1x256x44); the step is DSMN-1, forward and
backward, no optimiser. The figures are the smallest of several runs.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from front_ends import in_turns

from tinyscene import load_system
from tinyscene.audio import write_wav
from tinyscene.augment import augmented
from tinyscene.batch import Batch
from tinyscene.cli.augment_verbs import classes
from tinyscene.data.synthetic import make_synthetic_set
from tinyscene.spec import Spec

N, RATE = 32, 44_100
ON_WORKERS = ("codec", "tempo")  # work for the processes that load clips
NETWORKS = ("pix2pix",)  # a generator of its own: its cost is its size
# One way to use them all at once: each place's, one of a kind.
WHOLE = (
    *("device_response", "gain", "time_shift", "add_noise", "bin_gains", "mixup", "spectrum_correction"),
    *("freq_mix_style", "spec_augment", "image_shift", "auto_level", "time_roll"),
)


def main() -> None:
    """Measure each part, the whole and the step, on one thread and on all."""
    with tempfile.TemporaryDirectory() as folder:
        table = {threads: measured(threads, Path(folder)) for threads in sorted({1, os.cpu_count() or 1})}
    heads = " | ".join(f"ms, {threads} thread{'s' * (threads > 1)}" for threads in table)
    lines = [f"| a batch of {N} | {heads} |", "|---" * (len(table) + 1) + "|"]
    first = next(iter(table.values()))
    for name in first:
        lines.append(f"| {name} | " + " | ".join(f"{1000 * row[name]:.1f}" for row in table.values()) + " |")
    ratios = ", ".join(
        f"{row['**together**'] / row['**DSMN-1, forward and backward**']:.2f} on {threads}"
        for threads, row in table.items()
    )
    lines += [
        "",
        f"Together, drawn and applied one after the other: {', '.join(WHOLE)}, and the front end between them. As a "
        f"share of the step: {ratios} thread(s). {' and '.join(ON_WORKERS)} are work for the loader's processes. "
        f"{os.cpu_count()} cores, no GPU, synthetic clips, smallest of several runs. "
        "Written by `benchmarks/augmentations.py`.",
    ]
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def measured(threads: int, folder: Path) -> dict[str, float]:
    """Seconds of each augmentation, of many together and of the training step."""
    torch.set_num_threads(threads)
    system = load_system("dsmn-1")
    front_end, network = system.frontend.build().eval(), system.model.build().to(memory_format=torch.channels_last)
    batch = clips(folder)
    at = {"wave": batch, "spectrum": replace(batch, x=front_end.spectrum(batch.x))}
    at["bands"] = replace(batch, x=front_end.bands(batch.x))
    at["features"] = at["hidden"] = replace(batch, x=front_end(batch.x))
    parts = {}
    for name, cls in classes().items():
        if name in NETWORKS:
            continue
        spec = Spec(cls, folder=str(responses(folder))) if "folder" in Spec(cls).missing() else Spec(cls)
        spec = spec.but(p=1.0) if "p" in spec.fields else spec
        if callable(getattr(cls, "fit", None)):
            spec = spec.but(**spec.build().fit([at[cls.places[0]]]))
        parts[name] = (spec.build(), cls.places[0])

    def whole() -> None:
        rng, now = np.random.default_rng(0), batch
        by_place = {place: [parts[n][0] for n in WHOLE if parts[n][1] == place] for place in at}
        now = augmented(now, by_place["wave"], rng)
        now = augmented(replace(now, x=front_end.spectrum(now.x)), by_place["spectrum"], rng)
        now = augmented(replace(now, x=front_end.spectral.bands(now.x)), by_place["bands"], rng)
        augmented(replace(now, x=front_end.finish(now.x)), by_place["features"], rng)

    def step() -> None:
        network.zero_grad()
        network(at["features"].x.contiguous(memory_format=torch.channels_last)).square().mean().backward()

    work = {
        f"{name} ({place})": lambda part=part, place=place: augmented(at[place], [part], np.random.default_rng(0))
        for name, (part, place) in parts.items()
    }
    with torch.no_grad():
        seconds = in_turns(work | {"front end": lambda: front_end(batch.x), "**together**": whole}, 2, 4)
    return seconds | in_turns({"**DSMN-1, forward and backward**": step}, 2, 4)


def clips(folder: Path) -> Batch:
    """Synthetic scenes as a batch of waveforms."""
    from tinyscene.data import open_dataset

    root = folder / "scenes"
    if not root.exists():
        make_synthetic_set(root, seed=1, clips_per_class_train=4, clips_per_class_test=1)
    data = open_dataset(root)
    from tinyscene.audio import read_audio

    rows = np.arange(N)
    return Batch(
        x=torch.from_numpy(np.stack([read_audio(path)[0] for path in data.take(rows).paths()])),
        target=torch.eye(10)[torch.from_numpy(data.target[rows])],
        device=tuple(data.device[rows]),
        city=tuple(data.city[rows]),
        file=tuple(data.files[rows]),
        segment=tuple(data.segment[rows]),
        sample_rate_hz=RATE,
    )


def responses(folder: Path) -> Path:
    """Three impulse responses of the synthetic devices."""
    from tinyscene.data.synthetic_devices import device_fir

    own = folder / "responses"
    own.mkdir(exist_ok=True)
    for device in ("b", "s1", "s2"):
        write_wav(own / f"{device}.wav", (0.5 * device_fir(device)).astype(np.float32), RATE)
    return own


if __name__ == "__main__":
    main()
