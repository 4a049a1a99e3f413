"""Channel pruning: every network of the house, held to the uncut one with its channels silenced by hand."""

from __future__ import annotations

import copy
import json
import re
import sys
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from tinyscene.compress import fold
from tinyscene.compress.channel_groups import channel_groups
from tinyscene.compress.prune_channels import CutNetwork, cut_channels, prune_channels
from tinyscene.errors import MissingExtraError, ModelError, SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models import AMFM, CNN6CA, DSMN, CPMobile, Dcase2022Baseline, MiniSegNet, PhamCNN, ResNetSE
from tinyscene.nn import CBAM, DSSC, ECA, MFMConv, MFMLinear

NETWORKS = {
    "dsmn": (lambda: DSMN(widths=(8, 12, 16), segmented=(True, False, True), n_groups=3, hidden=20), (2, 16, 12)),
    "amfm": (lambda: AMFM(filters=(8, 12, 12, 8, 8), hidden=20, n_groups=3, reduction=4), (1, 20, 18)),
    "resnet": (lambda: ResNetSE(widths=(8, 8, 12, 12), blocks=1, reduction=2), (3, 20, 12)),
    "cnn6": (lambda: CNN6CA(n_mels=32, widths=(16, 16, 24), hidden=16, reduction=2), (1, 32, 24)),
    "cp-mobile": (lambda: CPMobile(base_channels=16, n_blocks=(2, 1), strides=((1, 1), (1, 2), (2, 1))), (1, 32, 24)),
    "baseline": (lambda: Dcase2022Baseline(widths=(6, 8, 10), hidden=12), (1, 40, 51)),
    "pham": (lambda: PhamCNN(widths=(8, 12, 16, 20), literal=True), (1, 32, 60)),
    "segnet": (lambda: MiniSegNet(widths=(8, 12, 12, 8, 8), hidden=32), (3, 32, 24)),
    "segnet instance": (lambda: MiniSegNet(widths=(6, 8, 8, 8, 6), hidden=16, norm="instance"), (3, 16, 12)),
}


