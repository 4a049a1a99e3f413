"""tinyscene complexity: what-if questions, ensembles, boards, pictures, foreign files, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn


def asked(tinyscene, *words: object) -> dict:
    answer = tinyscene("complexity", *words, "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_more_frames_are_more_work_and_no_more_weights(tinyscene):
    of_44, of_87 = asked(tinyscene, "dsmn-1"), asked(tinyscene, "dsmn-1", "--frames", 87)
    assert of_87["parameters"] == of_44["parameters"]
    assert 1.9 < of_87["macs"] / of_44["macs"] < 2.1
    assert of_87["macs_per_s"] == of_87["macs"]
    assert asked(tinyscene, "dsmn-1", "--frames", 87, "--window", 2)["macs_per_s"] == round(of_87["macs"] / 2)
    # As its report says: over 30 M at 44 frames, under it at 29.
    over = {row["ok"] for row in asked(tinyscene, "cnn6-ca")["limits"] if row["unit"] == "MACs/s"}
    assert over == {False}
    assert {row["ok"] for row in asked(tinyscene, "cnn6-ca-30m")["limits"] if row["unit"] == "MACs/s"} == {True}


def test_as_many_frames_as_you_like_need_no_memory(tinyscene):
    counts = asked(tinyscene, "dsmn-1", "--frames", 1_000_000)
    assert counts["macs"] > 1e11
    assert counts["peak_activation_bytes"] > 1e10


def test_an_untrained_system_counts_as_if_every_weight_were_filled(tinyscene):
    counts = asked(tinyscene, "amfm", "--precision", "float16")
    assert counts["parameters_nonzero"] == counts["parameters"]
    verdict = {row["year"]: (row["value"], row["ok"]) for row in counts["limits"]}
    assert verdict["2021 1A, kB"] == (130_848, False)
    assert verdict["2021 1A, KiB"] == (130_848, True)


def test_precision_changes_bytes_alone(tinyscene):
    found = {p: asked(tinyscene, "amfm", "--precision", p) for p in ("float32", "float16", "int8")}
    assert [found[p]["bytes"] for p in found] == [4 * 65_424, 130_848, 64_824 + 4 * 396]
    assert len({counts["macs"] for counts in found.values()}) == 1


def test_several_targets_are_an_ensemble(tinyscene, run: Path):
    file = run / "narrow-int8-features.onnx"
    whole = asked(tinyscene, "dsmn-1", run, file)
    assert list(whole["members"]) == ["dsmn-1", str(run), str(file), "together"]
    members = list(whole["members"].values())[:3]
    assert whole["parameters"] == sum(member["parameters"] for member in members)
    table = tinyscene("complexity", "dsmn-1", "dsmn-1").out
    assert "together" in table
    assert f"{2 * 45_164:,}" in table


def test_a_run_shows_its_stages_side_by_side(tinyscene, run: Path):
    table = tinyscene("complexity", run).out
    assert {"fit", "int8"} <= set(table.splitlines()[0].split())
    assert "limits: int8" in table


def test_layers_and_boards_are_printed(tinyscene, run: Path):
    table = tinyscene("complexity", "dsmn-1", "--layers", "--board").out
    assert "blocks.4.refine.2.frame  32x8x2" in table
    assert table.count("Cortex-M") == 3
    assert "assumed cycles per MAC" in table
    assert "TOO MUCH" in table  # maps of a float network in 256 kB
    own = tinyscene("complexity", run / "narrow-int8-features.onnx", "--board", "--cycles-per-mac", 1.25).out
    assert own.count("1.25") == 3


def test_the_picture_is_a_png_and_written_whole(tinyscene, tmp_path: Path):
    for targets in (("dsmn-1",), ("dsmn-1", "cp-mobile")):
        out = tmp_path / f"{len(targets)}.png"
        assert tinyscene("complexity", *targets, "--picture", out).code == 0
        assert out.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "2.png"]


def test_any_onnx_file_is_counted_when_its_window_is_told(tinyscene, tmp_path: Path):
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 8, 3)).eval()
    path = tmp_path / "foreign.onnx"
    torch.onnx.export(network, (torch.zeros(1, 1, 8, 10),), path, dynamo=True, verbose=False, external_data=False)
    onnx.checker.check_model(str(path))
    answer = tinyscene("complexity", path)
    assert answer.code == 2
    assert answer.err.endswith("To count it as it is, say how long its window lasts: --window SECONDS.\n")
    counts = asked(tinyscene, path, "--window", 0.5)
    assert counts["parameters"] == 40 + 192 * 3 + 3
    assert counts["macs"] == 40 * 48 + 192 * 3 + 3
    assert counts["macs_true"] == 36 * 48 + 192 * 3
    assert counts["macs_tflite"] == 36 * 48 + 4 * 3  # the official counter's flattened maps
    assert counts["macs_per_s"] == 2 * counts["macs"]


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_of_a_damaged_file_nothing_is_told_but_to_copy_it_again(tinyscene, run: Path, tmp_path: Path, damage):
    data = (run / "narrow-int8-features.onnx").read_bytes()
    broken = {"cut": data[: len(data) // 2], "noise": bytes(range(1, 200)) * 20, "empty": b""}[damage]
    path = tmp_path / "broken.onnx"
    path.write_bytes(broken)
    for words in ((), ("--window", 1)):
        answer = tinyscene("complexity", path, *words)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert "opy" in answer.err or "no graph in it" in answer.err
        assert "--window" not in answer.err
        for word in ("parsing", "DecodeError", "ModelProto", "Wire"):
            assert word not in answer.err


@pytest.mark.parametrize("name", ["clip.wav", "model.pte", "notes.txt"])
def test_another_kind_of_file_is_told_what_is_taken(tinyscene, tmp_path: Path, name):
    (tmp_path / name).write_bytes(b"RIFF")
    answer = tinyscene("complexity", tmp_path / name)
    assert answer.code == 2
    assert f"{name} is no model; complexity takes systems (names or .py files), run folders and" in answer.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("dsmn-9",), "dsmn-9"),
        (("dsmn-1", "--precision", "int4"), "--precision takes float32, float16, int8; 'int4' came."),
        (("dsmn-1", "--picture", "picture.svg"), "--picture takes a file that ends in .png"),
        (("dsmn-1", "--frames", "8"), "DSMN takes 32 or more bands and frames"),
        (("nowhere.onnx", "--window", "1"), "nowhere.onnx does not exist"),
        (("nowhere.onnx",), "nowhere.onnx does not exist"),
        (("RUN", "--frames", "8"), "--frames and --precision ask what a system would be"),
        (("RUN", "--window", "2"), "--window asks what a system would be"),
        (("FILE", "--window", "2"), "--window asks what a system would be"),
        (("dsmn-1", "--window", "inf"), "--window takes 0.001 to 86400; inf came."),
        (("dsmn-1", "--cycles-per-mac", "2"), "--cycles-per-mac is of --board"),
        (("dsmn-1", "--board", "--cycles-per-mac", "inf"), "--cycles-per-mac takes 0.001 to 1e+06; inf came."),
        (("dsmn-1", "--picture", "nowhere/x.png"), "the folder nowhere does not exist"),
    ],
)
def test_mistakes_are_told_in_one_line(words, told, tinyscene, run: Path):
    made = {"RUN": run, "FILE": run / "narrow-int8-features.onnx"}
    answer = tinyscene("complexity", *(made.get(word, word) for word in words))
    assert answer.code == 2
    assert told in answer.err
    assert answer.err.count("\n") == 1
