"""SpecAugment++: the law of its stripes, what is put into them, and its ways into a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from tinyscene.augment import SpecAugmentPlusPlus, augmented, hidden_augmentation
from tinyscene.augment.spec_augment_plus_plus import SpecAugmentPlusPlusDraw
from tinyscene.batch import Batch
from tinyscene.errors import SettingError

N, BANDS, FRAMES = 5, 64, 44


def batch(n: int = N, shape: tuple[int, ...] = (2, BANDS, FRAMES)) -> Batch:
    x = torch.randn(n, *shape, generator=torch.Generator().manual_seed(0))
    return Batch(x=x, target=torch.eye(n))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("axis", "share", "size", "bound"),
    [("band", 32 / 256, BANDS, 8), ("frame", 8 / 44, FRAMES, 8), ("band", 0.5, 64, 32)],
)
def test_widths_are_even_below_the_bound_and_starts_even_where_they_fit(axis, share, size, bound):
    part = SpecAugmentPlusPlus(p=1.0, **{f"{axis}_share": share, f"{axis}_masks": 1})
    drawn = part.draw(batch(10_000, (1, BANDS, FRAMES)), rng())
    width, start = getattr(drawn, f"{axis}_width")[:, 0], getattr(drawn, f"{axis}_start")[:, 0]
    assert stats.chisquare(np.bincount(width, minlength=bound)).pvalue > 0.001
    assert width.max() == bound - 1
    one = start[width == 3]
    assert stats.chisquare(np.bincount(one, minlength=size - 2)).pvalue > 0.001
    assert (start + width).max() == size


@pytest.mark.parametrize("masks", [0, 1, 3])
def test_as_many_stripes_as_asked_for(masks):
    drawn = SpecAugmentPlusPlus(band_masks=masks, frame_masks=masks + 1).draw(batch(), rng())
    assert drawn.band_width.shape == (N, masks)
    assert drawn.frame_width.shape == (N, masks + 1)


def test_the_share_of_clips_that_is_changed():
    part = SpecAugmentPlusPlus(p=0.3, band_masks=6, frame_masks=6)
    before = batch(3_000, (1, 16, 40))
    changed = (augmented(before, [replace_share(part)], rng()).x != before.x).flatten(1).any(1)
    assert stats.binomtest(int(changed.sum()), 3_000, 0.3).pvalue > 0.001


def replace_share(part: SpecAugmentPlusPlus) -> SpecAugmentPlusPlus:
    """With stripes so many and wide that a chosen clip is changed but for one in a million."""
    part.band_share = part.frame_share = 0.5
    return part


def stripe() -> SpecAugmentPlusPlusDraw:
    """Bands 3 to 6 of clip 1 and frames 10 and 11 of clip 2; their partners are clips 4 and 0."""
    band, frame = np.zeros((2, N, 1), int), np.zeros((2, N, 1), int)
    band[:, 1, 0] = 3, 4
    frame[:, 2, 0] = 10, 2
    return SpecAugmentPlusPlusDraw(*band, *frame, np.array([1, 4, 0, 2, 3]))


@pytest.mark.parametrize("mode", ["mixture", "zero"])
def test_only_the_stripe_changes_and_to_what_the_mode_says(mode):
    before = batch()
    after = SpecAugmentPlusPlus(mode=mode).apply(before, stripe()).x
    wanted = before.x.clone()
    share = 0.5 if mode == "mixture" else 0.0
    wanted[1, :, 3:7] = share * (before.x[1, :, 3:7] + before.x[4, :, 3:7])
    wanted[2, :, :, 10:12] = share * (before.x[2, :, :, 10:12] + before.x[0, :, :, 10:12])
    torch.testing.assert_close(after, wanted)


@pytest.mark.parametrize("n", [2, 5])
def test_the_partner_is_any_other_clip_as_often(n):
    partners = np.stack([SpecAugmentPlusPlus().draw(batch(n), rng(seed)).partner for seed in range(4_000)])
    distance = (partners - np.arange(n)) % n
    counts = np.stack([np.bincount(column, minlength=n) for column in distance.T])
    assert not counts[:, 0].any(), "a clip was mixed with itself"
    assert stats.chisquare(counts[:, 1:].ravel()).pvalue > 0.001
    assert SpecAugmentPlusPlus().draw(batch(1), rng()).partner.tolist() == [0]


def test_zero_mode_makes_no_clip_depend_on_another():
    part, before = SpecAugmentPlusPlus(mode="zero", p=1.0), batch()
    params = part.draw(before, rng())
    other = before.x.clone()
    other[1:] += 7
    assert torch.equal(part.apply(before, params).x[0], part.apply(replace(before, x=other), params).x[0])


def test_targets_are_not_mixed():
    before = batch()
    assert augmented(before, [SpecAugmentPlusPlus(p=1.0)], rng()).target is before.target


# ---- inside a network ----


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 1)])
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = [x]
        for layer in self.layers:
            x = layer(x)
            self.seen.append(x)
        return x.mean((2, 3))


def test_input_and_named_layers_are_changed_each_with_a_draw_of_its_own():
    network, clips = Network(), batch()
    part = SpecAugmentPlusPlus(at=("input", "layers.0"), p=1.0)
    plain = network(clips.x)
    before = network.seen
    with hidden_augmentation(network, [part], clips, rng()):
        network(clips.x)
    at_input = (network.seen[0] != before[0]).any(1)
    recomputed = network.layers[0](network.seen[0])
    at_layer = ((network.seen[1] - recomputed).abs() > 1e-6).any(1)
    assert at_input.any()
    assert at_layer.any()
    assert not torch.equal(at_input, at_layer)
    assert torch.equal(network(clips.x), plain), "the hooks were left in the network"


class Turned(nn.Module):
    """(batch, channel, band, frame) in; frames before bands inside."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inside(x.transpose(-1, -2)).transpose(-1, -2)


