"""Where training runs: decided once, refused in one line."""

from __future__ import annotations

import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.train import Machine


def test_auto_is_the_cpu_in_full_precision_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Machine().decided() == Machine("cpu", "32-true")


def test_auto_is_mixed_precision_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Machine().decided() == Machine("cuda", "bf16-mixed")


@pytest.mark.parametrize(
    ("accelerator", "precision", "told"),
    [
        ("gpu", "auto", "--accelerator takes auto, cpu, cuda, mps; 'gpu' came."),
        ("cpu", "16-mixed", "--precision takes auto, 32-true, bf16-mixed; '16-mixed' came."),
        ("cuda", "auto", "--accelerator cuda: torch finds none on this machine; take cpu or auto."),
    ],
)
def test_what_is_not_there_is_refused(accelerator: str, precision: str, told: str, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError) as refused:
        Machine(accelerator, precision).decided()
    assert str(refused.value) == told


def test_compiling_without_a_compiler_is_refused_and_says_that_it_is_not_needed(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(
        SettingError, match=r"--compile needs a C\+\+ compiler and none of g\+\+, clang\+\+, c\+\+ is there"
    ):
        Machine("cpu", compiled=True).decided()
    assert Machine("cpu").decided().accelerator == "cpu"
