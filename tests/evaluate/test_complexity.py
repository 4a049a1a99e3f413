"""Counts of a network and of a file: formulas, the official counter's library, and sums by hand."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
import torchinfo
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from tinyscene import load_system
from tinyscene.compress import fold
from tinyscene.errors import ModelError, SettingError
from tinyscene.evaluate import blocks, check_limits, count_complexity, count_onnx, ensemble

WIDTHS, STEM, HIDDEN, OUTPUTS = (24, 32, 64, 64, 64), 16, 100, 13
BANDS, FRAMES = 256, 44


@pytest.fixture(scope="module")
def dsmn_1() -> nn.Module:
    torch.manual_seed(0)
    return load_system("dsmn-1").model.build()


def dsmn_1_layers() -> list[tuple[str, int, int]]:
    """(kind, parameters, output positions) of each layer, written down from report 001's figures 1 to 3."""
    bands, frames, i = BANDS, FRAMES, STEM
    found = [("conv", STEM * 2 + STEM, bands * frames)]
    for o in WIDTHS:
        h, half = i // 2, bands // 2 * frames
        for inner in (i, i, h):
            found += [("conv", inner * (i // inner), half), ("conv", 3 * inner, half), ("conv", 3 * inner, half)]
            found += [("norm", 2 * inner, 1)]
        found += [("conv", h * i + h, half), ("conv", h * i + h, half)]  # low and high half of the bands
        found += [("conv", 3, h)]  # channel attention: one convolution over the channels
        found += [("conv", o * h + o, half), ("norm", 2 * o, 1)]
        bands, frames, i = bands // 2, frames // 2, o
    means = sum(WIDTHS[1:])
    return [*found, ("linear", HIDDEN * means + HIDDEN, 1), ("linear", OUTPUTS * HIDDEN + OUTPUTS, 1)]


def test_dsmn_1_counts_as_its_formula_and_its_report(dsmn_1):
    layers = dsmn_1_layers()
    counts = count_complexity(dsmn_1, torch.zeros(1, 2, BANDS, FRAMES), 1.0)
    parameters = sum(n for _, n, _ in layers)
    norms = sum(n for kind, n, _ in layers if kind == "norm")
    assert counts["parameters"] == parameters == 45_164
    assert counts["parameters_keras"] == parameters + norms == 46_660  # mean and variance beside scale and shift
    assert counts["macs"] == sum(n * positions for _, n, positions in layers) == 8_645_641
    assert counts["macs_per_s"] == 8_645_641
    assert counts["bytes"] == 4 * parameters


@pytest.mark.parametrize(("window_s", "per_second"), [(1.0, 8_645_641), (0.5, 17_291_282), (10.0, 864_564)])
def test_macs_of_a_second_are_those_of_its_windows(dsmn_1, window_s, per_second):
    counts = count_complexity(dsmn_1, torch.zeros(1, 2, BANDS, FRAMES), window_s)
    assert counts["macs_per_s"] == per_second
    assert counts["macs"] == 8_645_641


def flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


NETS = {
    "maps": (
        lambda: flat(
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, (3, 1), stride=2, groups=4),
            nn.Conv2d(4, 6, 1),
        ),
        (1, 2, 16, 12),
    ),
    "sequences": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 8, 5, dilation=2), nn.BatchNorm1d(8), nn.Conv1d(8, 4, 1, bias=False), nn.Linear(7, 2)
        ),
        (1, 3, 15),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_counts_are_those_of_the_official_counters_library(name):
    make, shape = NETS[name]
    network = make()
    counts = count_complexity(network, torch.zeros(shape), 1.0)
    summary = torchinfo.summary(network, input_size=shape, verbose=0)
    assert counts["parameters"] == summary.total_params
    assert counts["macs"] == summary.total_mult_adds
    assert counts["bytes"] == summary.total_param_bytes


def test_counting_leaves_the_network_as_it_was():
    network = NETS["maps"][0]().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count_complexity(network, torch.randn(1, 2, 16, 12), 1.0)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_zeroed_weights_are_told_apart():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4, 3))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    x = torch.zeros(1, 2, 3, 3)
    full = count_complexity(network, x, 1.0)
    assert full["parameters"] == full["parameters_nonzero"] == 72 + 4 + 12 + 3
    with torch.no_grad():
        network[0].weight[:, 0] = 0  # 36 weights
        network[2].bias[1] = 0
    pruned = count_complexity(network, x, 1.0, network)
    assert (pruned["parameters"], pruned["macs"]) == (full["parameters"], full["macs"])
    assert pruned["parameters_nonzero"] == 91 - 37
    assert pruned["bytes"] == 72 + 12 + 4 * (4 + 3)
    assert pruned["bytes_nonzero"] == 36 + 12 + 4 * (4 + 2)


