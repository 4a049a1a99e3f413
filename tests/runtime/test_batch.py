"""classify_tree: as the classifier says of each file; order, bad files, hard names, kills, what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.audio import decode
from tinyscene.errors import DataError, OutputError, SettingError
from tinyscene.runtime import Classifier, batch, batch_journal
from tinyscene.runtime.batch import classify_tree, in_order, scores_of

RATE = 8_000
pytestmark = pytest.mark.filterwarnings("ignore::tinyscene.runtime.ShortClipWarning")


def sound(seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    f_hz = rng.uniform(100, 3_900)
    hiss = 1e-2 * rng.standard_normal(round(seconds * RATE))
    return 0.3 * np.sin(2 * np.pi * f_hz * np.arange(len(hiss)) / RATE) + hiss


def save(path: Path, seed: int = 0, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:  # soundfile does not open every name
        soundfile.write(file, sound(seconds, seed), RATE, format="WAV")
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 clips in folders, two of which are no audio."""
    root = tmp_path_factory.mktemp("many")
    for i in range(20):
        save(root / f"{'ab'[i % 2]}/{i:02}.wav", i, 0.5 + 0.25 * (i % 7))
    for name in ("a/06.wav", "b/13.wav"):
        (root / name).write_bytes(b"no sound at all")
    return root


def rows(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def unescaped(name: str) -> str:
    r"""The name again, by what the help says: where \x80 to \xff stand in it, they are bytes and \\ is a backslash."""
    if not re.search(r"\\x[89a-f][0-9a-f]", name):
        return name
    return os.fsdecode(
        re.sub(rb"\\(?:(\\)|x([0-9a-f]{2}))", lambda m: m[1] or bytes.fromhex(m[2].decode()), name.encode())
    )


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".onnx")


# ---- the same answers ----


