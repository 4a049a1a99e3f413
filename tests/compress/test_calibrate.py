from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tinyscene.compress import converted, fold, prepared, settle
from tinyscene.compress.calibrate import BATCH, Calibrate, calibrate, plain_clips
from tinyscene.errors import SettingError
from tinyscene.export import Deployed, traced

N_CLASSES = 6


def features(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy windows (n, 1, 16, 12) around a pattern for each class, and the classes; now and then a loud one."""
    rng = torch.Generator().manual_seed(seed)
    patterns = torch.randn(N_CLASSES, 1, 16, 12, generator=torch.Generator().manual_seed(0))
    target = torch.randint(N_CLASSES, (n,), generator=rng)
    x = patterns[target] + 2.5 * torch.randn(n, 1, 16, 12, generator=rng)
    return x * torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.02, 6.0, 1.0), target


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU()),
        nn.Sequential(nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.BatchNorm2d(12), nn.ReLU()),
        nn.Sequential(nn.Conv2d(12, 16, 1), nn.BatchNorm2d(16), nn.ReLU()),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * 4 * 3, N_CLASSES),
    )
    x, target = features(768, 1)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for step in range(60):
        rows = torch.arange(64) + 64 * (step % 12)
        loss = nn.functional.cross_entropy(net(x[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def ours(network: nn.Module, watched: torch.Tensor) -> torch.fx.GraphModule:
    graph = prepared(network, watched[:2])
    calibrate(graph, watched.split(1))
    settle(graph)
    return graph


def scales_of(graph: nn.Module) -> list[float]:
    """Of the activations."""
    buffers = {key: value for key, value in graph.named_buffers() if key.endswith("scale")}
    return [float(value) for value in buffers.values() if value.numel() == 1]


@torch.no_grad()
def test_agrees_with_float_at_least_as_well_as_onnxruntime_does(network: nn.Module, tmp_path: Path):
    """Witness: onnxruntime's own static QDQ calibration of the same float network on the same windows."""
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    watched, _ = features(512, 1)
    fresh, _ = features(2000, 2)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(watched.split(BATCH))

        def get_next(self) -> dict[str, np.ndarray]:
            batch = next(self.left, None)
            return {} if batch is None else {"features": batch.numpy()}

    onnx.save(traced(Deployed(fold(network), nn.Softmax(1)).eval(), watched[:2], "features"), tmp_path / "float.onnx")
    quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "int8.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    session = onnxruntime.InferenceSession(tmp_path / "int8.onnx", providers=["CPUExecutionProvider"])
    theirs = np.asarray(session.run(["logits"], {"features": fresh.numpy()})[0]).argmax(1)
    expected = network(fresh).argmax(1).numpy()
    graph = ours(network, watched)
    agreement = (graph(fresh).argmax(1).numpy() == expected).mean()
    assert agreement >= (theirs == expected).mean()
    assert agreement > 0.95
    assert (converted(graph)(fresh).argmax(1) == graph(fresh).argmax(1)).all()


@torch.no_grad()
def test_range_of_the_input_is_the_mean_range_of_the_batches():
    torch.manual_seed(0)
    x = torch.randn(3 * BATCH, 5)
    graph = prepared(nn.Linear(5, 4), x[:2])
    calibrate(graph, x.split(7))
    batches = x.reshape(3, BATCH * 5)
    expected = torch.stack([batches.amin(1).mean(), batches.amax(1).mean()])
    buffers = dict(graph.named_buffers())
    ranges = [
        torch.stack([low, buffers[key.replace("min_val", "max_val")]])
        for key, low in buffers.items()
        if key.endswith("min_val") and low.numel() == 1
    ]
    assert any(torch.allclose(found, expected) for found in ranges)
    assert any(scale >= float(expected.diff()) / 255 - 1e-6 for scale in scales_of(graph))


@torch.no_grad()
def test_sigmoid_keeps_its_fixed_scale_and_pruned_weights_stay_0():
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 6, 3)
    conv.weight[:, 0] = 0
    network = nn.Sequential(conv, nn.Sigmoid())
    graph = ours(network, torch.randn(64, 2, 8, 8))
    assert 1 / 256 in scales_of(graph)
    (weight,) = (value for value in converted(graph).state_dict().values() if value.dtype == torch.int8)
    assert (weight[:, 0] == 0).all()
    assert (weight[:, 1] != 0).any()


def test_stage_looks_at_training_clips_that_were_not_held_out_and_leaves_the_float_network(
    scenes: Path, narrow: Path, tmp_path: Path
):
    from tinyscene import load_system
    from tinyscene.cli.show import progress_bar
    from tinyscene.pipeline import RunRecord, prepare
    from tinyscene.train import Machine, load

    run = prepare(load_system(str(narrow)), RunRecord(str(narrow), str(scenes), 1), progress_bar)
    stage = Calibrate(clips=12, validation_share=0.3)
    job = run.job(stage, tmp_path, False, Machine("cpu", "32-true"), False)
    network = run.network().eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    graph = stage.run(network, job, tmp_path / "ptq")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    again = stage.shaped(network, job.example, tmp_path / "ptq")
    again.load_state_dict(load(tmp_path / "ptq" / "weights.pt"))
    assert torch.equal(again.eval()(job.example), graph(job.example))
    seen = [x for x, _ in plain_clips(job, 12)]
    assert len(seen) == 12
    assert len(list(plain_clips(job, 10_000))) == len(set(job.crops.rows.tolist()))
    assert not set(job.crops.rows.tolist()) & set(job.validation.tolist())
    assert len(job.crops.dataset.files) == len(run.split.train)


def test_numbers_out_of_range():
    with pytest.raises(SettingError, match=r"ptq\.clips"):
        Calibrate(clips=0)
    with pytest.raises(SettingError, match=r"ptq\.validation_share"):
        Calibrate(validation_share=1.0)
