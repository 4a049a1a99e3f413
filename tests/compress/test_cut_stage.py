"""CutChannels: a stage that cuts, keeps what it cut, trains, goes on after a kill and is restored."""

from __future__ import annotations

import json
import re
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tinyscene.batch import Batch
from tinyscene.compress import prepared
from tinyscene.compress.cut_stage import CutChannels, restore_cut
from tinyscene.errors import ModelError, SettingError
from tinyscene.models import DSMN
from tinyscene.spec import Spec
from tinyscene.train import CosineWarmup, Decision, Fit, Job, Machine, load, loop, read_journal

EVEN = Spec(CosineWarmup, lr_min=0.01)


def stage(**settings: Any) -> CutChannels:
    numbers: dict = {
        "epochs": 4,
        "batch_size": 8,
        "optimizer": Spec(torch.optim.Adam, lr=0.01),
        "schedule": EVEN.build(),
        "target_parameters": 400,
        "select": "last",
        "pcgrad": False,
    }
    return CutChannels(**(numbers | settings))


class Clips:
    """What a Job's crops are to the loop: batches of maps that tell three classes apart."""

    def __init__(self, n: int = 48):
        generator = torch.Generator().manual_seed(0)
        self.target = torch.arange(n) % 3
        self.x = 0.3 * torch.randn(n, 2, 8, 8, generator=generator) + self.target[:, None, None, None] / 2

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, rows: list[int]) -> Batch:
        return Batch(x=self.x[rows], target=torch.eye(3)[self.target[rows]])


class FrontEndOfNothing(nn.Module):
    """Clips are features already."""

    def bands(self, x: Tensor) -> Tensor:
        return x

    def finish(self, x: Tensor) -> Tensor:
        return x


def network(seed: int = 0) -> nn.Module:
    """Of 865 parameters, with grouped convolutions and attention across channels."""
    torch.manual_seed(seed)
    return DSMN(3, widths=(8, 8), segmented=(True, False), stem=8, hidden=12, dropout=0.0)


@pytest.fixture(autouse=True)
def loader_in_order(monkeypatch):
    """The loop's own loader draws crops of a store; here batches come in their order."""
    monkeypatch.setattr(loop, "training_loader", lambda crops, n: DataLoader(crops, n, collate_fn=lambda batch: batch))


def job(resume: bool = False) -> Job:
    clips = Clips()
    return Job(
        front_end=FrontEndOfNothing(),  # type: ignore[arg-type]
        augment=dict.fromkeys(("spectrum", "bands", "features", "hidden"), ()),
        crops=clips,  # type: ignore[arg-type]
        windows=None,  # type: ignore[arg-type]
        validation=np.arange(0),
        decide=Decision(3),
        membership=None,
        example=clips.x[:2],
        seed=0,
        machine=Machine("cpu", "32-true"),
        resume=resume,
    )


class Stop(pl.Callback):
    """A kill in the epoch `epoch`."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 4:
            raise KeyboardInterrupt


def test_the_network_is_cut_learns_on_and_is_restored(tmp_path):
    whole, own = network(), stage(epochs=30)
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    trained = own.run(whole, job(), tmp_path)
    assert sum(p.numel() for p in trained.parameters()) <= 400 < sum(p.numel() for p in whole.parameters())
    assert all(torch.equal(value, before[key]) for key, value in whole.state_dict().items())
    assert not trained.training
    clips = Clips()
    assert (trained(clips.x).argmax(1) == clips.target).float().mean() > 0.9
    journal = read_journal(tmp_path / "journal.jsonl")
    assert journal[-1]["loss"] < 0.5 * journal[0]["loss"]

    again = own.shaped(network(seed=5), clips.x[:2], tmp_path)
    again.load_state_dict(load(tmp_path / "weights.pt"))
    torch.testing.assert_close(again(clips.x), trained(clips.x), rtol=1e-5, atol=1e-4)  # another memory format
    graph = prepared(again, clips.x[:2])  # an int8 stage may follow
    assert graph(clips.x).shape == (48, 3)


def test_what_was_cut_stands_in_the_folder_before_the_training(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stage().run(network(), job(), tmp_path, [Stop(0)])
    kept = json.loads((tmp_path / "cut.json").read_text())
    assert set(kept) == {"before", "after", "cut"}
    assert kept["after"]["parameters"] <= 400 < kept["before"]["parameters"]
    smaller = restore_cut(network(), job().example, tmp_path)
    assert sum(p.numel() for p in smaller.parameters()) == kept["after"]["parameters"]
    assert {path.name for path in tmp_path.iterdir()} == {"cut.json"}


def test_a_run_that_was_killed_ends_with_the_same_cut_and_weights(tmp_path, monkeypatch):
    whole = stage().run(network(), job(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        stage().run(network(), job(), tmp_path / "killed", [Stop(2)])
    monkeypatch.setattr("tinyscene.compress.cut_stage.prune_channels", None)  # it is not chosen again
    again = stage().run(network(), job(resume=True), tmp_path / "killed")
    for (key, one), other in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), key
    assert (tmp_path / "whole" / "cut.json").read_text() == (tmp_path / "killed" / "cut.json").read_text()


def test_a_new_run_cuts_anew(tmp_path):
    stage(epochs=1).run(network(), job(), tmp_path)
    smaller = stage(epochs=1, target_parameters=300, round_to=2).run(network(), job(), tmp_path)
    assert sum(p.numel() for p in smaller.parameters()) <= 300
    restore_cut(network(), job().example, tmp_path).load_state_dict(load(tmp_path / "weights.pt"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"cut.json does not exist; run that stage first\."),
        ("{", r"cut.json cannot be read \(.*\)\. Run that stage again\."),
        ("[]", r"cut.json cannot be read \(.*\)\. Run that stage again\."),
        ('{"cut": {"stem": [1]}}', r"cut.json does not say which channels .* Run that stage again\."),
        ('{"cut": {"stem": {"outputs": [true]}}}', r"cut.json does not say which channels .* Run that stage again\."),
        ('{"cut": {"trunk": {"outputs": [1]}}}', r"DSMN has no layer 'trunk', which the cut names: .*"),
        (
            '{"cut": {"stem": {"outputs": [1]}}}',
            r"DSMN does not run with the channels cut that .* \(.*\)\. Run that .*",
        ),
    ],
)
def test_a_cut_that_is_missing_broken_or_foreign_is_told(tmp_path, content, words):
    if content is not None:
        (tmp_path / "cut.json").write_text(content)
    with pytest.raises(ModelError, match=f"{words}$"):
        restore_cut(network(), job().example, tmp_path)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"target_parameters": None}, "cut takes target_parameters or target_macs; neither came."),
        ({"target_macs": 0}, "cut.target_macs takes 1 or more; 0 came."),
        ({"scope": "net"}, "cut.scope takes 'layer' or 'global'; 'net' came."),
        ({"round_to": 0, "name": "small"}, "small.round_to takes 1 or more; 0 came."),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"^{re.escape(words)}$"):
        stage(**setting)


def test_it_is_a_compressing_stage_that_trains():
    assert CutChannels.compresses
    assert isinstance(stage(), Fit)
    assert (stage().name, stage().precision) == ("cut", "float32")
