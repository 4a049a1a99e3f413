"""Averaged weights are the mean of the epochs' own, batch norms know the features, a kill changes nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam

from tinyscene.data import Crops
from tinyscene.data.dataset import make_dataset
from tinyscene.errors import SettingError
from tinyscene.frontends import FrontEnd
from tinyscene.spec import Spec
from tinyscene.train import WEIGHTS, CosineWarmup, Decision, Fit, Job, load
from tinyscene.train import loop as loop_module
from tinyscene.train.machine import Machine
from tinyscene.train.self_distill import SelfDistill
from tinyscene.train.weight_average import WeightAverage, refresh_batch_norm

EPOCHS, MEAN = 5, 3
N_CLIPS, BATCH = 26, 8
N_BATCHES = 7  # a clip is one and a half windows long, which makes two crops


class Store:
    """Maps (1, channel 1, band 2, frame 6): the sign of band 0 is the class."""

    cut, n_frames, silence_level, sample_rate_hz = "whole", 4, -1e9, 8_000

    def __init__(self, target: np.ndarray):
        self.maps = np.random.default_rng(0).standard_normal((len(target), 1, 1, 2, 6)).astype(np.float32)
        self.maps[:, 0, 0, 0] += (2 * target - 1)[:, None]

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.maps[i]


def made_job(**changes: Any) -> Job:
    target = np.arange(N_CLIPS) % 2
    files, labels = [f"{i}.wav" for i in range(N_CLIPS)], ["no" if t == 0 else "yes" for t in target]
    dataset = make_dataset("toy", Path(), files, labels)
    store = Store(target)
    numbers = {
        "front_end": FrontEnd(spectral=nn.Identity()),
        "augment": {place: [] for place in ("wave", "spectrum", "bands", "features", "hidden")},
        "crops": Crops(store, dataset, np.arange(N_CLIPS), 3),  # type: ignore[arg-type]
        "windows": store,
        "validation": np.arange(0),
        "decide": Decision(2),
        "membership": None,
        "example": torch.zeros(2, 1, 2, 4),
        "seed": 3,
        "machine": Machine("cpu"),
    }
    return Job(**numbers | changes)


def network() -> nn.Module:
    torch.manual_seed(1)
    front = nn.Sequential(nn.Conv2d(1, 4, (2, 1)), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3))
    return nn.Sequential(*front, nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


def made_stage(kind: type[Fit] = Fit, **changes: Any) -> Fit:
    numbers = {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "optimizer": Spec(Adam, lr=0.03),
        "schedule": CosineWarmup(),
        "validation_share": 0.0,
        "select": "mean",
        "mean_epochs": MEAN,
        "pcgrad": False,
    }
    return kind(**numbers | changes)


class Kept(pl.Callback):
    """The parameters at the end of each epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, Tensor]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.epochs.append({name: value.detach().clone() for name, value in pl_module.network.named_parameters()})


