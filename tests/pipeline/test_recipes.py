"""Stages in a row, as the reports have them: teachers, means over epochs, halves, zeros kept, a network a device."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from tinyscene import load_system
from tinyscene.augment import SpecAugment, TimeRoll
from tinyscene.cli.source import system_source
from tinyscene.compress import Half, Prune
from tinyscene.data.tables import read_table
from tinyscene.errors import SettingError
from tinyscene.pipeline.teacher_file import leaked
from tinyscene.spec import Spec
from tinyscene.system import Inference, System
from tinyscene.train import Distill, PerDevice, SelfDistill

LISTS = "evaluation_setup/fold1_{}.csv"


@pytest.fixture(scope="module")
def system(narrow: Path) -> System:
    """The narrow system with one short stage."""
    return load_system(str(narrow)).with_settings({"recipe.fit.epochs": "2"})


@pytest.fixture(scope="module")
def go(tmp_path_factory, tinyscene, scenes: Path):
    """go(system, *options) -> the folder of a run that was trained with them."""

    def run(system: System, *options: object, code: int = 0):
        folder = tmp_path_factory.mktemp(system.name)
        source = folder / "mine.py"
        source.write_text(system_source(system, "dsmn-1"))
        answer = tinyscene("train", source, "--data", scenes, "--out", folder / "run", *options)
        assert answer.code == code, answer.err
        return folder / "run" if code == 0 else answer

    return run


@pytest.fixture(scope="module")
def teacher(system: System, go) -> Path:
    return go(system.but(name="teacher", recipe=system.recipe[:1]))


def weights(run: Path, stage: str) -> dict[str, torch.Tensor]:
    return torch.load(run / stage / "weights.pt", weights_only=True)


def clips(scenes: Path, part: str) -> set[str]:
    with (scenes / LISTS.format(part)).open(newline="") as stream:
        return {row["filename"] for row in csv.DictReader(stream, delimiter="\t")}


def fit(system: System) -> dict:
    """The numbers of the first stage, to give to another kind of stage."""
    return {key: value for key, value in system.recipe[0].numbers.items() if key != "name"}


def distilling(system: System) -> System:
    own = fit(system) | {"temperature": 2.0, "weight": 0.9}
    return system.but(name="student", recipe=(Spec(Distill, name="distil", **own),))


def test_a_student_learns_from_a_run_that_is_asked_once(system, go, teacher, scenes, tinyscene):
    run = go(distilling(system), "--teacher", teacher)
    table = read_table(run / "teacher.csv", None)  # type: ignore[arg-type]  # every row is good
    assert set(table.columns["file"]) == clips(scenes, "train")
    assert not set(table.columns["file"]) & clips(scenes, "evaluate"), "the student never sees test clips"
    assert json.loads((run / "run.json").read_text())["teacher"] == str(teacher)
    again = go(distilling(system), "--teacher", run / "teacher.csv")
    assert (again / "teacher.csv").read_bytes() == (run / "teacher.csv").read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(weights(run, "distil").values(), weights(again, "distil").values()))  # noqa: B905
    assert tinyscene("evaluate", run).code == 0


def test_a_student_without_a_teacher_is_told_how_to_name_one(system, go):
    assert "--teacher RUN|FILE.csv" in go(distilling(system), code=2).err


def test_a_teacher_of_other_classes_or_fewer_clips_is_refused(system, go, tmp_path):
    path = tmp_path / "logits.csv"
    path.write_text("file,dog,cat\naudio/x.wav,1.5,2\n")
    assert "must have the columns file, airport, bus" in go(distilling(system), "--teacher", path, code=2).err
    names = sorted(load_system("dsmn-1").task.classes)
    path.write_text(f"file,{','.join(names)}\naudio/x.wav{10 * ',0.5'}\n")
    assert "lacks 70 of 70 training clips" in go(distilling(system), "--teacher", path, code=2).err


def test_a_teacher_that_heard_the_test_clips_is_a_leak(system, go, scenes, tinyscene):
    whole = go(system.but(name="whole", recipe=system.recipe[:1]), "--whole")
    refused = go(distilling(system), "--teacher", whole, code=2)
    assert "was trained on 90 of the student's test clips" in refused.err
    student = go(distilling(system), "--teacher", whole, "--leak")
    assert tinyscene("evaluate", student).code == 0
    assert json.loads((student / "evaluation.json").read_text())["leaked"] == 90
    assert "leak: the teacher was trained on 90" in (student / "report" / "index.html").read_text()
    table = read_table(student / "teacher.csv", None)  # type: ignore[arg-type]
    assert set(table.columns["file"]) == clips(scenes, "train")
    assert (leaked(student), leaked(whole)) == (90, 0)
    handed_down = go(distilling(system), "--teacher", student, code=2)
    assert "learned from one that was trained on 90 of its test clips" in handed_down.err


def test_a_leak_shows_under_other_names_of_the_clips_too(system, go, scenes, tmp_path):
    """Another edition of a set cuts the same recordings into clips of other names."""
    shutil.copytree(scenes, other := tmp_path / "other")
    for path in (other / "audio").iterdir():
        path.rename(path.with_stem(f"{path.stem.rpartition('-')[0]}9-{path.stem.rpartition('-')[2]}"))
    for path in (other / "meta.csv", *(other / "evaluation_setup").iterdir()):
        path.write_text(re.sub(r"-(\w+)\.wav", r"9-\1.wav", path.read_text()))
    teacher = system.but(name="teacher", recipe=system.recipe[:1])
    run = go(teacher, "--data", other, "--whole")
    assert not {str(path.name) for path in (other / "audio").iterdir()} & {
        path.name for path in (scenes / "audio").iterdir()
    }
    assert "was trained on 90 of the student's test clips" in go(distilling(system), "--teacher", run, code=2).err
    go(distilling(system), "--teacher", go(teacher, "--data", other))  # with the same split nothing leaks


def test_a_teacher_whom_nobody_hears_is_refused(system, go, teacher, tmp_path):
    mine = system.but(name="deaf", recipe=system.recipe[:1])
    assert "no stage of deaf learns from a teacher; leave --teacher away" in go(mine, "--teacher", teacher, code=2).err
    gone = go(distilling(system), "--teacher", tmp_path / "gone", code=2)
    assert "gone does not exist; name a run folder, or a CSV" in gone.err


def test_a_teachers_weight_is_a_share(system):
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingError, match=r"distil\.weight takes 0 to 1"):
            distilling(system).recipe[0].but(weight=weight).build()


def test_a_network_teaches_itself_and_is_halved(system, go, tinyscene, untimed):
    stage = Spec(SelfDistill, name="distil", temperature=2.0, **fit(system))
    mine = system.but(name="selftaught", recipe=(system.recipe[0], stage, Spec(Half)))
    run = go(mine)
    first, second = weights(run, "fit"), weights(run, "distil")
    assert any(not torch.equal(first[key], second[key]) for key in first)
    assert tinyscene("compress", run).code == 0
    half = weights(run, "fp16")
    assert {value.dtype for value in half.values() if value.is_floating_point()} == {torch.float16}
    assert all(torch.equal(half[key], value.half()) for key, value in second.items() if value.is_floating_point())
    assert tinyscene("export", run).code == 0
    assert tinyscene("evaluate", run).code == 0
    said = json.loads((run / "evaluation.json").read_text())
    assert list(said["stages"]) == ["fit", "distil", "fp16"]
    assert said["complexity"]["fp16"]["bytes"] * 2 == said["complexity"]["fit"]["bytes"]
    (name, exported), *_ = said["exported"].items()
    assert name == "selftaught-fp16-features.onnx"
    assert exported["accuracy"] == said["stages"]["fp16"]["accuracy"]
    counted = tinyscene("complexity", run / name, "--json")
    assert counted.code == 0, counted.err
    assert "float16" in counted.out


def test_self_teaching_that_was_interrupted_ends_with_the_same_weights(system, go, monkeypatch, tinyscene, scenes):
    from tinyscene.train.keeper import Keeper

    stage = Spec(SelfDistill, name="distil", temperature=2.0, **fit(system) | {"epochs": 3})
    mine = system.but(name="selftaught", recipe=(stage,))
    whole = go(mine)
    written = Keeper.on_train_epoch_end

    def stop_after_the_second(keeper, trainer, module):
        written(keeper, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_epoch_end", stop_after_the_second)
        source, out = whole.parent / "mine.py", whole.parent / "cut"
        assert tinyscene("train", source, "--data", scenes, "--out", out).code == 130
    assert tinyscene("train", source, "--data", scenes, "--out", out, "--resume").code == 0
    a, b = weights(whole, "distil"), weights(out, "distil")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_crops_of_other_recordings_are_the_other_reading(system, go):
    numbers = fit(system) | {"validation_share": 0.0, "select": "last"}
    stage = Spec(SelfDistill, name="distil", temperature=2.0, **numbers)
    own = go(system.but(name="clipwise", recipe=(stage,)))
    other = go(system.but(name="classwise", recipe=(stage.but(views_of="class"),)))
    a, b = weights(own, "distil"), weights(other, "distil")
    assert any(not torch.equal(a[key], b[key]) for key in a)


def test_all_clips_train_and_the_last_epochs_are_averaged(system, go, tinyscene):
    stage = system.recipe[0].but(validation_share=0.0, select="mean", mean_epochs=2, epochs=3)
    run = go(system.but(name="whole", whole=True, recipe=(stage,)))
    assert tinyscene("evaluate", run).code == 0
    data = json.loads((run / "evaluation.json").read_text())["data"]
    assert data["n_train"] == 160
    assert "figures on them are no measure" in data["split"]


def test_int8_keeps_the_zeros_of_the_stage_it_begins_with(system, go, tinyscene, untimed):
    pruned = Spec(Prune, name="pruned", sparsity=0.5, every=1, **fit(system))
    mine = system.but(name="pruned", recipe=(system.recipe[0], pruned, system.recipe[1].but(after="pruned")))
    run = go(mine)
    assert tinyscene("compress", run).code == 0
    assert tinyscene("evaluate", run).code == 0
    counts = json.loads((run / "evaluation.json").read_text())["complexity"]
    assert counts["pruned"]["parameters_nonzero"] < 0.65 * counts["fit"]["parameters_nonzero"]
    assert counts["int8"]["bytes_nonzero"] < 0.75 * counts["int8"]["bytes"]
    refused = go(system.but(name="lost", recipe=(system.recipe[0].but(after="nothing"),)), code=2)
    assert "no earlier stage 'nothing'" in refused.err


def test_each_device_may_have_a_network_of_its_own(system, go, tinyscene):
    stage = Spec(PerDevice, min_clips=10, **fit(system) | {"validation_share": 0.0, "select": "last"})
    run = go(system.but(name="devices", recipe=(system.recipe[0], stage)))
    assert {key.partition("/")[0] for key in weights(run, "per_device")} == {"", "a"}
    assert tinyscene("evaluate", run).code == 0
    said = json.loads((run / "evaluation.json").read_text())["stages"]
    general, own = (said[name]["per_device"] for name in ("fit", "per_device"))
    assert general["s4"] == own["s4"]
    assert general["a"]["log_loss"] != own["a"]["log_loss"]


def test_thirty_looks_are_measured_beside_one(system, go, tinyscene):
    looks = Inference(
        group_weight=0.2,
        augment=(Spec(TimeRoll, deviation=3.0), Spec(SpecAugment, band_masks=1, band_width=4, fill=0.0)),
        repeats=3,
    )
    run = go(system.but(name="looks", inference=looks, recipe=system.recipe[:1]))
    assert tinyscene("evaluate", run).code == 0
    said = json.loads((run / "evaluation.json").read_text())
    assert list(said["stages"]) == ["fit", "fit+tta"]
    assert said["complexity"]["fit+tta"]["macs"] == 3 * said["complexity"]["fit"]["macs"]
    assert said["predictions"] == "fit/predictions-tta.csv"
    assert said["stages"]["fit"]["log_loss"] != said["stages"]["fit+tta"]["log_loss"]
    assert tinyscene("compare", run, run / "fit" / "predictions.csv").code == 0


def test_windows_may_overlap_and_the_file_does_as_the_run_did(system, go, tinyscene):
    mine = system.but(name="overlap", inference=Inference(group_weight=0.2, hop_s=0.5), recipe=system.recipe[:1])
    run = go(mine)
    assert tinyscene("export", run).code == 0
    from tinyscene.runtime import Classifier

    assert Classifier(run / "overlap-fit-features.onnx").card.hop_samples == 22_050


def test_a_temperature_is_fitted_on_clips_that_neither_trained_nor_test(system, go, tinyscene, scenes):
    from tinyscene.cli.run_verbs import opened
    from tinyscene.evaluate import Predictions, measure
    from tinyscene.pipeline.exporting import export_of

    run = go(system.but(name="calibrated", recipe=system.recipe[:1]))
    assert "measure them first" in tinyscene("calibrate", run).err
    assert tinyscene("evaluate", run).code == 0
    answer = tinyscene("calibrate", run)
    assert answer.code == 0, answer.err
    said = json.loads((run / "fit" / "temperature.json").read_text())
    assert 0.05 <= said["temperature"] <= 20
    assert said["fitted_on"] == len(read_table(scenes / LISTS.format("train"), None).lines) - fitted_clips(run)  # type: ignore[arg-type]
    before = Predictions.read_csv(run / "fit" / "predictions.csv")
    after = Predictions.read_csv(run / "fit" / "predictions-calibrated.csv")
    assert (before.predicted == after.predicted).all()
    assert f"at temperature {said['temperature']:.3f}" in answer.out
    told = export_of(opened(run)[0], run).claims  # of the file as it answers: at the temperature
    figures, uncalibrated = measure(after), measure(before)
    for key in ("n", "accuracy", "macro_accuracy", "log_loss"):
        assert told[key] == pytest.approx(figures[key], rel=1e-4), key
    assert abs(told["log_loss"] - uncalibrated["log_loss"]) > 1e-3


def fitted_clips(run: Path) -> int:
    """Clips that the stage fit was trained on."""
    from tinyscene.cli.run_verbs import opened

    prepared, _ = opened(run)
    return len(prepared.crops(0.3, "whole")[0].rows)
