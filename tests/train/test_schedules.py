"""CosineWarmup against timm's CosineLRScheduler (warmup_prefix=True, one cycle), restated."""

from __future__ import annotations

import math

import pytest

from tinyscene.errors import SettingError
from tinyscene.train import CosineRestarts, CosineWarmup


def timm_lr(epoch: int, t_initial: int, base: float, warmup_t: int, warmup_lr_init: float, lr_min: float) -> float:
    """timm/scheduler/cosine_lr.py, _get_lr with cycle_limit 1, cycle_mul 1, k_decay 1."""
    if epoch < warmup_t:
        return warmup_lr_init + epoch * ((base - warmup_lr_init) / warmup_t)
    t_curr = epoch - warmup_t
    return lr_min + 0.5 * (base - lr_min) * (1 + math.cos(math.pi * t_curr / t_initial))


@pytest.mark.parametrize("epoch", [0, 1, 4, 5, 6, 50, 55, 98, 99])
def test_rates_of_report_001_are_timms(epoch):
    schedule = CosineWarmup(warmup_epochs=5, warmup_lr=5e-5, lr_min=1e-6)
    expected = timm_lr(epoch, 100, 1e-3, 5, 5e-5, 1e-6)
    assert schedule.lr(epoch, 100, 1e-3) == pytest.approx(expected, rel=1e-12)


def test_closed_values():
    schedule = CosineWarmup(warmup_epochs=5, warmup_lr=5e-5, lr_min=1e-6)
    assert schedule.lr(0, 100, 1e-3) == 5e-5
    assert schedule.lr(4, 100, 1e-3) == pytest.approx(5e-5 + 0.8 * (1e-3 - 5e-5))
    assert schedule.lr(5, 100, 1e-3) == pytest.approx(1e-3)
    assert schedule.lr(55, 100, 1e-3) == pytest.approx((1e-3 + 1e-6) / 2)  # a quarter of a turn after the warm-up


def test_without_warm_up_the_first_epoch_has_the_optimisers_own_rate():
    schedule = CosineWarmup(lr_min=0.1)
    assert schedule.lr(0, 10, 1.0) == 1.0
    assert schedule.lr(5, 10, 1.0) == pytest.approx(0.55)


def test_rates_rise_through_the_warm_up_and_fall_after_it():
    rates = [CosineWarmup(5, 5e-5, 1e-6).lr(epoch, 30, 1e-3) for epoch in range(30)]
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert min(rates) > 0


def test_rates_stay_at_the_lowest_after_the_end():
    assert CosineWarmup(lr_min=0.1).lr(25, 10, 1.0) == pytest.approx(0.1)


def test_a_run_shorter_than_the_warm_up_has_rates_all_the_same():
    assert [CosineWarmup(5, 0.0, 0.0).lr(epoch, 2, 1.0) for epoch in range(2)] == pytest.approx([0.0, 0.2])


def test_negative_warm_up_is_told():
    with pytest.raises(SettingError, match=r"CosineWarmup.warmup_epochs takes 0 or more; -1 came"):
        CosineWarmup(warmup_epochs=-1)


def test_restarts_of_report_000_are_where_it_prints_them_and_torchs():
    import torch

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    reference = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2, eta_min=1e-5)
    schedule = CosineRestarts(first_epochs=10, factor=2, lr_min=1e-5)
    rates = []
    for epoch in range(311):
        rates.append(schedule.lr(epoch, 310, 0.1))
        assert rates[-1] == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        reference.step()
    restarts = [epoch + 1 for epoch, rate in enumerate(rates) if rate == 0.1]  # the report counts epochs from 1
    assert restarts == [1, 11, 31, 71, 151, 311]
    assert min(rates) < 1.1e-4


@pytest.mark.parametrize("numbers", [{"first_epochs": 0}, {"factor": 0}])
def test_restarts_out_of_range_are_told(numbers):
    (name,) = numbers
    with pytest.raises(SettingError, match=rf"CosineRestarts\.{name} takes 1 or more; 0 came"):
        CosineRestarts(**numbers)