@pytest.mark.parametrize("each", ["file", "window"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rows_are_what_the_classifier_says(tiny_model, many, tmp_path, form, each):
    classifier, out = Classifier(tiny_model()), tmp_path / f"out.{form}"
    summary = classify_tree(classifier, many, out, form, each, hop_s=0.4)
    expected = []
    for path in sorted(many.rglob("*.wav")):
        if path.stat().st_size > 100:
            for decision in classifier.classify(path, 0.4, top_k=2, each_window=each == "window"):
                score = {entry["label"]: entry["score"] for entry in decision.top}
                about = (path.relative_to(many).as_posix(), decision.start_s, decision.end_s, decision.label)
                expected.append((*about, decision.score, score["low"], score["high"]))
    if form == "csv":
        header, *lines = rows(out)
        assert header == ["file", "start_s", "end_s", "label", "score", "low", "high"]
        came = [(f, float(a), float(b), label, *map(float, rest)) for f, a, b, label, *rest in lines]
    else:
        came = []
        for line in out.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            assert list(row["scores"]) == ["low", "high"]
            came.append((*(row[key] for key in batch.COLUMNS), *row["scores"].values()))
    assert came == expected
    assert (summary.files, summary.used, summary.rows) == (20, 18, len(expected))
    assert len(expected) == 18 or each == "window"


def test_scores_come_in_the_order_of_the_labels(tiny_model, many):
    classifier = Classifier(tiny_model())
    windows = classifier.windows(*soundfile.read(many / "a/00.wav", dtype="float32"))
    (decision,) = classifier.classify(many / "a/00.wav", top_k=2)
    np.testing.assert_allclose(
        scores_of(decision, classifier.labels), classifier.probabilities(windows).mean(axis=0), rtol=1e-6
    )


def test_order_is_that_of_the_files_whatever_the_workers(tiny_model, many, tmp_path, monkeypatch):
    classify_tree(tiny_model(), many, tmp_path / "one.csv", workers=1)
    plain = decode.audio_blocks

    def slow_first(path):
        time.sleep(0.3 if str(path).endswith("00.wav") else 0)
        return plain(path)

    monkeypatch.setattr(decode, "audio_blocks", slow_first)
    told = []
    classify_tree(
        tiny_model(), many, tmp_path / "four.csv", workers=4, progress=lambda done, total: told.append((done, total))
    )
    assert (tmp_path / "four.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert (tmp_path / "four.bad.csv").read_bytes() == (tmp_path / "one.bad.csv").read_bytes()
    assert told == [(i, 20) for i in range(1, 21)]


def test_work_runs_a_few_items_ahead_and_no_further():
    taken = []

    def items():
        for i in range(1_000):
            taken.append(i)
            yield i

    results = in_order(lambda i: i * i, items(), 2)
    assert [next(results) for _ in range(10)] == [i * i for i in range(10)]
    assert len(taken) < 10 + 4 * 2 + 1
    results.close()


# ---- what is found ----


def test_hard_names_come_back_from_csv_and_json(tiny_model, tmp_path, monkeypatch):
    names = ["grün/Straße 東京 🚋.wav", "line\nfeed.wav", "carriage\rreturn.wav", 'a "quoted", name;.wav', " .wav"]
    names += [os.fsdecode(b"no utf-8 \xff.wav"), r"no utf-8 \xff.wav", r"no utf-8 \\xff.wav"]  # the last two are UTF-8
    try:
        for i, name in enumerate(names):
            save(tmp_path / "tree" / name, i)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")

    @contextlib.contextmanager
    def not_about_decoding(path):
        sound, rate = soundfile.read(io.BytesIO(Path(path).read_bytes()), dtype="float32")
        yield decode.AudioBlocks(rate, 1, iter([sound[None]]))

    monkeypatch.setattr(decode, "audio_blocks", not_about_decoding)
    classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "out.csv")
    classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "out.jsonl", "jsonl")
    assert [unescaped(row[0]) for row in rows(tmp_path / "out.csv")[1:]] == sorted(names)
    text = (tmp_path / "out.jsonl").read_text(encoding="utf-8")  # valid UTF-8, in spite of the one that is not
    assert [json.loads(line)["file"] for line in text.split("\n")[:-1]] == sorted(names)
    assert "東京 🚋" in text


def test_names_that_are_no_utf_8_are_told_and_gone_on_from(tiny_model, tmp_path):
    """Good and bad ones: both CSVs are UTF-8, and a run that was cut off goes on to the same bytes."""
    tree, out, model = tmp_path / "tree", tmp_path / "out.csv", tiny_model()
    names = [os.fsdecode(name) for name in (b"a\xe9.wav", b"b\xff.wav", b"c\\\xc3.wav", rb"d\xe9.wav")]
    try:
        for i, name in enumerate(names):
            save(tree / name, i)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    (tree / names[1]).write_bytes(b"no sound at all")
    summary = classify_tree(model, tree, tmp_path / "whole.csv")
    assert [row[0] for row in rows(tmp_path / "whole.csv")[1:]] == [r"a\xe9.wav", r"c\\\xc3.wav", r"d\\xe9.wav"]
    assert [row[0] for row in rows(tmp_path / "whole.bad.csv")[1:]] == [r"b\xff.wav"]
    assert r"b\xff.wav" in rows(tmp_path / "whole.bad.csv")[1][1]
    assert [name for name, _ in summary.bad] == [names[1]]
    for n in (1, 3):
        cut_off(model, tree, out, n)
        assert classify_tree(model, tree, out, resume=True).before == n
        assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
        assert (tmp_path / "out.bad.csv").read_bytes() == (tmp_path / "whole.bad.csv").read_bytes()
    assert classify_tree(model, tree, out, resume=True).before == 4


def test_links_and_hidden_names(tiny_model, tmp_path):
    tree = tmp_path / "tree"
    save(tree / "a" / "1.wav")
    save(tree / "a-b" / "2.WAV")
    save(tree / ".hidden" / "3.wav")
    save(tree / "a" / "._1.wav")
    (tree / "a" / "loop").symlink_to(tree)
    (tree / "self").symlink_to("self")
    (tree / "linked.wav").symlink_to(tree / "a" / "1.wav")
    (tree / "folder.wav").mkdir()
    (tree / "notes.txt").write_text("no audio")
    summary = classify_tree(tiny_model(), tree, tmp_path / "out.csv")
    assert [row[0] for row in rows(tmp_path / "out.csv")[1:]] == ["a/1.wav", "a-b/2.WAV", "linked.wav"]
    assert summary.links == ("a/loop",)
    assert classify_tree(tiny_model(), tree, tmp_path / "out.csv", skip_hidden=False).files == 5


def test_a_dead_link_a_pipe_and_an_unreadable_folder_are_listed(tiny_model, tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    save(tree / "1.wav")
    (tree / "dead.wav").symlink_to("nowhere.wav")
    os.mkfifo(tree / "pipe.wav")
    (tree / "secret").mkdir()
    scandir = os.scandir

    def locked(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    summary = classify_tree(tiny_model(), tree, tmp_path / "out.csv")
    assert [name for name, _ in summary.bad] == ["dead.wav", "pipe.wav", "secret"]
    assert "Permission denied" in summary.bad[-1][1]


def test_several_places_name_files_as_given_and_each_once(tiny_model, tmp_path):
    one, two = save(tmp_path / "x" / "1.wav"), save(tmp_path / "x" / "deep" / "2.wav", 1)
    other = save(tmp_path / "y" / "1.other", 2)  # named by hand: its suffix is no matter
    given = [tmp_path / "x", tmp_path / "x" / "deep", other]
    summary = classify_tree(tiny_model(), given, tmp_path / "out.csv")
    assert [row[0] for row in rows(tmp_path / "out.csv")[1:]] == [str(one), str(two), str(other)]
    assert summary.rows == 3


def test_nothing_to_do_is_told(tiny_model, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no audio")
    with pytest.raises(DataError, match=r"empty holds no audio files. Taken are \.wav"):
        classify_tree(tiny_model(), tmp_path / "empty", tmp_path / "out.csv")
    with pytest.raises(DataError, match=r"nowhere, .*nor: no such file or folder"):
        classify_tree(tiny_model(), [tmp_path / "nowhere", tmp_path / "nor"], tmp_path / "out.csv")
    with pytest.raises(DataError, match="no folder holds no audio"):
        classify_tree(tiny_model(), [], tmp_path / "out.csv")
    assert files_in(tmp_path) == ["empty"]


def test_output_may_lie_inside_the_tree(tiny_model, tmp_path):
    save(tmp_path / "tree" / "1.wav")
    (tmp_path / "tree" / "2.wav").write_bytes(b"")
    for _ in range(2):
        assert classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "tree" / "out.csv").files == 2
    assert files_in(tmp_path / "tree") == ["1.wav", "2.wav", "out.bad.csv", "out.csv", "out.csv.journal"]


# ---- what cannot be used ----


def test_bad_files_are_listed_and_the_rest_is_done(tiny_model, many, tmp_path):
    summary = classify_tree(tiny_model(), many, tmp_path / "out.csv")
    header, *listed = rows(summary.bad_list)
    assert header == ["file", "why"]
    assert [tuple(row) for row in listed] == list(summary.bad)
    assert [row[0] for row in listed] == ["a/06.wav", "b/13.wav"]
    assert "cannot be decoded" in listed[0][1] or "no audio" in listed[0][1]
    assert files_in(tmp_path) == ["out.bad.csv", "out.csv", "out.csv.journal"]


def test_list_of_bad_files_goes_when_there_are_none(tiny_model, tmp_path):
    save(tmp_path / "tree" / "1.wav")
    (tmp_path / "tree" / "2.wav").write_bytes(b"")
    classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "out.csv")
    save(tmp_path / "tree" / "2.wav")
    assert classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "out.csv").bad == ()
    assert files_in(tmp_path) == ["out.csv", "out.csv.journal", "tree"]


def test_each_output_has_a_list_of_bad_files_of_its_own(tiny_model, tmp_path):
    save(tmp_path / "tree" / "1.wav")
    (tmp_path / "tree" / "2.wav").write_bytes(b"")
    lists = [
        classify_tree(tiny_model(), tmp_path / "tree", tmp_path / f"out.{form}", form).bad_list
        for form in ("csv", "jsonl")
    ]
    assert [path.name for path in lists] == ["out.bad.csv", "out.jsonl.bad.csv"]
    assert lists[0].read_bytes() == lists[1].read_bytes()


def test_only_bad_files_leave_an_older_output_alone(tiny_model, tmp_path):
    (tmp_path / "tree").mkdir()
    for name in ("1.wav", "2.wav"):
        (tmp_path / "tree" / name).write_bytes(b"")
    (tmp_path / "out.csv").write_text("precious")
    with pytest.raises(DataError, match=r"none of 2 audio files can be used: .*1\.wav is empty.*listed in"):
        classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "precious"
    assert files_in(tmp_path) == ["out.bad.csv", "out.csv", "tree"]


def test_silence_is_counted(tiny_model, tmp_path):
    save(tmp_path / "tree" / "1.wav")
    soundfile.write(tmp_path / "tree" / "2.wav", np.zeros(RATE), RATE)
    assert classify_tree(tiny_model(), tmp_path / "tree", tmp_path / "out.csv").silent == 1


def test_rates_that_leave_out_what_the_model_hears_are_counted(tiny_model, tmp_path):
    """Also those of before, when a run is gone on with."""
    tree, out = tmp_path / "tree", tmp_path / "out.csv"
    for i, rate in enumerate((4_000, RATE, 2_000)):
        soundfile.write(save(tree / f"{i}.wav", i), sound(1, i), rate)
    assert classify_tree(tiny_model(), tree, tmp_path / "whole.csv").low_rate == 2
    cut_off(tiny_model(), tree, out, 2)
    assert classify_tree(tiny_model(), tree, out, resume=True).low_rate == 2


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "00.wav does not fit in memory"),
        (OSError(5, "Input/output error"), r"00.wav cannot be used (OSError: [Errno 5] Input/output error)."),
        (IndexError("odd"), "00.wav cannot be used (IndexError: odd)."),
    ],
)
def test_whatever_one_file_does_ends_no_run(tiny_model, many, tmp_path, monkeypatch, error, told):
    plain = decode.audio_blocks

    def odd(path):
        if str(path).endswith("00.wav"):
            raise error
        return plain(path)

    monkeypatch.setattr(decode, "audio_blocks", odd)
    summary = classify_tree(tiny_model(), many, tmp_path / "out.csv")
    assert told in summary.bad[0][1]
    assert summary.used == 17