@pytest.mark.parametrize("name", ["input", "inside"])
def test_frame_axis_says_where_a_layers_frames_are_and_the_inputs_are_last(name):
    clips = batch(200, (1, BANDS, FRAMES))
    numbers = {"band_masks": 0, "frame_masks": 1, "mode": "zero", "p": 1.0}
    part = SpecAugmentPlusPlus(at=(name,), frame_axis=-2, **numbers)
    network = Turned()
    with hidden_augmentation(network, [part], clips, rng()):
        after = network(clips.x)
    expected = augmented(clips, [SpecAugmentPlusPlus(**numbers)], rng()).x
    assert torch.equal(after, expected)
    assert not torch.equal(after, clips.x)


def test_the_same_generator_makes_the_same_pass_and_gradients_flow():
    network, clips = Network(), batch()
    part = SpecAugmentPlusPlus(at=("layers.0", "layers.1"), p=1.0)

    def answer(seed: int) -> torch.Tensor:
        with hidden_augmentation(network, [part], clips, rng(seed)):
            return network(clips.x)

    one, same, other = answer(1), answer(1), answer(2)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    one.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_hooks_are_gone_after_an_error():
    network, clips = Network(), batch()
    with pytest.raises(ZeroDivisionError), hidden_augmentation(network, [SpecAugmentPlusPlus(p=1.0)], clips, rng()):
        raise ZeroDivisionError
    assert torch.equal(network(clips.x), network(clips.x))
    assert not network._forward_pre_hooks


def test_an_unknown_layer_is_told_and_leaves_no_hook():
    network = Network()
    part = SpecAugmentPlusPlus(at=("input", "layer.0"))
    with (
        pytest.raises(SettingError, match=r"no layer 'layer\.0'; it takes input, layers\. Did you mean 'layers'"),
        hidden_augmentation(network, [part], batch(), rng()),
    ):
        pass
    assert not network._forward_pre_hooks


def test_a_layer_that_gives_no_map_is_told():
    network = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
    part, clips = SpecAugmentPlusPlus(at=("1",)), batch(2, (1, 2, 4))
    with (
        pytest.raises(SettingError, match=r"SpecAugmentPlusPlus\.at takes layers that give maps .*'1' gives \(2, 3\)"),
        hidden_augmentation(network, [part], clips, rng()),
    ):
        network(clips.x)
    assert not network[1]._forward_hooks


def test_nothing_to_do_puts_no_hook_and_a_traced_network_is_left_alone():
    network, clips = nn.Sequential(nn.Conv2d(2, 3, 1)), batch()
    with hidden_augmentation(network, [], clips, rng()):
        assert not network._forward_pre_hooks
    traced = torch.fx.symbolic_trace(network)
    with hidden_augmentation(traced, [SpecAugmentPlusPlus(at=("input", "0"), p=1.0)], clips, rng()):
        assert torch.equal(traced(clips.x), network(clips.x))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"band_share": 2}, r"\.band_share takes 0 to 1"),
        ({"frame_masks": -1}, r"\.frame_masks takes 0 or more"),
        ({"mode": "mean"}, r"\.mode takes 'mixture' or 'zero'"),
        ({"frame_axis": 1}, r"\.frame_axis takes -1 or -2"),
        ({"at": "input"}, r"\.at takes names"),
        ({"p": 1.2}, r"\.p takes 0 to 1"),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"SpecAugmentPlusPlus{words}"):
        SpecAugmentPlusPlus(**setting)
