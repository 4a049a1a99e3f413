"""The main job by its commands, on synthetic scenes: the verbs, options and JSON keys that scripts rely on."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from tinyscene.runtime.shipped import SHIPPED


def test_evaluate_json_has_the_last_stages_figures_at_the_top_and_all_stages_below(tinyscene, run: Path):
    answer = tinyscene("evaluate", run, "--json")
    figures = json.loads(answer.out)
    assert answer.code == 0
    assert list(figures["stages"]) == ["fit", "int8"]
    for key in ("accuracy", "macro_accuracy", "log_loss", "per_class", "per_device"):
        assert figures[key] == figures["stages"]["int8"][key]
    assert set(figures["per_device"]) == {"a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"}
    assert len(figures["per_class"]) == 10


def test_exported_files_decide_as_the_simulated_network(run: Path):
    figures = json.loads((run / "evaluation.json").read_text())
    simulated = figures["stages"]["int8"]
    assert set(figures["exported"]) == {
        "narrow-fit-features.onnx",
        "narrow-int8-features.onnx",
        "narrow-int8-waveform.onnx",
    }
    for name in ("narrow-int8-features.onnx", "narrow-int8-waveform.onnx"):
        assert figures["exported"][name]["accuracy"] == pytest.approx(simulated["accuracy"], abs=2 / 90)
        assert figures["exported"][name]["log_loss"] == pytest.approx(simulated["log_loss"], abs=0.02)


def test_a_copied_run_is_whole_and_a_file_of_other_weights_is_left_out(tinyscene, run: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, copy_function=shutil.copyfile)
    for weights in copy.glob("*/weights.pt"):
        os.utime(weights)  # as a copy may leave it: newer than the exported files
    assert "stale" not in json.loads(tinyscene("evaluate", copy, "--json").out)
    (copy / "int8" / "weights.pt").write_bytes((copy / "int8" / "weights.pt").read_bytes() + b" ")
    answer = tinyscene("evaluate", copy, "--json")
    assert json.loads(answer.out)["stale"] == ["narrow-int8-features.onnx", "narrow-int8-waveform.onnx"]
    assert "made of other weights" in answer.err
    shutil.copyfile(SHIPPED, copy / "narrow-fit-features.onnx")  # of other classes
    assert "narrow-fit-features.onnx" in json.loads(tinyscene("evaluate", copy, "--json").out)["stale"]


def test_report_folder_has_page_json_and_tables(run: Path):
    report = run / "report"
    page = (report / "index.html").read_text()
    assert "narrow" in page
    assert "synthetic" in page.lower()
    assert json.loads((report / "report.json").read_text())
    rows = list(csv.reader(io.StringIO((report / "per_device.csv").read_text())))
    assert {"a", "s6"} <= {cell for row in rows for cell in row}


def test_run_record_says_what_was_run(run: Path):
    record = json.loads((run / "run.json").read_text())
    assert record["seed"] == 1
    assert record["versions"]["torch"]
    assert record["classes"][0] == "airport"
    assert (run / "system.py").is_file()


def test_journal_has_one_line_an_epoch(run: Path):
    rows = [json.loads(line) for line in (run / "fit" / "journal.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert {"lr", "loss", "accuracy", "validation_accuracy", "validation_log_loss", "seconds"} <= set(rows[0])


def test_classify_json_is_a_list_of_decisions(tinyscene, run: Path, scenes: Path):
    clips = sorted((scenes / "audio").glob("*.wav"))[:2]
    answer = tinyscene("classify", run / "narrow-int8-waveform.onnx", *clips, "--json", "--top-k", 3)
    decisions = json.loads(answer.out)
    assert answer.code == 0
    assert [decision["file"] for decision in decisions] == [str(clip) for clip in clips]
    for decision in decisions:
        assert set(decision) == {"file", "start_s", "end_s", "label", "score", "top"}
        assert (decision["start_s"], decision["end_s"]) == (0.0, 1.0)
        assert len(decision["top"]) == 3
        assert decision["top"][0] == {"label": decision["label"], "score": decision["score"]}


def test_classify_csv_and_plain_lines_agree_with_json(tinyscene, run: Path, scenes: Path):
    clip = min((scenes / "audio").glob("*.wav"))
    model = run / "narrow-int8-features.onnx"
    label = json.loads(tinyscene("classify", model, clip, "--json").out)[0]["label"]
    rows = list(csv.DictReader(io.StringIO(tinyscene("classify", model, clip, "--csv").out)))
    assert rows[0]["label"] == label
    assert label in tinyscene("classify", model, clip).out


def test_classify_lists_windows_when_asked(tinyscene, run: Path, scenes: Path, tmp_path: Path):
    import numpy as np
    import soundfile

    parts = [soundfile.read(clip)[0] for clip in sorted((scenes / "audio").glob("*.wav"))[:3]]
    soundfile.write(tmp_path / "long.wav", np.concatenate(parts), 44_100)
    answer = tinyscene(
        "classify", run / "narrow-int8-features.onnx", tmp_path / "long.wav", "--windows", "--hop", 0.5, "--json"
    )
    starts = [decision["start_s"] for decision in json.loads(answer.out)]
    assert starts == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_info_tells_what_the_file_is(tinyscene, run: Path):
    answer = tinyscene("info", run / "narrow-int8-waveform.onnx")
    assert answer.code == 0
    for word in ("int8", "waveform", "44,100 Hz", "airport", "fits"):
        assert word in answer.out


def test_complexity_json_of_a_system_has_the_fixed_keys(tinyscene):
    counts = json.loads(tinyscene("complexity", "dsmn-1", "--json").out)
    assert counts["parameters"] == 45_164
    assert counts["macs"] == 8_645_641
    assert counts["bytes"] == 4 * 45_164
    assert {"parameters_keras", "parameters_nonzero"} <= set(counts)


def test_complexity_of_run_and_file_agree_on_the_bytes_stored(tinyscene, run: Path):
    of_run = json.loads(tinyscene("complexity", run, "--json").out)
    of_file = json.loads(tinyscene("complexity", run / "narrow-int8-features.onnx", "--json").out)
    assert of_run["bytes"] == of_file["bytes"]
    assert of_run["bytes"] < of_run["stages"]["fit"]["bytes"] / 3


def test_complexity_table_marks_every_years_limit(tinyscene):
    answer = tinyscene("complexity", "dsmn-1")
    assert answer.out.count("pass") >= 6
    assert "OVER" in answer.out  # float32 weights are over 128 kB


def test_every_verb_names_the_next_command(tinyscene, run: Path):
    for words in (("systems",), ("show", "dsmn-1"), ("evaluate", run), ("info", run / "narrow-int8-features.onnx")):
        assert "next: tinyscene" in tinyscene(*words).out


def test_python_api_does_the_same(tinyscene, run: Path, scenes: Path):
    import tinyscene as package

    clip = min((scenes / "audio").glob("*.wav"))
    model = run / "narrow-int8-waveform.onnx"
    by_command = json.loads(tinyscene("classify", model, clip, "--json", "--top-k", 3).out)
    assert package.classify(clip, model=model) == by_command
