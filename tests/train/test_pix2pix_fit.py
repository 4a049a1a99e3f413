"""pix2pix: a known device is learned, a resumed training is the same training, pairs are aligned, files are safe."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyscene.augment import Pix2pix, augmented
from tinyscene.batch import Batch
from tinyscene.errors import DataError, ModelError, SettingError
from tinyscene.nn.device_translator import read_translator
from tinyscene.train.pix2pix_fit import Pix2PixSettings, aligned_pairs, fit_pix2pix

CURVE = 2.0 * np.sin(np.linspace(0, 5, 32))[:, None]  # the device: a gain for each band, on a log scale
SMALL = Pix2PixSettings(epochs=6, width=8, depth=3, batch_size=4, lr=2e-3)


class Recorded:
    """Pairs of smooth maps (2, 32, 24); the second is the first through the device."""

    def __init__(self, n: int, seed: int):
        rng = np.random.default_rng(seed)
        maps = rng.normal(0, 1, (n, 2, 32, 24)).cumsum(2).cumsum(3) / 20 - 4
        self.source = maps.astype(np.float32)
        self.target = (maps + np.stack([CURVE, 0 * CURVE]) + rng.normal(0, 0.05, maps.shape)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return self.source[i], self.target[i]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, list[dict[str, float]]]:
    out = tmp_path_factory.mktemp("pix2pix") / "device.pt"
    rows = fit_pix2pix(Recorded(64, 0), Recorded(8, 1), out, SMALL, accelerator="cpu", facts={"main": "a"})
    return out, rows


def test_a_known_device_is_learned(trained):
    out, rows = trained
    assert rows[-1]["held_out"] < 0.5 * rows[-1]["held_out_source"]
    translator = read_translator(out, "test")
    held_out = Recorded(8, 2)
    with torch.no_grad():
        made = translator(torch.from_numpy(held_out.source)).numpy()
    shift = (made - held_out.source)[:, 0].mean((0, 2))
    assert np.corrcoef(shift, CURVE[:, 0])[0, 1] > 0.95
    assert translator.facts["main"] == "a"
    assert translator.facts["pairs"] == 64


def test_the_journal_tells_each_epoch(trained):
    out, rows = trained
    journal = [json.loads(line) for line in out.with_name("device.pt.journal.jsonl").read_text().splitlines()]
    assert journal == rows
    assert [row["epoch"] for row in rows] == list(range(6))
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert not out.with_name("device.pt.ckpt").exists()


def same(one: Path, other: Path) -> bool:
    a, b = (read_translator(path, "test").generator.state_dict() for path in (one, other))
    return all(torch.equal(a[key], b[key]) for key in a)


def test_a_training_that_was_cut_off_resumes_to_the_same_weights(tmp_path):
    settings = Pix2PixSettings(epochs=3, width=4, depth=4, batch_size=4)  # deep enough to have dropout
    pairs, held_out = Recorded(8, 0), Recorded(2, 1)
    fit_pix2pix(pairs, held_out, tmp_path / "whole.pt", settings, accelerator="cpu")

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 5:  # in the third epoch
            raise Stop

    with pytest.raises(Stop):
        fit_pix2pix(pairs, held_out, tmp_path / "cut.pt", settings, accelerator="cpu", progress=stop)
    assert not (tmp_path / "cut.pt").exists()
    fit_pix2pix(pairs, held_out, tmp_path / "cut.pt", settings, accelerator="cpu", resume=True)
    assert same(tmp_path / "whole.pt", tmp_path / "cut.pt")
    fit_pix2pix(pairs, held_out, tmp_path / "other.pt", settings, seed=2, accelerator="cpu")
    assert not same(tmp_path / "whole.pt", tmp_path / "other.pt")


def test_pairs_are_of_one_moment():
    devices = ["a", "s1", "b", "a", "s2", "s3", "s1"]
    segments = ["1", "1", "1", "2", "2", "3", ""]
    assert aligned_pairs(devices, segments) == [(0, 1), (3, 4)]
    assert aligned_pairs(devices, segments, others=("b",)) == [(0, 2)]
    with pytest.raises(DataError, match="one moment on the device a and on one of s9"):
        aligned_pairs(devices, segments, others=("s9",))


@pytest.mark.parametrize(("setting", "words"), [({"epochs": 0}, "epochs"), ({"width": 0}, "width"), ({"lr": -1}, "lr")])
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=rf"pix2pix\.{words} takes"):
        Pix2PixSettings(**setting)


# ---- as an augmentation ----


def batch(devices: tuple[str, ...] = ("a", "s1", "a", "b")) -> Batch:
    x = torch.from_numpy(Recorded(len(devices) or 4, 3).source)
    return Batch(x=x, target=torch.eye(len(x)), device=devices)


def test_clips_of_the_main_device_become_what_the_generator_makes(trained):
    before = batch()
    after = augmented(before, [Pix2pix(str(trained[0]), p=1.0)], np.random.default_rng(0)).x
    with torch.no_grad():
        wanted = read_translator(trained[0], "test")(before.x[[0, 2]])
    torch.testing.assert_close(after[[0, 2]], wanted)
    assert torch.equal(after[[1, 3]], before.x[[1, 3]])


def test_without_devices_every_clip_may_be_generated(trained):
    drawn = Pix2pix(str(trained[0]), p=1.0).draw(batch(()), np.random.default_rng(0))
    assert drawn.chosen.all()


def test_it_can_be_sent_to_another_process(trained):
    part, clips = Pix2pix(str(trained[0]), p=1.0), batch()
    augmented(clips, [part], np.random.default_rng(0))
    sent = pickle.dumps(part)
    assert len(sent) < 1_000
    after = [augmented(clips, [one], np.random.default_rng(0)).x for one in (part, pickle.loads(sent))]
    assert torch.equal(*after)


def test_other_features_than_it_was_trained_on_are_told(trained):
    clips = Batch(x=torch.zeros(2, 3, 32, 24), target=torch.eye(2))
    with pytest.raises(SettingError, match=r"trained on features of 2 channel\(s\); 3 came"):
        augmented(clips, [Pix2pix(str(trained[0]), p=1.0)], np.random.default_rng(0))


def test_a_file_that_is_no_generator_is_told(tmp_path, trained):
    with pytest.raises(ModelError, match=r"Pix2pix\.weights takes a file.*does not exist"):
        Pix2pix(str(tmp_path / "nothing.pt"))
    whole = trained[0].read_bytes()
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    for name, content, words in (
        ("cut.pt", whole[: len(whole) // 2], "is cut or is none"),
        ("text.pt", b"hello", "is cut or is none"),
        ("foreign.pt", (tmp_path / "foreign.pt").read_bytes(), "holds something else"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=words):
            _ = Pix2pix(str(tmp_path / name)).translator
