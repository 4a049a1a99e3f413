"""SpectrumCorrection: a known curve is recovered, and only device a hears of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy import stats

from tinyscene.augment import SpectrumCorrection, augmented
from tinyscene.batch import Batch
from tinyscene.errors import SettingError
from tinyscene.spec import Spec

N_BANDS = 16
SCENE = np.random.default_rng(0).standard_normal(N_BANDS)
CURVES = {name: np.random.default_rng(i).standard_normal(N_BANDS) for i, name in enumerate(("a", "b", "s1"), start=1)}
MEANS = {name: SCENE + curve for name, curve in CURVES.items()}


def batch(devices: tuple[str, ...], n: int | None = None) -> Batch:
    n = n or len(devices)
    noise = torch.randn(n, 1, N_BANDS, 6, generator=torch.Generator().manual_seed(0))
    x = noise - noise.mean((0, 3), keepdim=True)
    if devices:
        x = x + torch.from_numpy(np.stack([MEANS[d] if d else SCENE for d in devices])).float()[:, None, :, None]
    return Batch(x=x, target=torch.eye(n), device=devices)


def heard(spectra: dict[str, np.ndarray]) -> list[Batch]:
    """Batches of clips whose devices have these mean spectra; the second holds more clips of some than of others."""
    return [clips_of(spectra, tuple(spectra)), clips_of(spectra, tuple(spectra)[:1] * 3)] if spectra else []


def clips_of(spectra: dict[str, np.ndarray], devices: tuple[str, ...]) -> Batch:
    x = torch.from_numpy(np.stack([spectra[device] for device in devices]))[:, None, :, None]
    wobble = torch.tensor([-1.0, 1.0, -2.0, 2.0])  # over the frames; its mean is 0
    return Batch(x=x + wobble, target=torch.eye(len(devices)), device=devices)


def fitted(p: float = 1.0, spectra: dict[str, np.ndarray] = MEANS) -> SpectrumCorrection:
    spec = Spec(SpectrumCorrection, p=p)
    return spec.but(**json.loads(json.dumps(spec.build().fit(iter(heard(spectra)))))).build()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_it_learns_the_mean_of_the_other_devices_less_the_main_one():
    expected = (CURVES["b"] + CURVES["s1"]) / 2 - CURVES["a"]
    assert np.abs(fitted().curve - expected).max() < 1e-5


def test_corrected_mean_of_device_a_is_the_mean_of_the_others():
    made = augmented(batch(("a",) * 8), [fitted()], rng()).x.double().mean((0, 1, 3)).numpy()
    assert np.abs(made - (MEANS["b"] + MEANS["s1"]) / 2).max() < 1e-5


def test_only_the_main_device_is_touched():
    clips = batch(("a", "b", "s1", "", "a"))
    made = augmented(clips, [fitted()], rng()).x
    assert torch.equal(made[1:4], clips.x[1:4])
    assert (made[[0, 4]] != clips.x[[0, 4]]).all()


def test_every_device_weighs_the_same_and_one_without_a_name_not_at_all():
    assert np.array_equal(fitted(spectra=MEANS | {"": np.full(N_BANDS, 1e6)}).curve, fitted().curve)


@pytest.mark.parametrize(
    "spectra",
    [{}, {"": SCENE}, {"a": SCENE}, {"a": SCENE, "": SCENE}, {"b": SCENE, "s1": SCENE}],
    ids=["nothing", "no devices", "a alone", "a and unnamed", "no a"],
)
def test_it_does_nothing_without_a_main_device_and_others(spectra):
    clips = batch(("a", "b"))
    assert augmented(clips, [fitted(spectra=spectra)], rng()).x is clips.x


def test_it_does_nothing_before_it_has_learned_or_to_a_batch_without_devices():
    clips = batch(("a", "b"))
    assert augmented(clips, [SpectrumCorrection(p=1.0)], rng()).x is clips.x
    unnamed = batch((), n=3)
    assert augmented(unnamed, [fitted()], rng()).x is unnamed.x


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_share_of_corrected_clips_is_p(p):
    drawn = fitted(p).draw(batch(("a",) * 10_000), rng(1)).corrected
    if p in (0.0, 1.0):
        assert drawn.mean() == p
    else:
        assert stats.binomtest(int(drawn.sum()), 10_000, p).pvalue > 0.01


def test_same_draw_twice_makes_the_same_batch():
    part, clips = fitted(0.5), batch(("a", "b") * 8)
    params = part.draw(clips, rng())
    assert torch.equal(part.apply(clips, params).x, part.apply(clips, params).x)
    assert 0 < params.corrected.sum() < 8


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_p_out_of_range_is_told(p):
    with pytest.raises(SettingError, match=f"SpectrumCorrection.p takes 0 to 1; {p} came"):
        SpectrumCorrection(p=p)
