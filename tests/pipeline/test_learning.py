"""What parts learn from the training clips: at their own place, from nothing else, kept in the run and used again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyscene.batch import Batch
from tinyscene.errors import ModelError
from tinyscene.frontends import FrontEnd, LogMel, StandardisedDeltas
from tinyscene.pipeline.learning import LEARNED, completed, learn, learners, load_learned, save_learned
from tinyscene.spec import Spec
from tinyscene.system import Augment
from tinyscene.systems import load_system

RATE_HZ, WINDOW = 8_000, 2_000
MEL = Spec(
    LogMel, sample_rate_hz=RATE_HZ, n_fft=256, win_length=256, hop_length=256, n_mels=8, f_min=0.0, f_max=4_000.0
)


class Mean(torch.nn.Module):
    """Learns the mean of what comes to it; as a step it takes it away."""

    places = ("spectrum", "bands", "features")

    def __init__(self, mean: tuple[float, ...] | None = None, shape: tuple[int, ...] | None = None):
        super().__init__()
        self.mean, self.shape = mean, shape

    def fit(self, batches: Iterable[Batch]) -> dict[str, object]:
        held = list(batches)
        return {
            "mean": tuple(float(batch.x.double().mean()) for batch in held),
            "shape": tuple(held[0].x.shape[1:]),
        }

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.mean is None else x - self.mean[0]


class Clips:
    """Two training clips as Crops gives them."""

    def __init__(self, system, cut: str):
        self.system, self.cut = system, cut

    def in_order(self) -> Iterator[Batch]:
        for i in range(2):
            x = torch.from_numpy(np.random.default_rng(i).normal(0, 0.1, (3, WINDOW)).astype(np.float32))
            if self.cut == "whole":
                with torch.no_grad():
                    x = self.system.frontend.build().bands(x)
            yield Batch(x=x, target=torch.eye(3))


def system(finish: tuple[Spec, ...] = (), **augment: tuple[Spec, ...]):
    base = load_system("dsmn-1").with_settings({"task.sample_rate_hz": str(RATE_HZ), "task.window_s": "0.25"})
    return base.but(frontend=Spec(FrontEnd, spectral=MEL, finish=finish), augment=Augment(**augment))


def learned(one) -> dict:
    return learn(one, lambda cut: Clips(one, cut))  # type: ignore[arg-type, return-value]


def test_each_part_learns_from_what_comes_to_its_place():
    mean = Spec(Mean)
    one = system(finish=(Spec(StandardisedDeltas), mean), spectrum=(mean,), bands=(mean,), features=(mean,))
    assert learners(one) == ["spectrum.0", "bands.0", "finish.1", "features.0"]
    numbers = learned(one)
    shapes = {key: numbers[key]["shape"] for key in numbers}
    assert shapes == {"spectrum.0": [129, 8], "bands.0": [1, 8, 8], "finish.1": [2, 8, 8], "features.0": [2, 8, 8]}
    (first, _) = Clips(one, "whole").in_order()
    assert numbers["bands.0"]["mean"][0] == pytest.approx(float(first.x.mean()), abs=1e-5)


def test_a_later_part_sees_what_an_earlier_one_has_learned():
    one = system(finish=(Spec(Mean), Spec(Mean)))
    numbers = learned(one)
    assert numbers["finish.0"]["mean"][0] != pytest.approx(0.0, abs=0.1)
    assert numbers["finish.1"]["mean"][0] == pytest.approx(0.0, abs=1e-4)


def test_numbers_complete_the_system_by_way_of_the_file(tmp_path: Path):
    one = system(finish=(Spec(Mean),), bands=(Spec(Mean),))
    save_learned(tmp_path, learned(one))
    whole = completed(one, load_learned(tmp_path))
    assert whole == completed(one, learned(one))
    (step,) = whole.frontend.fields["finish"]
    assert step.build().mean == step.fields["mean"]
    assert len(step.fields["mean"]) == 2
    assert completed(one, {}) == one


def test_a_cut_file_is_refused(tmp_path: Path):
    (tmp_path / LEARNED).write_text('{"finish.0": {"mean": [1.')
    with pytest.raises(ModelError, match=r"learned\.json cannot be read"):
        load_learned(tmp_path)
    assert load_learned(tmp_path / "elsewhere") == {}


def test_a_run_keeps_what_it_learned(run: Path):
    """dsmn-1's spectrum correction has learned a curve of the narrow system's 64 bands."""
    numbers = json.loads((run / LEARNED).read_text())
    assert list(numbers) == ["bands.1"]
    assert len(numbers["bands.1"]["curve"]) == 64
    assert np.ptp(numbers["bands.1"]["curve"]) > 0.1


def test_batches_may_be_cut_short():
    """A part need not read all batches."""
    one = system(bands=(Spec(First),))
    assert learned(one) == {"bands.0": {"n": 3}}


class First:
    places = ("bands",)

    def __init__(self, n: int = 0):
        self.n = n

    def fit(self, batches: Iterable[Batch]) -> dict[str, int]:
        return {"n": len(next(iter(batches)).x)}

    def draw(self, batch: Batch, rng: np.random.Generator) -> None: ...

    def apply(self, batch: Batch, params: None) -> Batch:
        return replace(batch)
