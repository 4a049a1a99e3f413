"""Checkpoints: read as plain values, counted as the rule does, and refused when they are anything else."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest

from tinyscene.submission import weights_check
from tinyscene.submission.inference_2025 import container_weights
from tinyscene.submission.weights_check import counted, same_tensors, stored_tensors, weights_problems

torch = pytest.importorskip("torch")


def saved(content: object, **more: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **more)
    return buffer.getvalue()


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_state_dict_is_counted_as_torch_counts_its_parameters():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 2))
    numbers = sum(p.numel() for p in network.parameters())
    content = saved({"epoch": 3, "net": [network.state_dict(), "words"]})
    assert weights_problems(content) == []
    assert counted(stored_tensors(content)) == {"": (numbers, 4 * numbers)}
    own = container_weights({"general": network.state_dict(), "s1": network[0].state_dict()}, half=True)
    assert counted(stored_tensors(own)) == {"general": (numbers, 2 * numbers), "s1": (80, 160)}
    assert counted(stored_tensors(own), ["0.bias"])["general"] == (numbers - 8, 2 * numbers - 16)
    # Without a general network a device that has none is not served: these are no networks by device.
    assert list(counted(stored_tensors(container_weights({"a": network[0].state_dict()}, half=False)))) == [""]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no PyTorch checkpoint"),
        (b"junk" * 100, "no PyTorch checkpoint"),
        (saved({"x": torch.ones(3)})[:-30], "no PyTorch checkpoint"),
        (saved({}), "no tensor is in it, a dict is"),
        (saved("words"), "no tensor is in it, a str is"),
        (saved({"a": torch.tensor([1.0, float("nan")])}), "a holds NaN or infinity"),
        (saved({"a": torch.ones(1).expand(10**9)}), "a has a shape but not its numbers"),
        (saved({"a": torch.ones(3, device="meta")}), "a has a shape but not its numbers"),
        (saved({"a": torch.eye(3).to_sparse()}), "a is a sparse tensor"),
        (saved(torch.nn.Linear(2, 2)), "or holds Python objects"),
        (pickle.dumps({"a": 1}), "no PyTorch checkpoint"),
    ],
)
def test_what_is_no_weights_file(content, told):
    (problem,) = weights_problems(content)
    assert told in problem
    assert stored_tensors(content) == {}


def test_no_code_of_a_file_is_run(tmp_path):
    for protocol in ({}, {"_use_new_zipfile_serialization": False}):
        assert (
            "Python objects"
            in weights_problems(saved({"a": torch.ones(2), "b": Trap(tmp_path / "ran")}, **protocol))[0]
        )
    assert weights_problems(pickle.dumps(Trap(tmp_path / "ran"))) != []
    assert list(tmp_path.iterdir()) == []


def test_programs_and_zips_that_grow(monkeypatch):
    program = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    buffer = io.BytesIO()
    torch.jit.save(program, buffer)
    assert "TorchScript program, which runs code" in weights_problems(buffer.getvalue())[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(50_000))
    monkeypatch.setattr(weights_check, "MAX_WEIGHTS", 40_000)
    assert "more than 40,000 bytes unpacked" in weights_problems(buffer.getvalue())[0]
    assert "more than 40,000 bytes;" in weights_problems(bytes(40_001))[0]


def test_lists_that_hold_themselves():
    around: list = [torch.ones(2)]
    around.append(around)
    assert list(stored_tensors(saved(around))) == ["0"]


def test_small_types_are_taken():
    content = saved(OrderedDict(a=torch.ones(4, dtype=torch.int8), b=torch.ones(4).to(torch.float8_e4m3fn)))
    assert weights_problems(content) == []
    assert counted(stored_tensors(content)) == {"": (8, 8)}


def test_same_tensors():
    one = {"a": torch.ones(2), "b": torch.zeros(1)}
    assert same_tensors(one, {"b": torch.zeros(1), "a": torch.ones(2)})
    assert not same_tensors(one, {"a": torch.ones(2)})
    assert not same_tensors(one, one | {"b": torch.ones(1)})
    assert not same_tensors(one, one | {"b": torch.zeros(1).half()})


def test_without_torch_the_shape_of_the_file_is_looked_at(monkeypatch):
    good = saved({"a": torch.ones(2)})
    monkeypatch.setattr(weights_check, "find_spec", lambda name: None)
    assert weights_problems(good) == []
    assert stored_tensors(good) == {}
    assert weights_problems(b"junk") == ["no PyTorch checkpoint"]
