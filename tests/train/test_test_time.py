"""Test-time augmentation: the mean of independent looks, the same whoever else is asked for, never mixed clips."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from tinyscene.augment import FreqMixStyle, Gain, Mixup, SpecAugment, SpecAugmentPlusPlus, TimeRoll
from tinyscene.batch import Batch
from tinyscene.errors import SettingError
from tinyscene.train import Decision, predict
from tinyscene.train.test_time import predict_augmented

ALL = np.arange(5)


class Store:
    """Five clips of 1 to 3 windows, (window, 1, band, frame)."""

    def __init__(self, n_bands: int = 16, n_frames: int = 20):
        rng = np.random.default_rng(0)
        self.clips = [rng.standard_normal((1 + i % 3, 1, n_bands, n_frames)).astype(np.float32) for i in range(5)]

    def __getitem__(self, i: int) -> np.ndarray:
        return self.clips[i]


class Level(nn.Module):
    """Logits: the mean of the map, and 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        level = x.mean((1, 2, 3))
        return torch.stack([level, torch.zeros_like(level)], 1)


@dataclass
class Silence:
    """Sets a clip to `value` with probability p."""

    p: float
    value: float = 0.0
    places = ("features",)

    def draw(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        return rng.random(len(batch.x)) < self.p

    def apply(self, batch: Batch, params: np.ndarray) -> Batch:
        return replace(batch, x=batch.x.masked_fill(torch.from_numpy(params)[:, None, None, None], self.value))


def looked(network: nn.Module, store: Store, rows=ALL, augment=(), repeats: int = 1, seed: int = 1, classes: int = 2):
    return predict_augmented(network, nn.Identity(), Decision(classes), store, rows, augment, repeats, seed)  # type: ignore[arg-type]


def plain(network: nn.Module, store: Store, rows=ALL, classes: int = 2) -> np.ndarray:
    return predict(network, nn.Identity(), Decision(classes), store, rows)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 14 * 18, 4)
    return nn.Sequential(*layers).eval()


def test_without_parts_it_is_predict(network):
    store = Store()
    for repeats in (1, 30):
        assert np.array_equal(looked(network, store, repeats=repeats, classes=4), plain(network, store, classes=4))


def test_parts_that_do_nothing_give_predict(network):
    nothing = [SpecAugment(band_masks=0, frame_masks=0), TimeRoll(deviation=0)]
    made = looked(network, Store(), augment=nothing, repeats=3, classes=4)
    np.testing.assert_allclose(made, plain(network, Store(), classes=4), atol=1e-6)


def test_a_network_that_cannot_see_a_roll_gives_predict():
    made = looked(Level(), Store(), augment=[TimeRoll(deviation=10)], repeats=5)
    np.testing.assert_allclose(made, plain(Level(), Store()), atol=1e-6)


def test_the_mean_is_of_probabilities_as_chance_has_it():
    """Silenced to 3 with p: the mean tends to (1 - p) times the plain probability and p times sigmoid(3)."""
    p, n = 0.25, 1000
    made = looked(Level(), Store(), augment=[Silence(p, 3.0)], repeats=n)
    expected = (1 - p) * plain(Level(), Store())[:, 0] + p / (1 + np.exp(-3.0))
    np.testing.assert_allclose(made[:, 0], expected, atol=4 * 0.5 * np.sqrt(p * (1 - p) / n))
    np.testing.assert_allclose(made.sum(1), 1, atol=1e-6)
    assert made.dtype == np.float64


def test_each_look_is_another_and_parts_act_in_order():
    one, two = (looked(Level(), Store(), augment=[SpecAugment(band_width=9, fill=2.0)], repeats=n) for n in (1, 2))
    assert np.abs(one - two).max() > 1e-3
    last = looked(Level(), Store(), augment=[Silence(1.0, 5.0), Silence(1.0, -1.0)])
    np.testing.assert_allclose(last[:, 0], 1 / (1 + np.exp(1.0)), atol=1e-6)


def test_nothing_hangs_on_the_other_clips(network):
    store, parts = Store(), [TimeRoll(deviation=4), SpecAugment(2, 4, 2, 3, fill=0.0)]
    whole = looked(network, store, augment=parts, repeats=4, classes=4)
    assert np.array_equal(looked(network, store, ALL[::-1], parts, 4, classes=4), whole[::-1])
    for row in ALL:
        assert np.array_equal(looked(network, store, ALL[row : row + 1], parts, 4, classes=4)[0], whole[row])
    assert np.array_equal(looked(network, store, augment=parts, repeats=4, classes=4), whole)
    assert np.abs(looked(network, store, augment=parts, repeats=4, seed=2, classes=4) - whole).max() > 1e-3


def test_many_looks_pass_the_network_in_pieces(network, monkeypatch):
    parts = [SpecAugment(2, 4, 2, 3)]
    whole = looked(network, Store(), augment=parts, repeats=40, classes=4)
    monkeypatch.setattr("tinyscene.train.test_time._WINDOWS", 7)
    np.testing.assert_allclose(looked(network, Store(), augment=parts, repeats=40, classes=4), whole, atol=1e-6)


@pytest.mark.parametrize("part", [Mixup(), Mixup(per_batch=True), FreqMixStyle(p=0.4), SpecAugmentPlusPlus()])
def test_parts_that_mix_clips_are_refused(part):
    name = type(part).__name__
    with pytest.raises(SettingError, match=rf"{name} mixes a clip with others of its batch") as refused:
        looked(Level(), Store(), augment=[TimeRoll(), part], repeats=2)
    assert ("set its mode to 'zero'" in str(refused.value)) == (name == "SpecAugmentPlusPlus")


def test_parts_that_do_not_mix_are_taken():
    parts = [SpecAugmentPlusPlus(mode="zero"), TimeRoll(), SpecAugment(fill="mean"), SpecAugment(fill=0.0)]
    assert looked(Level(), Store(), augment=parts, repeats=2).shape == (5, 2)


def test_other_places_and_no_look_are_refused():
    with pytest.raises(SettingError, match=r"changes finished features; Gain takes the place wave"):
        looked(Level(), Store(), augment=[Gain()])
    with pytest.raises(SettingError, match=r"repeats of test-time augmentation takes 1 or more; 0 came"):
        looked(Level(), Store(), augment=[TimeRoll()], repeats=0)