def lively(network: nn.Module, seed: int = 1) -> nn.Module:
    """Norms as training leaves them, so that no channel is like another and none is about 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.05, 0.3, generator=generator)
            if "Norm" in type(module).__name__:
                module.weight.uniform_(0.5, 1.5, generator=generator)  # type: ignore[operator]
                module.bias.normal_(0, 0.3, generator=generator)  # type: ignore[operator]
    return network.eval()


def made(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    return lively(make()), torch.randn(2, *shape)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def silenced_by_hooks(network: nn.Module, cut: dict) -> nn.Module:
    """The witness: the maps of the cut layers times 0 on their way; weights and inputs of layers stay as they are."""
    network = copy.deepcopy(network).double()

    def silence(gone: list[int]):
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            half = output.shape[1 if output.dim() > 2 else -1]
            here = [i for i in gone if i < half] if isinstance(module, (MFMConv, MFMLinear)) else gone
            return output.index_fill(1 if output.dim() > 2 else -1, torch.tensor(here, dtype=torch.long), 0)

        return hook

    def across(gone: list[int]):
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            x = inputs[0]
            stays = [i for i in range(x.shape[1]) if i not in gone]
            if isinstance(module, ECA):
                weights = module.conv(x[:, stays].mean((2, 3)).unsqueeze(1)).sigmoid()[:, 0, :, None, None]
                return torch.zeros_like(x).index_copy(1, torch.tensor(stays), x[:, stays] * weights)
            assert isinstance(module, CBAM)
            x = x * (module.channel(x.mean((2, 3))) + module.channel(x.amax((2, 3)))).sigmoid()[:, :, None, None]
            maps = [x[:, stays].amax(1, keepdim=True), x[:, stays].mean(1, keepdim=True)]
            return x * module.place(torch.cat(maps, 1)).sigmoid()

        return hook

    for name, gone in cut.items():
        module = network.get_submodule(name)
        if "outputs" in gone:
            module.register_forward_hook((across if isinstance(module, (ECA, CBAM)) else silence)(gone["outputs"]))
    return network


# ---- every network ----


@cache
def halved(name: str, scope: str = "global") -> tuple[nn.Module, Tensor, CutNetwork]:
    network, x = made(name)
    before = copy.deepcopy(network.state_dict())
    cut = prune_channels(network, x, parameters(network) // 2, scope=scope)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    return network, x, cut


@pytest.mark.parametrize(("name", "scope"), [*((name, "global") for name in NETWORKS), ("dsmn", "layer")])
def test_a_cut_network_is_the_uncut_one_with_channels_silenced(name, scope):
    network, x, cut = halved(name, scope)
    whole, left = parameters(network), parameters(cut.network)
    assert 0.45 * whole < left <= whole // 2
    assert (cut.before["parameters"], cut.after["parameters"]) == (whole, left)
    with torch.no_grad():
        answer = copy.deepcopy(cut.network).double()(x.double())
        witness = silenced_by_hooks(network, cut.cut)(x.double())
        uncut = network(x)
    assert (answer - witness).abs().max() < 1e-12
    assert cut.difference < 1e-12
    assert (uncut - witness).abs().max() > 1e-3  # what went was heard


@pytest.mark.parametrize("name", ["dsmn", "amfm", "resnet", "cnn6", "segnet"])
def test_a_fresh_network_takes_the_cut_and_then_the_weights(name, monkeypatch):
    """Through JSON, and without torch-pruning: a cut network is restored where it is not installed."""
    _, x, cut = halved(name)
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    torch.manual_seed(7)
    fresh = cut_channels(NETWORKS[name][0](), x, json.loads(json.dumps(cut.cut)))
    fresh.network.load_state_dict(cut.network.state_dict())
    assert torch.equal(fresh.network(x), cut.network(x))
    assert (fresh.after, fresh.channels, fresh.cut) == (cut.after, cut.channels, cut.cut)
    assert not fresh.network.training


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_network_learns_and_folds(name):
    _, x, made = halved(name)
    cut = copy.deepcopy(made.network)
    with torch.no_grad():
        torch.testing.assert_close(fold(cut)(x), cut(x), rtol=1e-4, atol=1e-5)
    cut.train()(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in cut.parameters())
    for module in cut.modules():  # what layers say of themselves is so
        if isinstance(module, nn.Conv2d):
            assert (module.out_channels, module.in_channels // module.groups) == module.weight.shape[:2]
        elif isinstance(module, nn.Linear):
            assert (module.out_features, module.in_features) == module.weight.shape
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.num_features,) == module.weight.shape == module.running_mean.shape  # type: ignore[union-attr]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_can_lose_outputs_but_the_last(name):
    """And but those of one output: attention to places, squeezed to one channel, weights of frames."""
    network, x = made(name)
    cuttable = {layer for group in channel_groups(network, x) for layer, side in group[0] if side == "outputs"}
    layers = {n: m for n, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and len(m.weight) > 1}
    last = {"amfm": ["scenes.head.3", "groups.head.3"]}.get(name, list(layers)[-1:])
    assert [layer for layer in layers if layer not in cuttable] == last


# ---- by hand ----


class Two(nn.Module):
    """1 -> 6 -> 4 -> 3, with channels of chosen strength."""

    def __init__(self, first: tuple[float, ...], second: tuple[float, ...]):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 1, bias=False), nn.Conv2d(6, 4, 1, bias=False)
        self.head = nn.Linear(4, 3, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor(first)[:, None, None, None])
            self.second.weight.copy_(torch.tensor(second)[:, None, None, None].expand(4, 6, 1, 1))
            self.head.weight.fill_(0.0).add_(torch.eye(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).mean((2, 3)))


X = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def test_the_weakest_channels_go_and_no_more_than_needed():
    """6 + 24 + 12 numbers. A channel of the first layer takes 1 + 4 with it, one of the second 6 + 3."""
    network = Two((6.0, 0.1, 4.0, 5.0, 0.2, 3.0), (1.0, 1.0, 1.0, 1.0))
    cut = prune_channels(network, X, 37)
    assert cut.cut == {"first": {"outputs": [1]}, "second": {"inputs": [1]}}
    assert cut.channels == {"first": (6, 5)}
    cut = prune_channels(network, X, 32)
    assert cut.cut == {"first": {"outputs": [1, 4]}, "second": {"inputs": [1, 4]}}
    assert torch.equal(cut.network.first.weight.flatten(), torch.tensor([6.0, 4.0, 5.0, 3.0]))  # type: ignore[union-attr, operator]
    assert (cut.before, cut.after) == ({"parameters": 42, "macs": 492}, {"parameters": 32, "macs": 332})
    assert prune_channels(network, X, 42).cut == {}


def test_macs_are_a_target_too():
    """Of 16 cells: 96 + 384 and 12; without a channel of the first layer 16 + 64 fewer."""
    network = Two((6.0, 0.1, 4.0, 5.0, 0.2, 3.0), (1.0, 1.0, 1.0, 1.0))
    assert prune_channels(network, X, target_macs=491).after["macs"] == 412
    assert prune_channels(network, X, target_macs=412).after["macs"] == 412
    both = prune_channels(network, X, 41, 332)
    assert both.after == {"parameters": 32, "macs": 332}


def test_layer_takes_of_all_and_global_where_it_is_weakest():
    network = Two((1.0, 1.0, 1.0, 0.01, 0.02, 0.03), (1.0, 1.1, 1.2, 1.3))
    network.second.weight.data[:, 3:] *= 0.01
    everywhere = prune_channels(network, X, 20, scope="layer").channels
    assert everywhere == {"first": (6, 3), "second": (4, 2)}
    assert prune_channels(network, X, 27, scope="global").channels == {"first": (6, 3)}


def test_layers_keep_multiples_and_a_share():
    network, x = made("segnet")
    cut = prune_channels(network, x, parameters(network) // 2, round_to=4)
    assert cut.channels
    assert all(after % 4 == 0 for _, after in cut.channels.values())
    for before, after in prune_channels(network, x, parameters(network) * 6 // 10, most=0.3).channels.values():
        assert after >= 0.7 * before


def test_partners_of_a_max_feature_map_go_together():
    _, _, cut = halved("amfm")
    gone = cut.cut["shared.1.0.maps.1"]["outputs"]
    half = len(gone) // 2
    assert half
    assert gone[half:] == [i + 12 for i in gone[:half]]


def test_inputs_of_a_group_go_with_its_output():
    network = nn.Sequential(nn.Conv2d(1, 12, 1), DSSC(12, 4), nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    cut = prune_channels(lively(network), X, parameters(network) - 1)
    (gone,) = cut.cut["1.pointwise"]["outputs"]
    assert cut.cut["0"]["outputs"] == [3 * gone, 3 * gone + 1, 3 * gone + 2]
    assert cut.network[1].pointwise.groups == 3  # type: ignore[index, union-attr]


# ---- what cannot go ----


class Awkward(nn.Module):
    """A block whose channels cannot go, and a plain layer behind it that can lose some."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block, self.plain, self.head = block, nn.Conv2d(4, 8, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.plain(self.block(x)).relu().mean((2, 3)))