def test_int8_bytes_are_one_a_weight_four_a_bias_and_four_for_what_stays_float(dsmn_1):
    counts = count_complexity(dsmn_1, torch.zeros(1, 2, BANDS, FRAMES), 1.0, fold(dsmn_1))
    weights = biases = 0
    i = STEM
    weights, biases = STEM * 2, STEM
    for o in WIDTHS:
        h = i // 2
        weights += (3 + 3) * (i + i + i) + 2 * h * i + 3 + o * h  # the 1x1 is in both branches
        biases += i + i + h + 2 * h + o  # a block's shift is the bias of one branch
        i = o
    weights += HIDDEN * sum(WIDTHS[1:]) + OUTPUTS * HIDDEN
    biases += HIDDEN + OUTPUTS
    assert counts["bytes"] == weights + 4 * biases <= 50_000
    assert counts["parameters"] == 45_164
    lone = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1))
    assert count_complexity(lone, torch.zeros(1, 2, 4, 4), 1.0, fold(lone))["bytes"] == (2 + 6) + 4 * (2 + 3)


# ---- files ----


@pytest.mark.parametrize("form", ["features", "waveform"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_bytes_of_a_file_are_those_of_its_layers_tables(written, precision, form):
    """By another road: the tables behind the layers, traced by hand."""
    data = written.path[precision, form].read_bytes()
    graph = onnx.load_from_string(data).graph
    size = {item.name: len(item.raw_data) for item in graph.initializer}
    count = {item.name: int(np.prod(item.dims)) for item in graph.initializer}
    behind = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    read = {behind.get(name, name) for node in graph.node if node.op_type in ("Conv", "Gemm") for name in node.input}
    counts = count_onnx(data, 1.0)
    assert counts["bytes"] == sum(size[name] for name in read if name in size)
    assert counts["parameters"] == sum(count[name] for name in read if name in count)
    assert counts["bytes_nonzero"] <= counts["bytes"] < len(data)


@pytest.mark.parametrize("form", ["features", "waveform"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_file_counts_as_the_folded_network_it_was_made_from(written, precision, form):
    counts = count_onnx(written.path[precision, form].read_bytes(), 1.0)
    folded, features = written.export["float32"].network, torch.zeros(1, 2, 64, 44)
    expected = count_complexity(folded, features, 1.0, folded if precision == "int8" else None)
    for key in ("parameters", "bytes", "macs", "macs_per_s"):
        assert counts[key] == expected[key], key


def by_hand(quantised: bool) -> bytes:
    """A convolution (2 -> 3, 3x3, stride 2) on 9x7, an affine step, the mean, a fully connected layer (3 -> 4)."""
    tables = {
        "kernel": np.ones((3, 2, 3, 3), np.int8 if quantised else np.float32),
        "kernel_bias": np.array([1, 0, 2], np.float32),
        "scale": np.full((1, 3, 1, 1), 2, np.float32),
        "shift": np.array([[[[0]], [[0]], [[1]]]], np.float32),
        "taper": np.linspace(0.5, 1, 7, dtype=np.float32),
        "floor": np.array([1e-10], np.float32),
        "weight": np.full((4, 3), 3, np.float32),
        "step": np.float32(0.25),
    }
    kernel = "kernel_steps" if quantised else "kernel"
    nodes = [
        helper.make_node("Mul", ["features", "taper"], ["tapered"]),  # along the frames, not the channels: no layer
        helper.make_node("Add", ["tapered", "floor"], ["floored"]),  # one number for all: no layer
        helper.make_node("Conv", ["floored", kernel, "kernel_bias"], ["maps"], strides=[2, 2]),
        helper.make_node("Mul", ["maps", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["shifted"]),
        helper.make_node("GlobalAveragePool", ["shifted"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight"], ["logits"], transB=1),
    ]
    if quantised:
        nodes.insert(0, helper.make_node("DequantizeLinear", ["kernel", "step"], [kernel]))
    graph = helper.make_graph(
        nodes,
        "by_hand",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 2, 9, 7])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(table, name) for name, table in tables.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


@pytest.mark.parametrize(("quantised", "kernel_bytes"), [(False, 4 * 54), (True, 54)])
def test_a_graph_counted_by_hand(quantised, kernel_bytes):
    counts = count_onnx(by_hand(quantised), 0.5)
    assert counts["parameters"] == counts["parameters_keras"] == 54 + 3 + 3 + 3 + 12
    assert counts["parameters_nonzero"] == 54 + 2 + 3 + 1 + 12
    assert counts["bytes"] == kernel_bytes + 4 * (3 + 3 + 3 + 12)
    assert counts["bytes_nonzero"] == kernel_bytes + 4 * (2 + 3 + 1 + 12)
    assert counts["macs"] == (54 + 3) * (4 * 3) + 3 + 3 + 12
    assert counts["macs_per_s"] == 2 * counts["macs"]


# ---- the official counters' two rules and the true count ----


def counted(name: str, **options: object) -> dict:
    system = load_system(name)
    features = system.frontend.build().eval()(torch.zeros(1, system.window_samples))
    network = system.model.build()
    int8_form = fold(network) if options.pop("int8", False) else None
    return count_complexity(network, features, system.task.window_s, int8_form, **options)


def test_the_baseline_of_2024_counts_as_published():
    counts = counted("cp-mobile", half=True)
    assert (counts["parameters"], counts["macs"], counts["bytes"]) == (61_148, 29_419_156, 122_296)
    assert counts["bytes_by_type"] == {"float16": 122_296}
    assert counts["macs_true"] == 29_419_156 - 2_708  # what the official rule charges for batch norm


def test_the_baseline_of_2022_by_each_convention():
    counts, stored = counted("dcase2022-baseline"), counted("dcase2022-baseline", int8=True)
    assert counts["macs"] == 29_271_638  # torch's rule
    assert counts["macs_tflite"] == 29_234_920  # the published figure, of the TFLite file
    assert counts["macs_true"] == 29_203_560
    assert counts["parameters"] == 46_118
    assert stored["parameters_keras"] == 46_246
    assert stored["bytes"] == 46_512  # the published "parameters" are these bytes
    assert stored["bytes_by_type"] == {"int8": 45_816, "int32": 4 * 174}


def test_amfm_in_half_precision_passes_one_reading_of_2021():
    counts = counted("amfm", half=True)
    assert counts["bytes"] == 130_848
    # All weights filled: an untrained batch norm's zero shifts would be free.
    verdict = {row["year"]: row["ok"] for row in check_limits(counts | {"bytes_nonzero": counts["bytes"]})}
    assert (verdict["2021 1A, kB"], verdict["2021 1A, KiB"]) == (False, True)


def test_batch_norm_is_free_in_2020():
    counts = counted("cp-mobile")
    norms = (counts["parameters_keras"] - counts["parameters"]) // 2  # scales; shifts are as many, and still 0
    assert counts["bytes_nonzero"] - counts["bytes_nonzero_2020"] == 4 * norms


class Functional(nn.Module):
    """What official counters do not see: a convolution without a module, attention, a linear layer over time."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(6, 2, 3, 3))
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.over_time = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.conv2d(x, self.kernel, padding=1).mean(2).transpose(1, 2)  # (batch, frame, 6)
        return self.over_time(self.attention(x, x, x, need_weights=False)[0])


def test_true_macs_charge_what_the_official_rule_does_not_see():
    bands, frames = 4, 7
    network = Functional().eval()
    counts = count_complexity(network, torch.zeros(1, 2, bands, frames), 1.0)
    convolution = 6 * 2 * 9 * bands * frames
    attention = 3 * frames * 6 * 6 + 2 * frames * frames * 6 + frames * 6 * 6  # q, k, v; two products; out
    assert counts["macs_true"] == convolution + attention + frames * 6 * 5
    assert counts["macs"] == 6 * 5 + 5  # once, not for each frame
    assert counts["macs"] == torchinfo.summary(network, (1, 2, bands, frames), verbose=0).total_mult_adds
    rows = {row["name"]: row for row in counts["layers"]}
    assert rows["Functional"]["macs_true"] == convolution
    assert rows["attention"]["macs_true"] == attention


@pytest.mark.parametrize("name", ["dsmn-1", "resnet-se", "cnn6-ca", "mini-segnet-student-1"])
def test_true_macs_are_those_of_torchs_own_counter(name):
    system = load_system(name)
    network, features = (
        system.model.build().eval(),
        system.frontend.build().eval()(torch.zeros(1, system.window_samples)),
    )
    with FlopCounterMode(display=False) as theirs, torch.no_grad():
        network(features)
    assert counted(name)["macs_true"] == theirs.get_total_flops() // 2


def test_layers_add_up_and_keep_the_order_of_the_network(dsmn_1):
    counts = count_complexity(dsmn_1, torch.zeros(1, 2, BANDS, FRAMES), 1.0)
    rows = counts["layers"]
    for key in ("parameters", "parameters_nonzero", "bytes", "bytes_nonzero", "macs", "macs_true", "macs_tflite"):
        assert sum(row[key] for row in rows) == counts[key], key
    names = [row["name"] for row in rows]
    assert names.index("stem") < names.index("blocks.0.refine.0.pointwise") < names.index("head.3")
    assert next(row for row in rows if row["name"] == "stem")["output"] == (16, 256, 44)
    grouped = blocks(rows, 10)
    assert len(grouped) <= 10
    assert sum(row["macs"] for row in grouped) == counts["macs"]


def test_a_layer_called_twice_works_twice_and_is_stored_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(x))

    counts = count_complexity(Twice(), torch.zeros(1, 2, 4, 5), 1.0)
    assert (counts["parameters"], counts["macs"], counts["macs_true"]) == (38, 2 * 38 * 20, 2 * 36 * 20)


def test_an_ensemble_is_the_sum_of_its_members():
    one, two = counted("dsmn-1", int8=True), counted("dsmn-3", int8=True)
    together = ensemble([one, two])
    for key in ("parameters", "bytes", "bytes_nonzero", "macs", "macs_per_s", "macs_true"):
        assert together[key] == one[key] + two[key], key
    assert together["bytes_by_type"]["int8"] == one["bytes_by_type"]["int8"] + two["bytes_by_type"]["int8"]
    assert together["peak_activation_bytes"] == max(one["peak_activation_bytes"], two["peak_activation_bytes"])
    verdict = {(row["year"], row["unit"]): row["ok"] for row in check_limits(together)}
    assert verdict["2023", "bytes"]  # 47,399 + 58,407
    assert verdict["2023", "MACs/s"]
    assert not {row["ok"] for row in check_limits(ensemble([one] * 4)) if row["year"] == "2023"} - {False}


def test_recurrent_layers_count_at_every_step_as_the_official_counter_has_it():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.out = nn.GRU(8, 16, batch_first=True, bidirectional=True), nn.Linear(32, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.gru(x)[0][:, -1])

    network, x = Recurrent(), torch.zeros(1, 20, 8)
    counts = count_complexity(network, x, 1.0)
    assert counts["macs"] == torchinfo.summary(network, input_data=x, verbose=0).total_mult_adds
    assert counts["macs_true"] == 20 * 2 * (3 * 16 * 8 + 3 * 16 * 16) + 32 * 3


def test_weights_under_torchs_pruning_are_told_apart():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4, 3))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    prune.l1_unstructured(network[0], "weight", 0.5)
    counts = count_complexity(network, torch.zeros(1, 2, 3, 3), 1.0)
    assert counts["parameters_nonzero"] == 36 + 4 + 12 + 3
    assert counts["bytes_nonzero"] == 4 * counts["parameters_nonzero"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_bytes_are_those_of_the_number_types_there_are(dtype):
    network = nn.Linear(4, 3).to(dtype)
    counts = count_complexity(network, torch.zeros(1, 4, dtype=dtype), 1.0)
    size = torch.finfo(dtype).bits // 8
    assert counts["bytes_by_type"] == {str(dtype).removeprefix("torch."): 15 * size}


def test_what_hides_its_weights_is_refused_not_counted_as_nothing():
    packed = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
    with pytest.raises(ModelError, match="hides its weights"):
        count_complexity(packed, torch.zeros(1, 4), 1.0)
    with pytest.raises(SettingError, match="window_s takes"):
        count_complexity(nn.Linear(4, 3), torch.zeros(1, 4), 0.0)


def test_frozen_norms_are_still_frozen_afterwards():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).train()
    network[1].eval()
    count_complexity(network, torch.zeros(1, 1, 2, 2), 1.0)
    assert [module.training for module in network.modules()] == [True, True, False]


# ---- memory of maps ----


def test_peak_memory_of_a_chain_by_hand():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),  # 4 x 10 x 10 = 400 cells beside the 100 of the input
        nn.ReLU(),  # in its place
        nn.AvgPool2d(2),  # 100 cells beside the 400
        nn.Conv2d(4, 8, 1),  # 200 beside 100
    )
    features = torch.zeros(1, 1, 10, 10)
    assert count_complexity(network, features, 1.0)["peak_activation_bytes"] == 4 * 500
    assert count_complexity(network, features, 1.0, half=True)["peak_activation_bytes"] == 2 * 500
    assert count_complexity(network, features, 1.0, fold(network))["peak_activation_bytes"] == 500


def test_a_map_that_is_added_later_stays_alive():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow = nn.Conv2d(1, 8, 1), nn.Conv2d(8, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.narrow(self.wide(x))

    # The input (100) waits beside the wide map (800) and what is made of it (100).
    assert count_complexity(Around(), torch.zeros(1, 1, 10, 10), 1.0)["peak_activation_bytes"] == 4 * 1000


@pytest.mark.parametrize("form", ["features", "waveform"])
def test_a_files_maps_are_those_of_the_network_with_a_byte_each_in_int8(written, form):
    peaks = {
        precision: count_onnx(written.path[precision, form].read_bytes(), 1.0)["peak_activation_bytes"]
        for precision in ("float32", "int8")
    }
    folded = written.export["float32"].network
    expected = count_complexity(folded, torch.zeros(1, 2, 64, 44), 1.0)["peak_activation_bytes"]
    # Nearly so: a file copies the halves of the bands that the network only looks at, and orders its work anew.
    assert 0.5 * expected <= peaks["float32"] <= 1.5 * expected
    assert peaks["float32"] / 4 <= peaks["int8"] <= peaks["float32"] / 2  # the features themselves come as float


def test_the_front_end_in_a_waveform_file_is_not_counted(written):
    for precision in ("float32", "int8"):
        of_features, of_waveform = (
            count_onnx(written.path[precision, form].read_bytes(), 1.0) for form in ("features", "waveform")
        )
        for key in ("parameters", "bytes", "macs", "macs_true", "macs_tflite"):
            assert of_features[key] == of_waveform[key], key


@pytest.mark.parametrize(("data", "told"), [(b"no model", "no ONNX file"), (b"", "no ONNX file")])
def test_what_is_no_model_is_refused(data, told):
    with pytest.raises(ModelError, match=told):
        count_onnx(data, 1.0)


def test_weights_in_other_files_are_not_read():
    model = onnx.load_from_string(by_hand(False))
    item = model.graph.initializer[0]
    item.ClearField("raw_data")
    item.data_location = TensorProto.EXTERNAL
    entry = item.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    with pytest.raises(ModelError, match="other files"):
        count_onnx(model.SerializeToString(), 1.0)
