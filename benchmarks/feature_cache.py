"""Whether the feature cache keeps training busy: shuffled batches beside DSMN-1's step. Writes feature_cache.md.

    python benchmarks/feature_cache.py [--clips 139620]

A store of as many one-second clips as the training list of TAU Urban Acoustic Scenes 2022 Mobile has is filled with
noise in the place of features (22 kB a clip, 3.1 GB in all); then batches of 32 are read in the order of training, and
the training step is taken.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from tinyscene import load_system
from tinyscene.data import ClipStore, Crops, clip_store, training_loader
from tinyscene.data.dataset import make_dataset
from tinyscene.train import SceneAndGroupLoss, group_membership
from tinyscene.train.gradients import project_conflicting
from tinyscene.train.machine import keep_memory

BATCH, BATCHES, STEPS = 32, 300, 5


class NoiseStore(ClipStore):
    """A store whose clips are noise, so that no audio has to be decoded: only how it is kept and read is measured."""

    def _compute(self, i: int) -> np.ndarray:
        rng = np.random.default_rng(i)
        return rng.standard_normal((44, 1, 256), dtype=np.float32)


def main() -> None:
    """Fill, read, train, write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--clips", type=int, default=139_620)
    n = options.parse_args().clips
    system = load_system("dsmn-1")
    labels = [system.task.classes[i % 10] for i in range(n)]
    dataset = make_dataset("noise", Path("."), [f"{i}.wav" for i in range(n)], labels)
    folder = tempfile.mkdtemp()
    clip_store.store_folder = lambda *_: Path(folder) / "noise"  # no files, whose sizes and times would name it
    try:
        start = time.perf_counter()
        store = NoiseStore(system, dataset, "whole")
        filled = time.perf_counter() - start
        stored = sum(path.stat().st_size for path in store.folder.iterdir())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        loader = training_loader(Crops(store, dataset, np.arange(n), seed=1), BATCH)
        batches = iter(loader)
        batch = next(batches)
        start = time.perf_counter()
        for _ in range(BATCHES):
            batch = next(batches)
        read = BATCH * BATCHES / (time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    finally:
        shutil.rmtree(folder)
    trained = steps_per_second(system, batch) * BATCH
    lines = [
        "| | |",
        "|---|---|",
        f"| clips of one second, 1x256x44 | {n:,} |",
        f"| on disk | {stored / 1e9:.2f} GB in {store._n_shards} files of {store._per_shard} clips |",
        f"| reading shuffled batches of {BATCH} | {read:,.0f} clips a second |",
        f"| DSMN-1's training step, 2 threads | {trained:,.0f} clips a second |",
        f"| the loader's rate over the step's | {read / trained:.1f} |",
        f"| memory that reading added | {after - before:.0f} MiB |",
        "",
        f"Noise in the place of features ({filled:.0f} s to write), files in the page cache of the system; in one "
        f"process without workers, on {os.cpu_count()} CPU cores. Written by `benchmarks/feature_cache.py`.",
    ]
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def steps_per_second(system: object, batch: object) -> float:
    """Of forward, the two tasks' gradients and the optimiser, on features finished as in training."""
    keep_memory()
    torch.set_num_threads(2)
    front_end, network = system.frontend.build().eval(), system.model.build()  # type: ignore[attr-defined]
    network = network.to(memory_format=torch.channels_last)
    objective = SceneAndGroupLoss(group_membership(system.task.classes, system.task.groups), "sum")  # type: ignore[attr-defined]
    optimizer = torch.optim.RAdam(network.parameters())
    best = float("inf")
    for _ in range(STEPS):
        start = time.perf_counter()
        with torch.no_grad():
            x = front_end.finish(batch.x)  # type: ignore[attr-defined]
        losses = objective(network(x.contiguous(memory_format=torch.channels_last)), batch)  # type: ignore[arg-type]
        optimizer.zero_grad()
        project_conflicting(losses, list(network.parameters()))
        optimizer.step()
        best = min(best, time.perf_counter() - start)
    return 1 / best


if __name__ == "__main__":
    main()