# ---- cut off and gone on ----

KILLED = """
import os, signal, sys
from tinyscene.runtime import batch_journal
from tinyscene.runtime.batch import classify_tree
batch_journal.ITEMS = 3
def kill(done, total):
    if done == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
classify_tree(sys.argv[1], sys.argv[2], sys.argv[3], each="window", workers=2, progress=kill)
"""


def test_a_killed_run_goes_on_to_the_same_bytes(tiny_model, many, tmp_path, monkeypatch):
    model, out = tiny_model(), tmp_path / "out.csv"
    whole = classify_tree(model, many, tmp_path / "whole.csv", each="window")
    done = subprocess.run([sys.executable, "-c", KILLED, model, many, out, "11"], capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    assert not out.exists()
    for ending in ("part", "journal"):  # the kill fell into a line
        with open(tmp_path / f"out.csv.{ending}", "ab") as file:
            file.write(b'{"done": 12, "byt' + 20_000 * b"x")
    read, plain = [], decode.audio_blocks
    monkeypatch.setattr(decode, "audio_blocks", lambda path: (read.append(path), plain(path))[1])
    summary = classify_tree(model, many, out, each="window", resume=True)
    assert len(read) == 20 - 9  # every third file is told to the journal
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "out.bad.csv").read_bytes() == (tmp_path / "whole.bad.csv").read_bytes()
    assert (summary.rows, summary.bad, summary.used) == (whole.rows, whole.bad, whole.used)
    assert files_in(tmp_path) == [
        *("out.bad.csv", "out.csv", "out.csv.journal"),
        *("whole.bad.csv", "whole.csv", "whole.csv.journal"),
    ]