class OverChannels(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).softmax(1)


class PastIt(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(4, 4, 1), nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale


TIED = nn.Conv2d(4, 4, 1)


@pytest.mark.parametrize(
    "block",
    [
        OverChannels(),
        PastIt(),
        Scaled(),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4)),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, groups=2)),
        nn.Sequential(TIED, nn.ReLU(), copy.deepcopy(TIED)),
    ],
    ids=["softmax", "residual of the input", "free weight", "group norm", "groups of two outputs", "shared weight"],
)
def test_what_cannot_go_stays_and_the_rest_is_cut(block):
    network = Awkward(copy.deepcopy(block)).eval()
    if isinstance(block, nn.Sequential) and isinstance(block[-1], nn.Conv2d) and block[-1].groups == 1:
        network.block[2].weight = network.block[0].weight  # type: ignore[index, union-attr]
    x = torch.randn(2, 4, 6, 6)
    cut = prune_channels(network, x, parameters(network) - 20)
    assert cut.channels == {"plain": (8, cut.channels["plain"][1])}
    with pytest.raises(ModelError, match=r"^Awkward cannot be cut to 1 parameters: .* that keep their outputs: block"):
        prune_channels(network, x, 1)


def test_a_target_out_of_reach_says_what_can_be_reached():
    network = Two((6.0, 0.1, 4.0, 5.0, 0.2, 3.0), (1.0, 1.0, 1.0, 1.0))
    words = (
        "Two cannot be cut to 10 parameters: with 50% of all channels gone that can go there are still 15 parameters."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(words)}$"):
        prune_channels(network, X, 10, most=0.5)


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        ({"third": {"outputs": [0]}}, "Two has no layer 'third', which the cut names: it is another network's."),
        (
            {"first": {"outputs": [6]}},
            "first.weight has 6 outputs, and the cut names 1, up to number 6: it is another network's.",
        ),
        ({"first": {"outputs": [0]}}, "Two does not run with these channels cut: "),
        ({"head": {"outputs": [0]}}, "Two would lose outputs with these channels cut."),
    ],
)
def test_a_foreign_cut_is_refused(cut, words):
    with pytest.raises(ModelError, match=f"^{re.escape(words)}"):
        cut_channels(Two((1.0,) * 6, (1.0,) * 4), X, cut)


def test_a_cut_of_other_inputs_than_outputs_is_refused():
    network = Two((6.0, 0.1, 4.0, 5.0, 0.2, 3.0), (1.0, 1.0, 1.0, 1.0))
    network.second.weight.data += torch.arange(24.0).reshape(4, 6, 1, 1)
    with pytest.raises(ModelError, match=r"^Two cannot be cut there: its answers are .* off those with the channels"):
        cut_channels(network, X, {"first": {"outputs": [0]}, "second": {"inputs": [1]}})


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({}, "prune_channels takes target_parameters or target_macs; neither came."),
        ({"target_parameters": 0}, "prune_channels.target_parameters takes 1 or more; 0 came."),
        ({"target_macs": 9, "round_to": 0}, "prune_channels.round_to takes 1 or more; 0 came."),
        ({"target_macs": 9, "most": 1.0}, "prune_channels.most takes a share above 0 and below 1; 1.0 came."),
        ({"target_macs": 9, "scope": "net"}, "prune_channels.scope takes 'layer' or 'global'; 'net' came."),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"^{re.escape(words)}$"):
        prune_channels(Two((1.0,) * 6, (1.0,) * 4), X, **setting)


def test_without_torch_pruning_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[train\]' in a clone of tinyscene$"):
        prune_channels(Two((1.0,) * 6, (1.0,) * 4), X, 20)


def test_counts_are_the_counters():
    network, x = made("cnn6")
    cut: CutNetwork = prune_channels(network, x, target_macs=120_000)
    assert cut.after["macs"] == count_complexity(cut.network, x[:1], 1.0)["macs"] <= 120_000
