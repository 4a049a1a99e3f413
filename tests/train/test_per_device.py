"""A network for each device: it hears that device alone, others keep the general one, and a kill costs little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Adam

from tinyscene.data import Crops
from tinyscene.data.dataset import make_dataset
from tinyscene.errors import DataError, ModelError, SettingError
from tinyscene.frontends import FrontEnd
from tinyscene.spec import Spec
from tinyscene.train import WEIGHTS, CosineWarmup, Decision, Job, load, predict, save
from tinyscene.train.machine import Machine
from tinyscene.train.per_device import PerDevice, networks_of, predict_per_device, safe_name

DEVICES = ("a", "b", "../up/B", "rare", "")
N_CLIPS = 24  # of each device; "rare" has 4
FINISH = nn.Identity()


class Store:
    """Maps (1, channel 1, band 2, frame 4): the sign of band 0 is the class; on device b its opposite is."""

    cut, n_frames, silence_level, sample_rate_hz = "whole", 4, -1e9, 8_000

    def __init__(self, device: np.ndarray, target: np.ndarray):
        rng = np.random.default_rng(0)
        self.maps = rng.standard_normal((len(device), 1, 1, 2, 4)).astype(np.float32) * 0.3
        sign = (2 * target - 1) * np.where(device == "b", -1, 1)
        self.maps[:, 0, 0, 0] += sign[:, None]
        self.read: set[int] = set()

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, i: int) -> np.ndarray:
        self.read.add(i)
        return self.maps[i]


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, (2, 1)), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


def made_job(**changes: Any) -> Job:
    device = np.concatenate([[name] * (4 if name == "rare" else N_CLIPS) for name in DEVICES])
    target = np.arange(len(device)) % 2
    dataset = make_dataset(
        "toy", Path(), [f"{i}.wav" for i in range(len(device))], ["no" if t == 0 else "yes" for t in target],
        device=list(device),
    )  # fmt: skip
    store = Store(device, target)
    held_out = np.arange(0, len(device), 5)
    rows = np.setdiff1d(np.arange(len(device)), held_out)
    numbers = {
        "front_end": FrontEnd(spectral=nn.Identity()),
        "augment": {place: [] for place in ("wave", "spectrum", "bands", "features", "hidden")},
        "crops": Crops(store, dataset, rows, 3),  # type: ignore[arg-type]
        "windows": store,
        "validation": held_out,
        "decide": Decision(2),
        "membership": None,
        "example": torch.zeros(2, 1, 2, 4),
        "seed": 3,
        "machine": Machine("cpu"),
    }
    return Job(**numbers | changes)


def made_stage(**changes: Any) -> PerDevice:
    numbers = {
        "epochs": 6,
        "batch_size": 4,
        "optimizer": Spec(Adam, lr=0.03),
        "schedule": CosineWarmup(),
        "pcgrad": False,
        "min_clips": 10,
    }
    return PerDevice(**numbers | changes)


def accuracy(probabilities: np.ndarray, job: Job, rows: np.ndarray) -> float:
    return float((probabilities.argmax(1) == job.crops.dataset.target[rows]).mean())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Job, Path, nn.Module]:
    folder = tmp_path_factory.mktemp("run") / "per_device"
    job = made_job()
    return job, folder, made_stage().run(network(), job, folder)


def test_devices_that_contradict_each_other_are_both_learned(trained):
    job, folder, _ = trained
    networks = networks_of(network(), folder / WEIGHTS)
    device = job.crops.dataset.device.astype(str)
    for own in ("a", "b"):
        rows = np.flatnonzero(device == own)
        assert accuracy(predict(networks[own], FINISH, job.decide, job.windows, rows), job, rows) > 0.95
        other = networks["b" if own == "a" else "a"]
        assert accuracy(predict(other, FINISH, job.decide, job.windows, rows), job, rows) < 0.2
    rows = np.flatnonzero(np.isin(device, ("a", "b")))
    made = predict_per_device(networks, device[rows], FINISH, job.decide, job.windows, rows)
    assert accuracy(made, job, rows) > 0.95


def test_all_networks_lie_in_one_file_and_the_general_one_is_as_it_came(trained):
    _, folder, general = trained
    state = load(folder / WEIGHTS)  # weights_only
    assert {name.rpartition("/")[0] for name in state} == {"", "a", "b", "../up/B"}
    assert {name.rpartition("/")[2] for name in state} == set(network().state_dict())
    networks = networks_of(network(), folder / WEIGHTS)
    assert equal(networks[""].state_dict(), network().state_dict())
    assert equal(general.state_dict(), network().state_dict())
    assert not any(own.training for own in (general, *networks.values()))


def test_unknown_devices_are_heard_by_the_general_network(trained):
    job, folder, general = trained
    rows = np.arange(0, len(job.crops.dataset), 3)
    device = job.crops.dataset.device.astype(str)[rows]
    made = predict_per_device(networks_of(network(), folder / WEIGHTS), device, FINISH, job.decide, job.windows, rows)
    unknown = np.isin(device, ("rare", ""))
    assert 0 < unknown.sum() < len(rows)
    expected = predict(general, FINISH, job.decide, job.windows, rows)
    assert np.array_equal(made[unknown], expected[unknown])
    assert not np.isclose(made[~unknown], expected[~unknown]).all(1).any()


def test_a_copy_hears_its_own_device_alone(tmp_path: Path):
    job = made_job()
    device = job.crops.dataset.device
    device[device == "../up/B"] = ""
    known = np.isin(device, ("a", "b"))
    job.windows.maps[~known] = np.nan  # type: ignore[attr-defined]
    read = job.windows.read  # type: ignore[attr-defined]
    read.clear()  # what the crops of all devices have read to learn their lengths
    made_stage(epochs=2).run(network(), job, tmp_path)
    assert read == set(np.flatnonzero(known).tolist())
    assert all(value.isfinite().all() for value in load(tmp_path / WEIGHTS).values())


def test_folders_are_safe(trained):
    _, folder, _ = trained
    folders = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert folders == sorted(["a", "b", safe_name("../up/B")])
    assert not (folder.parent / "up").exists()
    names = ("A", "a", "..", "../up/B", "", "C:\\x", "a/b", "a_b", "weights.pt", "ä" * 300, "x" * 300, "\udcff")
    safe = [safe_name(name) for name in names]
    assert len({name.lower() for name in safe}) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") and 0 < len(name) <= 40 for name in safe)
    assert safe_name("s1") == "s1"


def test_a_resumed_stage_ends_with_the_same_weights(tmp_path: Path, trained, monkeypatch):
    from tinyscene.train.keeper import Keeper

    kept = Keeper.on_train_epoch_end

    def killed(self, trainer, module):
        kept(self, trainer, module)
        if self.folder.name == "b" and trainer.current_epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_epoch_end", killed)
        with pytest.raises(KeyboardInterrupt):
            made_stage().run(network(), made_job(), tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
    done = safe_name("../up/B")  # comes before a and b
    times = [(tmp_path / name / WEIGHTS).stat().st_mtime_ns for name in (done, "a")]
    made_stage().run(network(), made_job(resume=True), tmp_path)
    assert [(tmp_path / name / WEIGHTS).stat().st_mtime_ns for name in (done, "a")] == times
    assert equal(load(tmp_path / WEIGHTS), load(trained[1] / WEIGHTS))


def test_a_stage_begun_anew_leaves_nothing_of_the_one_before(tmp_path: Path, monkeypatch):
    stale = [tmp_path / WEIGHTS, tmp_path / "b" / WEIGHTS]
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        save({"/old": torch.zeros(1)}, path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinyscene.train.loop.train", killed)
    with pytest.raises(KeyboardInterrupt):
        made_stage().run(network(), made_job(), tmp_path)
    assert not any(path.exists() for path in stale), "a resumed run would take it for its own"


def test_too_few_clips_and_no_device_are_told(tmp_path: Path):
    with pytest.raises(SettingError, match=r"per_device.min_clips is 30, and the device with most .* has \d\d; lower"):
        made_stage(min_clips=30).run(network(), made_job(), tmp_path)
    with pytest.raises(SettingError, match=r"per_device.min_clips takes 2 or more; 1 came"):
        made_stage(min_clips=1)
    job = made_job()
    job.crops.dataset.device[:] = ""
    with pytest.raises(DataError, match=r"per_device trains a network for each device and .* name none"):
        made_stage().run(network(), job, tmp_path)


def test_other_weights_are_refused(tmp_path: Path, trained):
    save(network().state_dict(), tmp_path / WEIGHTS)
    with pytest.raises(ModelError, match=r"weights.pt holds one network, not one for each device"):
        networks_of(network(), tmp_path / WEIGHTS)
    with pytest.raises(ModelError, match=r"weights.pt does not fit the system"):
        networks_of(nn.Linear(2, 2), trained[1] / WEIGHTS)


def test_what_crops_carry_goes_with_them(tmp_path: Path, monkeypatch):
    seen: list[Job] = []

    def train(stage, net, job, folder, callbacks):
        seen.append(job)
        folder.mkdir(parents=True)
        save(net.state_dict(), folder / WEIGHTS)

    monkeypatch.setattr("tinyscene.train.loop.train", train)
    job = made_job()
    crops = job.crops.taught(np.zeros((len(job.crops.dataset), 2), np.float32)).viewed(2, "class")
    made_stage().run(network(), made_job(crops=crops), tmp_path)
    assert len(seen) == 3
    for own in seen:
        device = set(own.crops.dataset.device[own.crops.rows])
        assert len(device) == 1
        assert set(own.crops.dataset.device[own.validation]) == device
        assert own.crops.teacher is crops.teacher
        assert (own.crops.n_views, own.crops.views_of, own.crops.seed) == (2, "class", 3)
    assert sum(len(own.crops.rows) for own in seen) == int(
        np.isin(crops.dataset.device[crops.rows], ("a", "b", "../up/B")).sum()
    )
