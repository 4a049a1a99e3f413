"""What every network promises, tried on narrow ones: exact gradients, one answer on every road, and that it learns."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from tinyscene.compress import fold
from tinyscene.export import Deployed, slim, traced
from tinyscene.models.amfm import AMFM
from tinyscene.models.cnn6_ca import CNN6CA
from tinyscene.models.cp_mobile import CPMobile
from tinyscene.models.dcase2022_baseline import Dcase2022Baseline
from tinyscene.models.mini_seg_net import MiniSegNet
from tinyscene.models.pham_cnn import PhamCNN
from tinyscene.models.resnet_se import ResNetSE

SEG = {"n_classes": 4, "in_channels": 2, "widths": (6, 8, 8, 8, 6), "hidden": 12, "dropout": 0.0}
PHAM = {"n_classes": 4, "widths": (4, 6, 6, 8), "dropouts": (0.0,) * 4}
CASES = {
    "MiniSegNet": (lambda: MiniSegNet(**SEG), (2, 13, 10)),
    "MiniSegNet, strided": (lambda: MiniSegNet(**SEG, stride=(3, 2), norm="instance"), (2, 26, 15)),
    "MiniSegNet, batch norm": (lambda: MiniSegNet(**SEG, norm="batch"), (2, 8, 12)),
    "PhamCNN": (lambda: PhamCNN(**PHAM), (1, 8, 30)),
    "PhamCNN, literal": (lambda: PhamCNN(**PHAM, literal=True), (1, 7, 33)),
    "Dcase2022Baseline": (
        lambda: Dcase2022Baseline(4, widths=(3, 3, 6), hidden=12, dropout=0.0, n_bands=41, n_frames=51),
        (1, 41, 51),
    ),
    "AMFM": (lambda: AMFM(4, filters=(4, 6, 6, 6, 4), hidden=10, reduction=2, dropout=0.0), (1, 19, 22)),
    "AMFM, groups": (
        lambda: AMFM(2, 2, filters=(4, 6, 6, 6, 4), hidden=10, reduction=1, dropout=0.0, in_channels=2),
        (2, 17, 16),
    ),
    "ResNetSE": (lambda: ResNetSE(4, 2, widths=(4, 6, 6, 8), blocks=1, reduction=2), (2, 18, 13)),
    "CNN6CA": (lambda: CNN6CA(4, 17, widths=(6, 8, 8), reduction=2, hidden=10, dropout=0.0), (1, 17, 12)),
    "CPMobile": (lambda: CPMobile(4, base_channels=8, n_blocks=(2, 1), strides=((1, 1), (2, 1), (1, 2))), (1, 17, 14)),
}
EACH = pytest.mark.parametrize("name", CASES)
SLOW = pytest.mark.parametrize(  # of the variants later
    "name", [pytest.param(name, marks=pytest.mark.full if "," in name else ()) for name in CASES]
)


def maps(name: str, n: int) -> Tensor:
    return torch.randn(n, *CASES[name][1], generator=torch.Generator().manual_seed(1))


def network_of(name: str) -> nn.Module:
    """In eval, with norms that do something: weights and statistics far from 0 and 1."""
    torch.manual_seed(2)
    network = CASES[name][0]()
    for module in network.modules():
        for key, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if tensor.dim() == 1 and not isinstance(module, (nn.Conv2d, nn.Linear)):
                low, high = (0.5, 2.0) if key in ("weight", "running_var") else (-0.5, 0.5)
                nn.init.uniform_(tensor, low, high)
    return network.eval()


@EACH
def test_gradients_are_those_of_finite_differences(name):
    network, x = network_of(name).double(), maps(name, 2).double().requires_grad_()
    names, tensors = zip(*network.named_parameters(), strict=True)

    def answer(x: Tensor, *weights: Tensor) -> Tensor:
        return functional_call(network, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(answer, (x, *tensors), fast_mode=True)


@EACH
def test_every_parameter_gets_a_finite_gradient(name):
    network = network_of(name).train()
    network(maps(name, 8)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{key} takes no part in the answer"
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.count_nonzero() > 0, key


@EACH
@torch.no_grad()
def test_answers_are_the_same_each_time_and_for_a_clip_alone(name):
    network, x = network_of(name), maps(name, 3)
    logits = network(x)
    assert logits.shape == (3, 4)
    assert logits.std() > 1e-3, "it says the same of everything"
    assert torch.equal(network(x), logits)
    for i in range(3):
        torch.testing.assert_close(network(x[i : i + 1])[0], logits[i], atol=1e-5, rtol=1e-4)


@EACH
@torch.no_grad()
def test_channels_last_and_folded_forms_say_the_same(name):
    network, x = network_of(name), maps(name, 3)
    logits = network(x)
    folded = fold(network)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in folded.modules())
    torch.testing.assert_close(folded(x), logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(folded.train()(x), logits, atol=1e-5, rtol=1e-4)  # int8 training takes it so
    last = network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), logits, atol=1e-5, rtol=1e-4)


@SLOW
def test_twenty_clips_are_learnt_by_heart(name):
    torch.manual_seed(3)
    network, x, target = CASES[name][0](), maps(name, 20), torch.arange(20) % 4
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(120):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), target).backward()
        optimizer.step()
    with torch.no_grad():
        assert torch.equal(network.eval()(x).argmax(1), target)


@SLOW
@torch.no_grad()
def test_the_exported_file_says_what_the_network_says(name):
    x, deployed = maps(name, 3), Deployed(network_of(name), nn.Softmax(1)).eval()
    data = slim(traced(deployed, x[:2], "features")).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    expected = [answer.numpy() for answer in deployed(x)]
    for rows in (slice(None), slice(-1, None)):
        for answer, wanted in zip(session.run(None, {"features": x[rows].numpy()}), expected, strict=True):
            np.testing.assert_allclose(np.asarray(answer), wanted[rows], atol=1e-4, rtol=1e-4)
