"""Bad input gets one clear line and exit code 2; nothing is lost and nothing is half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 44_100


def noise(seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (int(seconds * rate), channels)).astype(np.float32)


def write_bad(name: str, folder: Path) -> Path:
    """One file of each kind of bad audio."""
    path = folder / name
    if name == "empty.wav":
        path.write_bytes(b"")
    elif name == "text.wav":
        path.write_text("this is no audio\n" * 50)
    elif name == "zero-length.wav":
        soundfile.write(path, noise(0), RATE)
    elif name in ("truncated.wav", "truncated.ogg", "truncated.flac"):
        soundfile.write(path, noise(2), RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name in ("nan.wav", "infinite.wav"):
        samples = noise()
        samples[100] = np.nan if name == "nan.wav" else np.inf
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    elif name == "1-hz.wav":
        soundfile.write(path, noise(10, 1), 1)
    elif name == "384-khz.wav":
        soundfile.write(path, noise(0.1, 384_000), 384_000)
    elif name == "8-channels.wav":
        soundfile.write(path, noise(channels=8), RATE)
    return path


BAD_AUDIO = {
    "missing.wav": "does not exist",
    "empty.wav": "empty",
    "text.wav": "audio",
    "zero-length.wav": "no samples",
    "truncated.wav": "cut",
    "truncated.ogg": "cut",
    "truncated.flac": "cut",
    "nan.wav": "NaN",
    "infinite.wav": "infinite",
    "1-hz.wav": "1 Hz",
    "384-khz.wav": "384,000 Hz",
    "8-channels.wav": "8 channels",
}


def one_line(err: str) -> str:
    told = [line for line in err.splitlines() if line.startswith("tinyscene: ") and "warning" not in line]
    assert "Traceback" not in err
    assert len(told) == 1, err
    return told[0]


@pytest.mark.parametrize("name", BAD_AUDIO)
def test_classify_refuses_bad_audio_in_one_line(name: str, tinyscene, run: Path, tmp_path: Path):
    path = write_bad(name, tmp_path)
    answer = tinyscene("classify", run / "narrow-int8-features.onnx", path)
    assert answer.code == 2
    line = one_line(answer.err)
    assert name in line
    assert BAD_AUDIO[name] in line


def test_good_files_are_answered_beside_a_bad_one(tinyscene, run: Path, tmp_path: Path):
    soundfile.write(tmp_path / "good.wav", noise(), RATE)
    bad = write_bad("empty.wav", tmp_path)
    answer = tinyscene("classify", run / "narrow-int8-features.onnx", bad, tmp_path / "good.wav", "--json")
    assert answer.code == 2
    assert [decision["file"] for decision in json.loads(answer.out)] == [str(tmp_path / "good.wav")]


def test_silence_gets_its_answer_with_a_warning(tinyscene, run: Path, tmp_path: Path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    answer = tinyscene("classify", run / "narrow-int8-features.onnx", tmp_path / "silent.wav")
    assert answer.code == 0
    assert "silent.wav" in answer.out
    assert "warning" in answer.err
    assert "silence" in answer.err


def test_a_short_clip_gets_its_answer_with_a_warning(tinyscene, run: Path, tmp_path: Path):
    soundfile.write(tmp_path / "short.wav", noise(0.2), RATE)
    answer = tinyscene("classify", run / "narrow-int8-waveform.onnx", tmp_path / "short.wav")
    assert answer.code == 0
    assert "repeated" in answer.err


def damaged(kind: str, model: Path, folder: Path) -> Path:
    path = folder / f"{kind}.onnx"
    data = bytearray(model.read_bytes())
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "tampered":
        data[len(data) // 2] ^= 0xFF
    elif kind == "empty":
        data = bytearray()
    elif kind == "foreign":
        import onnx
        from onnx import TensorProto, helper

        value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
        onnx.save(helper.make_model(graph), path)
        return path
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [("cut", "cut"), ("tampered", "damaged"), ("empty", "empty"), ("foreign", "not a tinyscene model")],
)
@pytest.mark.parametrize("verb", ["info", "classify", "complexity"])
def test_a_damaged_model_file_is_refused(kind: str, told: str, verb: str, tinyscene, run: Path, tmp_path: Path):
    soundfile.write(tmp_path / "good.wav", noise(), RATE)
    path = damaged(kind, run / "narrow-int8-features.onnx", tmp_path)
    clip = [tmp_path / "good.wav"] if verb == "classify" else []
    answer = tinyscene(verb, path, *clip)
    assert answer.code == 2
    assert told in one_line(answer.err)


def folder_set(folder: Path, labels: dict[str, int]) -> Path:
    for label, n in labels.items():
        (folder / label).mkdir(parents=True)
        for i in range(n):
            soundfile.write(folder / label / f"{i}.wav", noise(), RATE)
    return folder


@pytest.mark.parametrize("verb", ["info", "classify", "complexity"])
def test_a_pipe_or_a_device_is_no_model(verb: str, tinyscene, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "device.onnx").symlink_to("/dev/zero")
    for name in ("pipe.onnx", "device.onnx"):
        answer = tinyscene(verb, tmp_path / name, *(["clip.wav"] if verb == "classify" else []))
        taken = "a model file (.onnx, .tflite)" if verb == "complexity" else "a tinyscene model file (.onnx)"
        assert answer.code != 0
        assert f"is a pipe or a device; {taken} is taken" in answer.err


def test_a_csv_without_a_class_column_lists_its_columns(tinyscene, tmp_path: Path):
    folder_set(tmp_path / "set", {"x": 1})
    (tmp_path / "set" / "meta.csv").write_text("filename,fold,mood\nx/0.wav,1,happy\n")
    answer = tinyscene("train", "dsmn-1", "--data", tmp_path / "set", "--out", tmp_path / "run")
    assert answer.code == 2
    assert "filename, fold, mood" in one_line(answer.err)
    assert "--column label=" in answer.err
    assert not (tmp_path / "run").exists()


Make = Callable[[Path], tuple[Path, list[str]]]

BAD_DATA: dict[str, tuple[Make, str]] = {
    "one class only": (lambda p: (folder_set(p, {"x": 3}), ["--test-share", "0.3"]), "one class only"),
    "no fold column": (lambda p: (folder_set(p, {"x": 3, "y": 3}), []), "--test-share"),
    "one recording of a class": (lambda p: (folder_set(p, {"x": 1, "y": 3}), ["--test-share", "0.3"]), "'x'"),
    "share out of range": (lambda p: (folder_set(p, {"x": 3, "y": 3}), ["--test-share", "1.5"]), "between 0 and 1"),
    "missing folder": (lambda p: (p / "nothing", []), "does not exist"),
    "empty folder": (lambda p: (p, []), "no data set"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_train_refuses_data_it_cannot_use_and_leaves_no_run(case: str, tinyscene, tmp_path: Path):
    (tmp_path / "set").mkdir()
    make, told = BAD_DATA[case]
    data, options = make(tmp_path / "set")
    answer = tinyscene("train", "dsmn-1", "--data", data, "--out", tmp_path / "run", *options)
    assert answer.code == 2
    assert told in one_line(answer.err)
    assert not (tmp_path / "run").exists()


def test_a_fold_without_test_clips_lists_the_folds(tinyscene, tmp_path: Path):
    folder_set(tmp_path / "set", {"x": 2, "y": 2})
    rows = [f"{label}/{i}.wav,{label},{i + 1}" for label in "xy" for i in range(2)]
    (tmp_path / "set" / "meta.csv").write_text("\n".join(["filename,category,fold", *rows]) + "\n")
    answer = tinyscene("train", "dsmn-1", "--data", tmp_path / "set", "--fold", 7, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "fold 7" in one_line(answer.err)
    assert "1, 2" in answer.err


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--set", "model.widths=1,2"), "DSMN.widths"),
        (("--set", "frontend.spectral.hop_length=0"), "LogMel.hop_length takes 1 sample or more; 0 came."),
        (("--set", "frontend.spectral.f_max=30000"), "f_max"),
        (("--set", "recipe.fit.select=luck"), "fit.select takes best, last, mean; 'luck' came."),
        (("--set", "augment.bands.mixup.alpha=0"), "Mixup.alpha takes a number above 0"),
        (("--set", "recipe.int8.epochs=0"), "int8.epochs takes 1 or more"),
        (("--set", "task.sample_rate_hz=16000"), "set both to the same rate"),
        (("--accelerator", "warp"), "--accelerator takes"),
        (("--precision", "8"), "--precision takes"),
        (("--fold", "1", "--test-share", "0.2"), "exclude each other"),
        (("--set", "model.dropout"), "--set takes NAME=VALUE; 'model.dropout' came."),
    ],
)
def test_a_number_out_of_range_is_refused_and_leaves_no_run(option, told, tinyscene, scenes: Path, tmp_path: Path):
    answer = tinyscene("train", "dsmn-1", "--data", scenes, "--out", tmp_path / "run", *option)
    assert answer.code == 2
    assert told in one_line(answer.err)
    assert not (tmp_path / "run").exists()


def test_a_bad_clip_in_a_data_set_is_named_before_training(tinyscene, narrow: Path, scenes: Path, tmp_path: Path):
    shutil.copytree(scenes, tmp_path / "set")
    clip = min((tmp_path / "set" / "audio").glob("*.wav"))
    clip.write_bytes(clip.read_bytes()[:1000])
    answer = tinyscene("train", narrow, "--data", tmp_path / "set", "--out", tmp_path / "run")
    assert answer.code == 2
    assert clip.name in one_line(answer.err)


def test_an_output_below_a_file_is_refused(tinyscene, scenes: Path, tmp_path: Path):
    (tmp_path / "file").write_text("precious")
    answer = tinyscene("train", "dsmn-1", "--data", scenes, "--out", tmp_path / "file" / "run")
    assert answer.code == 2
    assert "cannot be written" in one_line(answer.err)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_full_disk_ends_training_with_one_line_and_no_half_file(
    tinyscene, narrow: Path, scenes: Path, tmp_path: Path, monkeypatch
):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tinyscene.files.os.replace", full)
    answer = tinyscene("train", narrow, "--data", scenes, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "No space left on device" in one_line(answer.err)
    assert not list((tmp_path / "run" / "fit").glob(".*"))
    assert not (tmp_path / "run" / "fit" / "weights.pt").exists()


def test_a_full_disk_at_export_leaves_no_file(tinyscene, run: Path, tmp_path: Path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for model in copy.glob("*.onnx"):
        model.unlink()

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tinyscene.files.os.replace", full)
    answer = tinyscene("export", copy, "--stage", "fit")
    assert answer.code == 2
    assert "No space left on device" in one_line(answer.err)
    assert not list(copy.glob("*.onnx"))
    assert not list(copy.glob(".*onnx*"))


@pytest.mark.parametrize("verb", ["evaluate", "compress", "export", "complexity"])
def test_a_folder_that_is_no_run_is_refused(verb: str, tinyscene, tmp_path: Path):
    answer = tinyscene(verb, tmp_path)
    assert answer.code == 2
    assert "is no run folder" in one_line(answer.err)


def test_a_run_whose_training_was_cut_off_says_resume(tinyscene, run: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    for name in ("run.json", "system.py"):
        shutil.copy(run / name, tmp_path / "run")
    answer = tinyscene("evaluate", tmp_path / "run")
    assert answer.code == 2
    assert "--resume" in one_line(answer.err)


def test_compress_does_not_overwrite(tinyscene, run: Path):
    answer = tinyscene("compress", run)
    assert answer.code == 2
    assert "compressed already" in one_line(answer.err)


def test_a_missing_extra_is_told_in_one_line(tinyscene, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name == "tinyscene.systems" or name.startswith("tinyscene.systems.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch.optim", None)
    answer = tinyscene("systems")
    assert answer.code == 2
    assert "pip install '.[train]'" in one_line(answer.err)


def test_json_and_csv_exclude_each_other(tinyscene, run: Path, tmp_path: Path):
    answer = tinyscene("classify", run / "narrow-int8-features.onnx", tmp_path / "x.wav", "--json", "--csv")
    assert answer.code == 2
    assert "exclude each other" in one_line(answer.err)
