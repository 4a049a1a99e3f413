"""Int8 networks: they learn, come back from their state exactly, and their final form is what the device computes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.fx import GraphModule
from torchao.quantization.pt2e import FakeQuantizeBase

from tinyscene import load_system
from tinyscene.compress import converted, float_operations, freeze_observers, prepared, settle
from tinyscene.compress.float_layers import float_layers
from tinyscene.compress.quantizer import WEIGHTED, RangeOfAll
from tinyscene.compress.scales import parting, rounded_up
from tinyscene.errors import SettingError
from tinyscene.models import DSMN
from tinyscene.nn import ECA, MixupNorm
from tinyscene.nn.mfm import MFMConv

SHAPE = (2, 32, 20)


def narrow() -> DSMN:
    torch.manual_seed(0)
    network = DSMN(4, 3, widths=(4, 6, 6), segmented=(True, False, True), stem=4, hidden=8, dropout=0.2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.bias)  # so few channels would all be silenced by their ReLUs
    with torch.no_grad():
        for seed in range(20):  # batch norms see what they are to normalise
            network(clips(8, seed))
    return network


def clips(n: int, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def watched(graph: GraphModule, shape: tuple[int, ...] = SHAPE) -> GraphModule:
    """After a few batches, so that every scale is one of real values."""
    graph.train()
    with torch.no_grad():
        for seed in range(3):
            graph(clips(8, seed, shape))
    return graph


@pytest.fixture(scope="module")
def trained() -> GraphModule:
    """Fake-quantised, a few steps of training behind it."""
    graph = watched(prepared(narrow(), clips(2)))
    optimizer = torch.optim.SGD(graph.parameters(), 0.05)
    target = torch.arange(8) % 7
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(graph(clips(8)), target).backward()
        optimizer.step()
    return graph.eval()


@pytest.fixture(scope="module")
def final(trained) -> GraphModule:
    """The same, settled."""
    graph = copied(trained)
    settle(graph)
    return graph


def copied(graph: GraphModule) -> GraphModule:
    """A fresh one with the same state."""
    other = prepared(narrow(), clips(2))
    other.load_state_dict(graph.state_dict())
    other.eval()
    return other


@pytest.fixture(scope="module")
def dsmn_1() -> GraphModule:
    """DSMN-1, converted, with the scales of noise."""
    network = load_system("dsmn-1").model.build()
    return converted(watched(prepared(network, clips(2, 0, (2, 256, 44))), (2, 256, 44)))


def test_every_parameter_gets_a_finite_gradient():
    graph = watched(prepared(narrow(), clips(2)))
    graph(clips(8)).square().sum().backward()
    for name, parameter in graph.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def test_simulation_rounds_but_stays_near_the_float_network():
    network = narrow().eval()
    graph = watched(prepared(network, clips(2))).eval()
    x = clips(8)
    with torch.no_grad():
        exact, simulated = network(x), graph(x)
    difference = float((exact - simulated).abs().max())
    assert 0 < difference < 0.15 * float(exact.abs().max())


def test_a_fresh_network_with_the_same_state_gives_bit_equal_answers(trained):
    x = clips(5, 9)
    with torch.no_grad():
        assert torch.equal(copied(trained)(x), trained(x))


def test_settled_network_is_bit_equal_to_its_converted_form(final):
    """Both round to the same grids in the same order, in float arithmetic of one library."""
    x = clips(16, 9)
    with torch.no_grad():
        assert torch.equal(converted(final).eval()(x), final(x))


def test_converting_settles_a_copy(trained, final):
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    x = clips(5, 9)
    with torch.no_grad():
        assert torch.equal(converted(trained).eval()(x), final(x))
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


def test_settling_moves_biases_only_and_once(trained, final):
    before, after = trained.state_dict(), final.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved
    assert all(key.endswith(("bias", "observer_enabled")) for key in moved)
    again = copied(final)
    settle(again)
    assert all(torch.equal(value, after[key]) for key, value in again.state_dict().items())


def layers(graph: GraphModule) -> list[tuple[str, torch.Tensor, torch.Tensor, torch.Tensor | None]]:
    """(name, stored weight, step of the sums, bias) of each weighted layer of a converted graph."""

    def tensor(value: object) -> torch.Tensor:
        if not isinstance(value, torch.fx.Node):
            return torch.as_tensor(value)
        owner: object = graph
        for name in str(value.target).split("."):
            owner = getattr(owner, name)
        return owner

    found = []
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target in WEIGHTED:
            x, weight, *rest = node.args
            step = tensor(x.args[1]) * tensor(weight.args[1])
            bias = tensor(rest[0]) if rest and rest[0] is not None else None
            found.append((node.name, tensor(weight.args[0]), step, bias))
    return found


def test_every_weight_of_dsmn_1_is_int8_and_every_bias_on_the_int32_grid(dsmn_1):
    found = layers(dsmn_1)
    assert len(found) == 5 * 10 + 1 + 2  # five blocks of 6 + 2 + 1 + 1 convolutions, the stem, the head
    assert {weight.dtype for _, weight, _, _ in found} == {torch.int8}
    assert sum(weight.numel() for _, weight, _, _ in found) > 40_000
    biases = [(name, bias.detach(), step) for name, _, step, bias in found if bias is not None]
    assert len(biases) == 5 * 6 + 1 + 2
    for name, bias, step in biases:
        whole = torch.round(bias.double() / step.double())
        assert torch.allclose((whole * step).float(), bias, rtol=1e-6, atol=0), name
        assert whole.abs().max() < 2**31, name


def test_nothing_of_dsmn_1_stays_float(dsmn_1):
    assert float_operations(dsmn_1) == []


def test_no_value_of_dsmn_1_is_quantised_twice_in_a_row(dsmn_1):
    """Runtimes merge such pairs, each in its own way, and then differ from each other."""
    for node in dsmn_1.graph.nodes:
        if "dequantize_per_tensor" in str(node.target):
            assert not any("quantize_per_tensor" in str(user.target) for user in node.users), node.name


@pytest.mark.parametrize(
    ("network", "names"),
    [
        ((nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)), []),
        ((nn.Conv2d(2, 4, 1), nn.Tanh()), ["tanh"]),
        ((nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)), []),
        ((nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 1)), []),
        ((nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(2, 2, 2)), []),
        ((nn.ConstantPad2d(1, 1.0), nn.Conv2d(2, 2, 1)), ["pad"]),  # no scale need have a 1
        ((nn.Conv2d(2, 4, 1), MixupNorm(4), nn.ReLU()), ["instance_norm", "add", "mul", "add_1"]),
        ((nn.ConvTranspose2d(2, 2, 1), nn.Conv2d(2, 2, 1)), ["conv_transpose2d"]),
    ],
)
def test_what_stays_float_is_listed(network, names):
    assert float_operations(converted(watched(prepared(nn.Sequential(*network), clips(2))))) == names


@pytest.mark.parametrize("n", [1, 5])
def test_any_batch_size_works_and_clips_do_not_touch_each_other(final, n):
    x = clips(6, 3)
    for graph in (final, converted(final).eval()):
        with torch.no_grad():
            together, part = graph(x), graph(x[:n])
        assert part.shape == (n, 7)
        # A sum in another order may round to the next step, no more: one step of the logits.
        step = max(float(module.scale.max()) for module in final.modules() if hasattr(module, "zero_point"))
        assert torch.allclose(part, together[:n], atol=step)


def test_frozen_scales_stay_whatever_comes():
    graph = watched(prepared(narrow(), clips(2)))
    freeze_observers(graph)
    before = {key: value.clone() for key, value in graph.state_dict().items()}
    graph(100 * clips(8))
    assert all(torch.equal(value, before[key]) for key, value in graph.state_dict().items())


def test_unfrozen_scales_follow_in_training_and_not_in_validation():
    graph = watched(prepared(narrow(), clips(2)))
    before = {key: value.clone() for key, value in graph.state_dict().items() if key.endswith("scale")}
    graph.eval()
    graph(100 * clips(8))
    assert all(torch.equal(graph.state_dict()[key], value) for key, value in before.items())
    graph.train()
    graph(100 * clips(8))
    assert not all(torch.equal(graph.state_dict()[key], value) for key, value in before.items())


def test_sigmoid_gates_keep_their_fixed_scale():
    """An attention gate is moved about before it multiplies; its scale of 1/256 goes with it."""
    graph = watched(prepared(nn.Sequential(nn.Conv2d(2, 4, 1), ECA(), nn.Conv2d(4, 2, 1)), clips(2)))
    (gate,) = (node for node in graph.graph.nodes if "sigmoid" in str(node.target))
    node, scales = gate, []
    while "mul" not in str(node.target):
        (node,) = node.users
        if node.op == "call_module":
            scales.append(float(graph.get_submodule(node.target).scale))
    assert scales
    assert set(scales) == {1 / 256}


def test_dropout_acts_in_training_at_its_own_rate():
    torch.manual_seed(0)
    graph = watched(prepared(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Dropout(0.2)), clips(2)))
    share = float((graph(clips(64) + 3) == 0).float().mean())
    assert 0.15 < share < 0.25
    graph.eval()
    assert torch.equal(graph(clips(4)), graph(clips(4)))


def test_two_networks_of_one_graph_are_apart(final):
    other = copy.deepcopy(final)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    assert not torch.equal(other.state_dict()["stem.bias"], final.state_dict()["stem.bias"])


def test_maps_too_small_for_the_network_are_refused_before_tracing():
    with pytest.raises(SettingError, match="DSMN takes 8 or more bands and frames"):
        prepared(narrow(), clips(2, 0, (2, 4, 20)))


def test_layers_that_stay_float_are_named_with_the_reason():
    network = nn.Sequential(nn.Conv2d(2, 4, 1), nn.Sequential(nn.Tanh()), MixupNorm(4), nn.Conv2d(4, 2, 1))
    layers = float_layers(converted(watched(prepared(network, clips(2)))))
    assert [(layer.layer, layer.operation) for layer in layers] == [
        ("1.0", "tanh"),
        ("2", "instance_norm, add, mul, add"),
    ]
    assert "mean and variance" in layers[1].why


def test_scales_are_of_few_bits_and_zero_points_even(trained):
    n = 0
    for name, module in trained.named_modules():
        if isinstance(module, FakeQuantizeBase):
            observer = module.get_submodule("activation_post_process")
            bits = 4 if getattr(module, "is_per_channel", False) else 5 if getattr(observer, "summands", ()) else 1
            mantissa = torch.frexp(module.get_buffer("scale"))[0] * 2**bits
            assert torch.equal(mantissa, mantissa.round()), name
            assert not (module.get_buffer("zero_point") % 2).any(), name
            n += 1
    assert n > 30


@pytest.mark.parametrize(
    ("scale", "bits", "up"), [(0.5, 1, 0.5), (0.51, 1, 1.0), (0.126, 1, 0.25), (1.01, 4, 1.125), (0.9375, 4, 0.9375)]
)
def test_scales_are_rounded_up(scale, bits, up):
    assert float(rounded_up(torch.tensor(scale), bits)) == up


def test_a_scale_that_several_tensors_share_has_the_range_of_the_widest():
    observer = RangeOfAll(dtype=torch.int8, quant_min=-128, quant_max=127, averaging_constant=0.5)
    observer.sites = 2
    for wide in (4.0, 4.0, 8.0):
        observer(torch.tensor([-wide, wide]))
        observer(torch.tensor([0.0, 1.0]))
    assert (float(observer.min_val), float(observer.max_val)) == (-6.0, 6.0)


def test_a_max_feature_map_keeps_one_scale():
    graph = watched(prepared(nn.Sequential(MFMConv(2, 4, 3), nn.Conv2d(4, 2, 1)), clips(2)))
    (larger,) = (node for node in graph.graph.nodes if "maximum" in str(node.target))
    (behind,) = larger.users
    scales = {
        float(graph.get_submodule(str(node.target)).get_buffer("scale")) for node in (*larger.all_input_nodes, behind)
    }
    assert len(scales) == 1
    shared = graph.get_submodule(str(behind.target))
    called = [graph.get_submodule(str(node.target)) for node in graph.graph.nodes if node.op == "call_module"]
    observer = shared.get_submodule("activation_post_process")
    assert observer.sites == called.count(shared) == 4  # the convolution, its halves, the larger


EVERY = torch.arange(-255, 256, dtype=torch.float64)  # what a summand can be, less its zero point, in steps


def half_way(scale: float, *summands: float) -> float:
    """Share of all sums of two maps on these scales that lie half way between two steps of `scale`."""
    sums = (EVERY * summands[0])[:, None] + EVERY * summands[1]
    return float(((sums / scale) % 1 == 0.5).double().mean())


@pytest.mark.parametrize(
    ("scale", "first", "second", "wanted"),
    [
        (0.9, 0.5, 0.5, 1.5),  # as a power of 2: 1, and half of the sums of two halves
        (1.1, 1.0, 0.25, 1.25),
        (1.0, 0.75, 0.5, 1.25),  # the largest unit of both is a quarter
        (0.2, 1.0, 0.5, 0.25),  # finer than both: no sum is between two steps
        (5.0, 1.0, 1.5, 5.5),
    ],
)
def test_no_sum_lies_half_way_between_two_steps(scale, first, second, wanted):
    made = parting(torch.tensor([scale]), torch.tensor([[first], [second]]))
    assert made.tolist() == [wanted]
    assert half_way(wanted, first, second) == 0
    assert half_way(2 * second, first, second) > 0.1


def test_sums_that_are_seldom_half_way_keep_a_power_of_2():
    assert parting(torch.tensor([1.1]), torch.tensor([[1.0], [2.0**-6]])).tolist() == [2.0]
    assert half_way(2.0, 1.0, 2.0**-6) < 0.01


def test_the_sums_of_a_network_are_parted():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a = self.a(x)
            once = torch.relu(a + 0.3 * self.b(x))
            return once + a

    graph = watched(prepared(Block(), clips(2)))
    found = [module for module in graph.modules() if isinstance(module, RangeOfAll) and module.summands]
    assert [len(observer.summands) for observer in found] == [2, 2]
    for observer in found:
        scale = float(observer.calculate_qparams()[0])
        assert half_way(scale, *(float(summand.scale) for summand in observer.summands)) == 0


def test_a_network_of_older_scales_is_converted_with_them():
    """All powers of 2, as they were when sums had no rule of their own: what it was trained with is what it gives."""
    graph = watched(prepared(narrow(), clips(2)))
    settle(graph)
    older = 0
    for module in graph.modules():
        if isinstance(module, FakeQuantizeBase) and getattr(module.activation_post_process, "summands", ()):
            module.get_buffer("scale").copy_(rounded_up(module.get_buffer("scale"), 1))
            older += 1
    assert older > 3
    graph.eval()
    with torch.no_grad():
        assert torch.equal(converted(graph).eval()(clips(8, 9)), graph(clips(8, 9)))