class Kill(pl.Callback):
    """Ctrl-C at the beginning of an epoch."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[dict[str, Tensor], Kept]:
    folder, kept = tmp_path_factory.mktemp("run"), Kept()
    made_stage().run(network(), made_job(), folder, [kept])
    return load(folder / WEIGHTS), kept


def test_the_weights_are_the_mean_of_the_last_epochs(trained):
    weights, kept = trained
    assert len(kept.epochs) == EPOCHS
    for name, last in kept.epochs[-1].items():
        mean = np.mean([epoch[name].double().numpy() for epoch in kept.epochs[-MEAN:]], axis=0)
        assert np.allclose(weights[name].numpy(), mean, rtol=1e-5, atol=1e-6), name
        assert not np.allclose(last.numpy(), mean, rtol=1e-3, atol=1e-4), "an epoch alone would pass too"


def test_the_first_norm_has_the_statistics_of_the_training_clips(trained):
    """Clips are cropped: its statistics are near those of whole clips, and not near those of other weights."""
    weights, _ = trained
    maps = torch.from_numpy(Store(np.arange(N_CLIPS) % 2).maps[:, 0])
    heard = nn.functional.conv2d(maps, weights["0.weight"], weights["0.bias"])
    assert torch.allclose(weights["1.running_mean"], heard.mean((0, 2, 3)), atol=0.15)
    assert torch.allclose(weights["1.running_var"], heard.var((0, 2, 3)), rtol=0.3)
    assert weights["1.num_batches_tracked"] == N_BATCHES


@pytest.mark.parametrize("epoch", [1, 4])
def test_a_stage_that_was_killed_ends_with_the_same_bits(tmp_path, trained, epoch):
    with pytest.raises(KeyboardInterrupt):
        made_stage().run(network(), made_job(), tmp_path, [Kill(epoch)])
    assert not (tmp_path / WEIGHTS).exists()
    made_stage().run(network(), made_job(resume=True), tmp_path)
    assert equal(load(tmp_path / WEIGHTS), trained[0])


def test_a_stage_that_was_killed_after_its_last_epoch_ends_with_the_same_bits(tmp_path, trained, monkeypatch):
    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop_module, "refresh_batch_norm", kill)
    with pytest.raises(KeyboardInterrupt):
        made_stage().run(network(), made_job(), tmp_path)
    monkeypatch.undo()
    torch.manual_seed(99)
    made_stage().run(network(), made_job(resume=True), tmp_path)
    assert equal(load(tmp_path / WEIGHTS), trained[0])


def test_a_stage_with_a_teacher_in_itself_is_averaged_too(tmp_path):
    job, kept = made_job(), Kept()
    job = made_job(crops=job.crops.viewed(2, "clip"))
    made_stage(SelfDistill, temperature=2.0, views=2).run(network(), job, tmp_path, [kept])
    mean = torch.stack([epoch["0.weight"] for epoch in kept.epochs[-MEAN:]]).mean(0)
    assert torch.allclose(load(tmp_path / WEIGHTS)["0.weight"], mean, atol=1e-6)


@pytest.mark.parametrize("n_epochs", [0, 6])
def test_epochs_out_of_range_are_refused(n_epochs):
    with pytest.raises(SettingError, match=r"WeightAverage\.n_epochs takes 1 to 5"):
        WeightAverage(n_epochs, 5)


def test_its_state_survives_an_epoch_that_averages_nothing():
    mean, network_ = WeightAverage(1, 2), network()
    mean._of(network_).update_parameters(network_)
    state = copy.deepcopy(mean.state_dict())
    other = WeightAverage(1, 2)
    other.load_state_dict(state)
    assert equal(other.state_dict()["mean"], state["mean"])
    assert equal(dict(other.averaged(network().apply(_zeroed)).state_dict()), dict(network_.state_dict()))


def _zeroed(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        parameter.data.zero_()


BATCHES = [torch.randn(n, 3, 4, 5, generator=torch.Generator().manual_seed(n)) * n + n for n in (2, 6, 9)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_are_the_mean_over_batches_written_out(training, momentum):
    norm = nn.BatchNorm2d(3, momentum=momentum)
    conv = nn.Conv2d(3, 2, 1)
    other = nn.Sequential(norm, conv).train(training)
    other.get_buffer("0.running_mean").add_(7)
    convolved = conv.weight.clone()
    refresh_batch_norm(other, iter(BATCHES))
    by_hand = [batch.double().numpy() for batch in BATCHES]
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert np.allclose(norm.running_mean, np.mean([x.mean((0, 2, 3)) for x in by_hand], axis=0), rtol=1e-5)
    assert np.allclose(norm.running_var, np.mean([x.var((0, 2, 3), ddof=1) for x in by_hand], axis=0), rtol=1e-5)
    assert norm.num_batches_tracked is not None
    assert (int(norm.num_batches_tracked), norm.num_batches_tracked.dtype) == (3, torch.int64)
    assert (norm.momentum, other.training, norm.training) == (momentum, training, training)
    assert torch.equal(conv.weight, convolved)
    assert all(parameter.grad is None for parameter in other.parameters())


def test_dropout_does_not_make_the_statistics_a_matter_of_chance():
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        norm = nn.BatchNorm2d(3)
        refresh_batch_norm(nn.Sequential(nn.Dropout(0.5), norm), BATCHES)
        made.append(norm.get_buffer("running_var"))
    assert torch.equal(*made)
    plain = nn.BatchNorm2d(3)
    refresh_batch_norm(plain, BATCHES)
    assert not torch.allclose(plain.get_buffer("running_var"), made[0])


def test_without_batch_norms_nothing_is_asked_for():
    network_ = nn.Sequential(nn.Conv2d(3, 2, 1), nn.InstanceNorm2d(2, affine=True)).eval()
    before = copy.deepcopy(network_.state_dict())
    refresh_batch_norm(network_, (pytest.fail("a batch was asked for") for _ in range(1)))
    assert equal(dict(before), dict(network_.state_dict()))
    assert not network_.training