def stop_at(n: int):
    def progress(done: int, total: int) -> None:
        if done == n:
            raise KeyboardInterrupt

    return progress


def cut_off(model: Path, tree: Path, out: Path, n: int, **settings) -> None:
    with pytest.raises(KeyboardInterrupt):
        classify_tree(model, tree, out, progress=stop_at(n), **settings)


def test_ctrl_c_keeps_every_file_that_was_done_again_and_again(tiny_model, many, tmp_path, monkeypatch):
    model, out = tiny_model(), tmp_path / "out.jsonl"
    classify_tree(model, many, tmp_path / "whole.jsonl", "jsonl")
    cut_off(model, many, out, 5, form="jsonl", workers=1)
    cut_off(model, many, out, 14, form="jsonl", resume=True)
    read, plain = [], decode.audio_blocks
    monkeypatch.setattr(decode, "audio_blocks", lambda path: (read.append(path), plain(path))[1])
    classify_tree(model, many, out, "jsonl", resume=True)
    assert len(read) == 6
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (tmp_path / "out.jsonl.bad.csv").read_bytes() == (tmp_path / "whole.jsonl.bad.csv").read_bytes()


def test_ctrl_c_between_any_two_lines_costs_nothing(tmp_path, monkeypatch):
    """Interrupt the growing file at every line it runs, one after the other."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(batch_journal, "ITEMS", 2)
    names = [f"{i}.wav" for i in range(6)]
    expected = b"begin\n" + b"".join(f"{name}\n".encode() for name in names if name != "3.wav")

    def tracer(n_lines: int):
        left = [n_lines]

        def trace(frame, event, _):
            if frame.f_code.co_filename != batch_journal.__file__ or frame.f_code.co_name not in ("add", "_commit"):
                return None
            left[0] -= event == "line"
            if left[0] == 0:
                raise KeyboardInterrupt
            return trace

        return trace

    def grow(n_lines: int) -> bool:
        before, stopped = sys.gettrace(), False
        output = batch_journal.GrowingFile(tmp_path / "out", names, {"a": 1}, b"begin\n", resume=True)
        sys.settrace(tracer(n_lines))
        try:
            for name in names[output.done :]:
                bad = "bad" * (name == "3.wav")
                output.add(b"" if bad else f"{name}\n".encode(), bad, rows=not bad)
        except KeyboardInterrupt:
            stopped = True
        finally:
            sys.settrace(before)
            output.keep()
        if not stopped:
            output = batch_journal.GrowingFile(tmp_path / "out", names, {"a": 1}, b"begin\n", resume=True)
            assert (output.done, output.counts, output.bad) == (6, {"rows": 5}, [("3.wav", "bad")])
            output.finish()
            assert (tmp_path / "out").read_bytes() == expected
            (tmp_path / "out").unlink()
        return stopped

    n_lines = 1
    while grow(n_lines):
        while grow(10_000):
            pass
        n_lines += 1
    assert n_lines > 60


def test_ctrl_c_before_the_first_file_leaves_nothing(tiny_model, many, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "in_order", lambda *_: stopping())

    def stopping():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        classify_tree(tiny_model(), many, tmp_path / "out.csv")
    assert files_in(tmp_path) == []


def test_a_full_disk_is_told_and_gone_on_from(tiny_model, many, tmp_path, monkeypatch):
    model, out = tiny_model(), tmp_path / "out.csv"
    classify_tree(model, many, tmp_path / "whole.csv")
    fsync, n = os.fsync, [0]

    def full(descriptor):
        n[0] += 1
        if n[0] > 3:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(batch_journal, "ITEMS", 4)
    with pytest.raises(OutputError, match=r"out\.csv cannot be written: No space left.*--resume"):
        classify_tree(model, many, out)
    monkeypatch.setattr(os, "fsync", fsync)
    told = []
    classify_tree(model, many, out, resume=True, progress=lambda done, total: told.append(done))
    assert told[0] == 9
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_run_that_was_cut_off_is_not_overwritten(tiny_model, many, tmp_path):
    cut_off(tiny_model(), many, tmp_path / "out.csv", 5)
    with pytest.raises(OutputError, match="cut off; go on with --resume, delete it"):
        classify_tree(tiny_model(), many, tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"each": "window"}, "each 'file', 'window' came"),
        ({"hop_s": 0.5}, r"hop None, 0\.5 came"),
        ({"form": "jsonl"}, "form 'csv', 'jsonl' came"),
        ({"model": "other"}, "model '"),
        ({"model": "careful"}, r"unknown_below 0\.0, 0\.9 came"),
    ],
)
def test_other_settings_do_not_go_on(tiny_model, many, tmp_path, change, told):
    settings = {"model": tiny_model(), "paths": many, "out": tmp_path / "out.csv"}
    cut_off(settings["model"], many, settings["out"], 5)
    if "model" in change:
        other = {"other": lambda: tiny_model("other.onnx", version="0.0.1")}
        other["careful"] = lambda: Classifier(settings["model"], unknown_below=0.9)
        change = {"model": other[change["model"]]()}
    with pytest.raises(SettingError, match=told):
        classify_tree(**(settings | change), resume=True)


def test_files_that_came_or_went_meanwhile(tiny_model, tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out.csv"
    for i in range(8):
        save(tree / f"{i}.wav", i)
    cut_off(tiny_model(), tree, out, 5)
    added = save(tree / "00.wav")
    with pytest.raises(DataError, match="some of the first 5 were added or removed"):
        classify_tree(tiny_model(), tree, out, resume=True)
    added.unlink()
    save(tree / "9.wav", 9)  # behind those that are done: no matter
    assert classify_tree(tiny_model(), tree, out, resume=True).rows == 9


def test_resume_with_nothing_to_go_on_from_begins(tiny_model, many, tmp_path):
    (tmp_path / "out.csv.part").write_text("what?")
    (tmp_path / "out.csv.journal").write_text("5\n[]\nwhat?")
    assert classify_tree(tiny_model(), many, tmp_path / "out.csv", resume=True).rows == 18


# ---- refused before anything is begun ----


@pytest.mark.parametrize(
    "wrong", [{"form": "xml"}, {"each": "minute"}, {"workers": 0}, {"hop_s": 0.0}, {"hop_s": float("nan")}]
)
def test_settings_out_of_range(tiny_model, many, tmp_path, wrong):
    with pytest.raises(SettingError):
        classify_tree(tiny_model(), many, tmp_path / "out.csv", **wrong)
    assert files_in(tmp_path) == []


def test_a_place_that_cannot_be_written(tiny_model, many, tmp_path):
    with pytest.raises(OutputError, match="Check that the folder exists"):
        classify_tree(tiny_model(), many, tmp_path / "no" / "out.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        classify_tree(tiny_model(), many, tmp_path / "folder.csv")


# ---- two runs at once ----

HOLDS = """
import sys, time
from pathlib import Path
from tinyscene.runtime.batch_journal import GrowingFile
held = GrowingFile(Path(sys.argv[1]), ["a"], {}, b"", False)
print("held", flush=True)
time.sleep(60)
"""


def test_two_runs_do_not_write_one_output(tiny_model, many, tmp_path):
    out = tmp_path / "out.csv"
    with subprocess.Popen([sys.executable, "-c", HOLDS, out], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for resume in (False, True):
            with pytest.raises(OutputError, match=r"out\.csv is being written by another run, .*choose another --out"):
                classify_tree(tiny_model(), many, out, resume=resume)
        other.kill()
    assert files_in(tmp_path) == ["out.csv.journal", "out.csv.lock", "out.csv.part"]
    classify_tree(tiny_model(), many, out)  # what was killed holds nothing
    assert files_in(tmp_path) == ["out.bad.csv", "out.csv", "out.csv.journal"]


def test_a_second_run_in_the_same_process_is_refused_and_disturbs_nothing(tmp_path):
    first = batch_journal.GrowingFile(tmp_path / "out", ["a", "b"], {}, b"", False)
    first.add(b"a")
    with pytest.raises(OutputError, match="another run"):
        batch_journal.GrowingFile(tmp_path / "out", ["a", "b"], {}, b"", False)
    first.add(b"b")
    first.finish()
    assert (tmp_path / "out").read_bytes() == b"ab"
    assert files_in(tmp_path) == ["out", "out.journal"]


@pytest.mark.parametrize(
    "change",
    [
        {"told": "x"},
        {"bad": [3]},
        {"bad": 0},
        {"done": -1},
        {"done": None},
        {"bytes": 10**9},
        {"counts": []},
        {"names": 1},
    ],
)
def test_a_journal_that_says_other_things_ends_there(tiny_model, many, tmp_path, change):
    """Its last good line counts."""
    model, out = tiny_model(), tmp_path / "out.csv"
    classify_tree(model, many, tmp_path / "whole.csv")
    cut_off(model, many, out, 5, workers=1)
    journal = tmp_path / "out.csv.journal"
    last = json.loads(journal.read_bytes().splitlines()[-1])
    journal.write_bytes(journal.read_bytes() + json.dumps(last | change).encode() + b"\n")
    classify_tree(model, many, out, resume=True)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


# ---- an output that is whole ----


def test_an_output_that_is_whole_stays_and_nothing_is_read_again(tiny_model, many, tmp_path, monkeypatch):
    model, out = tiny_model(), tmp_path / "out.csv"
    first = classify_tree(model, many, out)
    before = out.read_bytes(), out.stat().st_mtime_ns
    monkeypatch.setattr(decode, "audio_blocks", lambda path: pytest.fail(f"{path} was read"))
    again = classify_tree(model, many, out, resume=True)
    assert (out.read_bytes(), out.stat().st_mtime_ns) == before
    assert (first.before, again.before, first.files) == (0, 20, 20)
    assert (again.used, again.rows, again.silent, again.bad) == (first.used, first.rows, first.silent, first.bad)
    monkeypatch.undo()
    assert classify_tree(model, many, out).before == 0, "without resume it is written anew"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"each": "window", "hop_s": 0.5}, r"out\.csv was made with each 'file', 'window' came, hop None, 0\.5 came\."),
        ({"model": "other"}, r"made with model '[0-9a-f]{12}\.\.\.', '[0-9a-f]{12}\.\.\.' came\."),
    ],
)
def test_an_output_of_other_settings_is_not_overwritten(tiny_model, many, tmp_path, change, told):
    settings = {"model": tiny_model(), "paths": many, "out": tmp_path / "out.csv"}
    classify_tree(**settings)
    before = settings["out"].read_bytes()
    if "model" in change:
        change = {"model": tiny_model("other.onnx", version="0.0.1")}
    with pytest.raises(SettingError, match=told + " Leave --resume away to write it anew, or choose another --out"):
        classify_tree(**(settings | change), resume=True)
    assert settings["out"].read_bytes() == before


@pytest.mark.parametrize("what", ["journal", "files", "rows"])
def test_an_output_that_nothing_vouches_for_is_not_overwritten(tiny_model, tmp_path, what):
    tree, out = tmp_path / "tree", tmp_path / "out.csv"
    for i in range(3):
        save(tree / f"{i}.wav", i)
    classify_tree(tiny_model(), tree, out)
    if what == "journal":
        (tmp_path / "out.csv.journal").unlink()
    elif what == "files":
        save(tree / "3.wav", 3)
    else:
        out.write_bytes(out.read_bytes() + b"mine\n")
    told = {"journal": "does not say what it was made with", "files": "of 3 files; 4 came", "rows": "was changed since"}
    before = out.read_bytes()
    with pytest.raises((OutputError, DataError), match=told[what]):
        classify_tree(tiny_model(), tree, out, resume=True)
    assert out.read_bytes() == before


def test_where_nothing_was_done_nothing_is_promised(tiny_model, many, tmp_path):
    with pytest.raises(OutputError) as caught:
        classify_tree(tiny_model(), many, tmp_path / "no" / "out.csv")
    assert "--resume" not in str(caught.value)
