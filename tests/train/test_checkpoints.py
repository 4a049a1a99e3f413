"""Checkpoints: what cannot be loaded is refused without running it; what cannot be written leaves the old file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tinyscene.errors import ModelError, OutputError
from tinyscene.train import checkpoints, load, save

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "epoch": 3, "names": ["a", "b"], "best": [0.5, -1.25]}


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    save(STATE, path)
    return path


def test_what_is_saved_is_loaded(whole):
    loaded = load(whole)
    assert torch.equal(loaded.pop("weight"), STATE["weight"])
    assert loaded == {key: value for key, value in STATE.items() if key != "weight"}
    assert [path.name for path in whole.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, zipped):
    path, sprung = tmp_path / "weights.pt", tmp_path / "sprung"
    torch.save({"weight": torch.zeros(2), "more": Trap(sprung)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path} is no usable checkpoint: it is cut, or holds more than tensors and plain values (UnpicklingError). "
        "Delete it and train that stage again."
    )
    assert not sprung.exists()
    torch.load(path, weights_only=False)
    assert sprung.exists(), "the trap must work, or the test shows nothing"


@pytest.mark.parametrize("kept", [0, 1, 0.5, 0.99])
def test_a_cut_file_is_refused(whole, kept):
    data = whole.read_bytes()
    whole.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(ModelError) as caught:
        load(whole)
    text = str(caught.value)
    assert text.startswith(f"{whole} is no usable checkpoint: it is cut")
    assert text.endswith("train that stage again.")
    assert "\n" not in text


def test_a_missing_file_is_told_with_what_to_do(tmp_path):
    path = tmp_path / "weights.pt"
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value) == f"{path} does not exist; train the run to its end first (--resume continues it)."


def test_a_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "weights.pt"
    with pytest.raises(OutputError) as caught:
        save(STATE, path)
    assert str(caught.value).startswith(f"{path} cannot be written: Not a directory. Check that the folder exists")


def test_lightnings_checkpoints_go_the_same_way(tmp_path):
    io, path, sprung = checkpoints.SafeCheckpointIO(), tmp_path / "last.ckpt", tmp_path / "sprung"
    io.save_checkpoint({"epoch": 4}, path)
    assert io.load_checkpoint(path) == {"epoch": 4}
    torch.save(Trap(sprung), path)
    with pytest.raises(ModelError, match="is no usable checkpoint"):
        io.load_checkpoint(path, weights_only=False)
    assert not sprung.exists()
    io.remove_checkpoint(path)
    assert not path.exists()
