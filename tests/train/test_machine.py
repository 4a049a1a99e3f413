"""Where training runs: decided once, refused in one line."""

from __future__ import annotations

import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.train import chosen_machine


def test_auto_is_the_cpu_in_full_precision_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_machine("auto", "auto") == ("cpu", "32-true")


def test_auto_is_mixed_precision_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen_machine("auto", "auto") == ("cuda", "bf16-mixed")


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
        chosen_machine(accelerator, precision)
    assert str(refused.value) == told
