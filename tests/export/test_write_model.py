"""write_model: what the file says of itself, and that nothing is written which disagrees with the network."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tinyscene import __version__, load_system
from tinyscene.compress import fold
from tinyscene.errors import ModelError, OutputError, SettingError
from tinyscene.evaluate import count_onnx
from tinyscene.export import FORMS, Export, model_file, write_model
from tinyscene.runtime import Classifier, read_model_file
from tinyscene.train import Decision

PRECISIONS = ("float32", "int8")
EACH = [(precision, form) for precision in PRECISIONS for form in FORMS]


@pytest.mark.parametrize(("precision", "form"), EACH)
def test_the_file_is_whole_and_says_what_it_is(written, precision, form):
    _, card = read_model_file(written.path[precision, form])
    export = written.export[precision]
    assert (card.name, card.system, card.version) == ("narrow", "narrow", __version__)
    assert (card.form, card.precision, card.labels) == (form, precision, export.labels)
    assert (card.sample_rate_hz, card.window_samples, card.channels) == (44_100, 44_100, "mean")
    assert (card.complexity, card.claims) == (export.complexity, export.claims)
    assert card.frontend == (export.system.frontend.constants() if form == "features" else {})
    assert card.created.endswith("+00:00")


@pytest.mark.parametrize(("precision", "form"), EACH)
def test_inputs_and_outputs_are_named_for_people_and_the_batch_is_free(written, precision, form):
    graph = onnx.load(written.path[precision, form]).graph
    (given,) = graph.input
    axes = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    assert given.name == form
    assert axes == ([0, 2, 64, 44] if form == "features" else [0, 44_100])
    assert [value.name for value in graph.output] == ["probabilities", "logits"]
    assert [value.type.tensor_type.shape.dim[1].dim_value for value in graph.output] == [10, 13]


@pytest.mark.parametrize("form", FORMS)
def test_a_byte_changed_is_noticed(written, tmp_path, form):
    data = bytearray(written.path["int8", form].read_bytes())
    data[len(data) // 3] ^= 1
    path = tmp_path / "changed.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        read_model_file(path)


@pytest.mark.parametrize("form", FORMS)
def test_int8_files_hold_their_weights_in_one_byte(written, form):
    exact, whole = (written.path[precision, form] for precision in PRECISIONS)
    counts = [count_onnx(path.read_bytes(), 1.0) for path in (exact, whole)]
    assert counts[0]["parameters"] == counts[1]["parameters"]
    assert counts[0]["bytes"] == 4 * counts[0]["parameters"]
    assert counts[1]["bytes"] == written.export["int8"].complexity["bytes"]
    for item in onnx.load(whole).graph.initializer:
        table = numpy_helper.to_array(item)
        assert table.dtype != np.float32 or table.ndim < 2 or table.shape == (3, 10), "a float table beside the groups'"


def test_no_fully_connected_layer_or_convolution_computes_in_float(written, tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(written.path["int8", "features"], options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == 1 + 3 * 10
    assert kinds.count("QGemm") == 2
    assert not {"Conv", "FusedConv", "Gemm", "FusedGemm"} & set(kinds)


# ---- refusals, on a network of two blocks that is traced once ----

trace, unchanged = model_file.traced, model_file.slim


@cache
def tiny() -> tuple[Export, torch.Tensor]:
    changes = {"frontend.spectral.n_mels": "16", "frontend.spectral.f_min": "200"}
    system = load_system("dsmn-1").with_settings(changes)
    model = system.model.but(widths=(4, 4), segmented=(True, True), stem=4, hidden=6, n_groups=0)
    torch.manual_seed(0)
    labels = tuple(f"scene {i}" for i in range(10))
    export = Export("tiny", system, labels, fold(model.build().eval()), Decision(10), "float32", {}, {})
    return export, 0.1 * torch.randn(3, system.window_samples)


@cache
def tiny_graph() -> bytes:
    export, waveforms = tiny()
    features = export.system.frontend.build().eval()(waveforms)
    deployed = model_file.Deployed(export.network, export.decide).eval()
    return trace(deployed, features[:2], "features").SerializeToString()


@pytest.fixture
def once_traced(monkeypatch):
    monkeypatch.setattr(model_file, "traced", lambda *_: onnx.load_from_string(tiny_graph()))


def perturbed(model: onnx.ModelProto, half: bool = False) -> onnx.ModelProto:
    """Slim, with one weight of the last layer other than trained."""
    slimmed = unchanged(model, half)
    (last,) = [node for node in slimmed.graph.node if node.op_type == "Gemm"][-1:]
    (item,) = [item for item in slimmed.graph.initializer if item.name == last.input[2]]
    table = numpy_helper.to_array(item).copy()
    table[0] += 0.1
    item.CopyFrom(numpy_helper.from_array(table, item.name))
    return slimmed


@pytest.mark.usefixtures("once_traced")
def test_a_file_is_written_over_an_older_one_and_nothing_else_is_left(tmp_path):
    export, waveforms = tiny()
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"old")
    assert write_model(export, "features", path, waveforms) == path
    assert Classifier(path).labels == export.labels
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("once_traced")
def test_a_file_that_disagrees_with_the_network_is_not_written(tmp_path, monkeypatch):
    export, waveforms = tiny()
    monkeypatch.setattr(model_file, "slim", perturbed)
    path = tmp_path / "tiny.onnx"
    with pytest.raises(
        ModelError, match=r"differs from the network by 0\.0\d+ of probability, at most 0\.0001"
    ) as caught:
        write_model(export, "features", path, waveforms)
    assert str(caught.value).endswith("is allowed; it was not written. Please report this with the system file.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("once_traced")
def test_answers_that_are_no_numbers_are_not_written(tmp_path):
    export, waveforms = tiny()
    broken = fold(export.network)
    broken.stem.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="differs from the network by nan"):
        write_model(replace(export, network=broken), "features", tmp_path / "tiny.onnx", waveforms)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("once_traced")
@pytest.mark.parametrize(("parent", "reason"), [("missing", "No such file or directory"), ("file", "Not a directory")])
def test_a_folder_that_cannot_be_written_is_told(tmp_path, parent, reason):
    export, waveforms = tiny()
    (tmp_path / "file").write_text("")
    path = tmp_path / parent / "tiny.onnx"
    with pytest.raises(OutputError) as caught:
        write_model(export, "features", path, waveforms)
    assert str(caught.value).startswith(f"{path} cannot be written: {reason}. Check that the folder exists")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("once_traced")
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    export, waveforms = tiny()
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        write_model(export, "features", path, waveforms)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_form_is_refused(tmp_path):
    export, waveforms = tiny()
    with pytest.raises(SettingError) as caught:
        write_model(export, "spectrum", tmp_path / "tiny.onnx", waveforms)
    assert str(caught.value) == "--form takes features or waveform; 'spectrum' came."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "apart", "refused"),
    [
        ("waveform", [0.2, 0, 0, 0, 0, 0, 0, 0], False),  # one unsure window: a cell of its features fell the other way
        ("features", [0.2, 0, 0, 0, 0, 0, 0, 0], True),  # the same features: nothing may differ so
        ("waveform", [0.06] * 8, True),
    ],
)
def test_an_int8_file_that_makes_its_features_may_differ_in_a_window_not_in_all(monkeypatch, form, apart, refused):
    expected = np.tile([0.5, 0.5], (8, 1))
    given = expected + np.array(apart)[:, None] * [1, -1]

    class Session:
        def __init__(self, *_: object, **__: object):
            pass

        def run(self, _: object, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [given[feeds[form][:, 0].astype(int)]]

    monkeypatch.setattr(model_file.onnxruntime, "InferenceSession", Session)
    numbered = np.arange(8.0)[:, None]
    if not refused:
        model_file._compare(b"", form, numbered, expected, "int8")
        return
    with pytest.raises(ModelError, match="differs from the network"):
        model_file._compare(b"", form, numbered, expected, "int8")
