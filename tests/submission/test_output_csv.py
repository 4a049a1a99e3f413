"""Output files: the official refusals, ours on top, and 118,800 rows with flat memory."""

from __future__ import annotations

import io
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from tinyscene.errors import DataError, OutputError
from tinyscene.submission import EDITIONS, check_output, read_rows, write_output
from tinyscene.submission.output_csv import bounded_lines

CLASSES = ("indoor", "outdoor", "transportation")
GOOD = [
    "filename\tscene_label\tindoor\toutdoor\ttransportation\n",
    "audio/0.wav\tindoor\t0.5\t0.25\t0.25\n",
    "2.wav\toutdoor\t0\t1\t0\n",
    "x/y/1.wav\ttransportation\t0.2\t0.3\t5e-1\n",
]


def test_what_the_validators_accept():
    assert check_output(GOOD, CLASSES, 3) == []
    assert check_output(GOOD, CLASSES) == []
    assert check_output([line.replace("\n", "\r\n") for line in GOOD], CLASSES, 3) == []
    assert check_output([*GOOD[:-1], GOOD[-1].rstrip()], CLASSES, 3) == []  # no line feed at the end


@pytest.mark.parametrize(
    ("line", "row", "told"),
    [
        (1, "filename\tscene_label\tindoor\toutdoor", "line 1: the columns must be"),
        (1, "filename\tscene_label\toutdoor\tindoor\ttransportation", "line 1: the columns must be"),
        (1, "", "line 1: the columns must be"),
        (
            1,
            GOOD[0].replace("\t", ",").strip(),
            "line 1: the columns must be filename scene_label indoor outdoor transp",
        ),
        (2, "0.wav\tindoor\t0.5\t0.5", "line 2: 5 columns are needed, 4 came"),
        (2, "", "line 2: 5 columns are needed, 0 came"),
        (2, "0.wav\tindoor\t0.5\t0.25\t0.25\t0", "line 2: 5 columns are needed, 6 came"),
        (2, "0.flac\tindoor\t0.5\t0.25\t0.25", "line 2: '0.flac' must end in .wav"),
        (2, "a.wav\tindoor\t0.5\t0.25\t0.25", "line 2: 'a.wav' must be a whole number"),
        (2, "-1.wav\tindoor\t0.5\t0.25\t0.25", "line 2: '-1.wav' must be a whole number"),
        (2, "3.wav\tindoor\t0.5\t0.25\t0.25", "line 2: '3.wav' lies outside 0.wav to 2.wav"),
        (3, "b/0.wav\tindoor\t0.5\t0.25\t0.25", "line 3: the file b/0.wav stands twice"),
        (2, "0.wav\tbus\t0.5\t0.25\t0.25", "line 2: the label 'bus' is none of"),
        (2, "0.wav\tindoor\thalf\t0.25\t0.25", "line 2: a probability is no number"),
        (2, "0.wav\tindoor\t\t0.25\t0.25", "line 2: a probability is no number"),
        # ours
        (2, "0.wav\tindoor\t0.5\t0.25\t0.2", "line 2: the probabilities sum to 0.95"),
        (2, "0.wav\tindoor\t0.5\t0.25\t0.2515", "line 2: the probabilities sum to 1.0015"),
        (2, "0.wav\tindoor\t1.5\t-0.25\t-0.25", "line 2: a probability lies outside 0 to 1"),
        (2, "0.wav\tindoor\tnan\t0.5\t0.5", "line 2: a probability lies outside 0 to 1"),
        (2, "0.wav\tindoor\t0.5\tnan\t0.5", "line 2: a probability lies outside 0 to 1"),
        (2, "0.wav\tindoor\tinf\t0\t0", "line 2: a probability lies outside 0 to 1"),
        (2, "0.wav\toutdoor\t0.5\t0.25\t0.25", "line 2: the label is outdoor, the most probable class is indoor"),
    ],
)
def test_each_mistake_is_told_with_its_line(line, row, told):
    lines = [*GOOD[: line - 1], row + "\n", *GOOD[line:]]
    (problem, *_) = check_output(lines, CLASSES, 3)
    assert problem.startswith(told)


@pytest.mark.parametrize(
    ("line", "row", "told"),
    [
        (1, "\ufeff" + GOOD[0].strip(), "byte order mark (BOM) stands before it: save the file as UTF-8 without one"),
        (1, GOOD[0].strip().replace("indoor", '"indoor"'), 'a quote (") stands in it'),
        (2, '"0.wav\tindoor\t0.5\t0.25\t0.25', 'line 2: a quote (") stands in it; output files have none: "0.wav'),
        (3, '2.wav\toutdoor\t0\t1\t0"', 'line 3: a quote (") stands in it'),
        (2, "\udcffaudio/0.wav\tindoor\t0.5\t0.25\t0.25", "line 2: the byte 0xff is no UTF-8; save the file as UTF-8"),
    ],
)
def test_letters_that_do_not_belong(line, row, told):
    lines = [*GOOD[: line - 1], row + "\n", *GOOD[line:]]
    (problem, *more) = check_output(lines, CLASSES, 3)
    assert told in problem
    assert more == []  # the rows behind it are read as they are


def test_a_line_without_end_comes_in_pieces():
    stream = io.StringIO("".join(GOOD) + "x" * 100_000)
    longest = 0
    for line in bounded_lines(stream):
        longest = max(longest, len(line))
    assert longest == 10_000
    stream.seek(0)
    problems = check_output(bounded_lines(stream), CLASSES, 3)
    assert problems[0] == "line 5: 5 columns are needed, 1 came"


def test_counts():
    assert check_output(GOOD[:3], CLASSES, 3) == ["3 rows are needed, 2 came"]
    assert check_output(GOOD[:1], CLASSES) == ["there is no row"]
    assert "numbered 0 to 1" in check_output(GOOD[:3], CLASSES)[0]  # 0 and 2


def test_a_tie_may_have_either_label_and_small_roundings_pass():
    for label in ("indoor", "outdoor"):
        assert check_output([GOOD[0], f"0.wav\t{label}\t0.4\t0.4\t0.2009\n"], CLASSES, 1) == []


def test_all_problems_come_at_once_but_twenty():
    lines = [GOOD[0], *(f"{i}.wav\tbus\t0.5\t0.25\t0.25\n" for i in range(50))]
    problems = check_output(lines, CLASSES, 50)
    assert len(problems) == 21
    assert problems[-1] == "and 30 more"
    assert problems[4].startswith("line 6:")


def test_write_reads_back_and_classes_find_their_columns(tmp_path: Path, predicted):
    classes = EDITIONS["2022"].classes
    path = predicted(classes, 7, shuffled=True)
    rows = list(read_rows(path, classes))
    assert write_output(tmp_path / "out.csv", iter(rows), classes, 7) == 7
    text = (tmp_path / "out.csv").read_text()
    assert check_output(text.splitlines(), classes, 7) == []
    first = dict(zip(text.splitlines()[0].split("\t"), text.splitlines()[1].split("\t"), strict=True))
    ours = path.read_text().splitlines()
    mine = dict(zip(ours[0].split(","), ours[1].split(","), strict=True))
    assert first["scene_label"] == mine["predicted"]
    assert all(float(first[name]) == pytest.approx(float(mine[name]), rel=1e-8) for name in classes)


def test_nothing_is_written_by_halves(tmp_path: Path):
    bad = iter([("0.wav", [0.5, 0.25, 0.25]), ("1.wav", [0.5, 0.25, 0.2])])
    with pytest.raises(DataError, match=r"line 3: the probabilities sum to 0.95"):
        write_output(tmp_path / "out.csv", bad, CLASSES, 2)

    def breaks():
        yield "0.wav", [0.5, 0.25, 0.25]
        raise DataError("line 7 is broken")

    with pytest.raises(DataError, match="line 7"):
        write_output(tmp_path / "out.csv", breaks(), CLASSES, 2)
    with pytest.raises(OutputError, match="cannot be written"):
        write_output(tmp_path / "none" / "out.csv", iter([("0.wav", [1.0, 0, 0])]), CLASSES)
    assert list(tmp_path.iterdir()) == []


def test_predictions_that_cannot_be_read(tmp_path: Path, predicted):
    with pytest.raises(DataError, match="cannot be read"):
        list(read_rows(tmp_path / "none.csv", CLASSES))
    path = predicted(CLASSES, 3)
    with pytest.raises(DataError, match="must have the columns"):
        list(read_rows(path, EDITIONS["2022"].classes))
    path.write_text(path.read_text() + "9.wav,,\n")
    with pytest.raises(DataError, match="line 5: 9 columns are needed, 3 came"):
        list(read_rows(path, CLASSES))


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_stray_quote_in_predictions(tmp_path: Path, predicted, line):
    path = predicted(CLASSES, 3)
    lines = path.read_text().splitlines()
    lines[line - 1] = '"' + lines[line - 1]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf'line {line}: no row of a CSV .*stray quote \("\)'):
        list(read_rows(path, CLASSES))
    lines[line - 1] = "x" * 200_000  # more than csv takes of a field
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"{path.name}.*"):
        list(read_rows(path, CLASSES))


def test_a_byte_order_mark_in_predictions_does_no_harm(tmp_path: Path, predicted):
    path = predicted(CLASSES, 3)
    path.write_text("\ufeff" + path.read_text())
    assert len(list(read_rows(path, CLASSES))) == 3


def test_118800_rows_stream(tmp_path: Path):
    classes = EDITIONS["2022"].classes
    path = tmp_path / "predictions.csv"
    tail = ",".join(["0.0999"] * 9)
    with path.open("w") as stream:
        stream.write(f"file,device,city,recording,label,predicted,{','.join(classes)}\n")
        stream.writelines(f"audio/{i}.wav,,,,,airport,0.{i % 9 + 1009:04d},{tail}\n" for i in range(118_800))
    start = time.perf_counter()
    write_output(tmp_path / "out.csv", read_rows(path, classes), classes, 118_800)
    with (tmp_path / "out.csv").open(newline="") as lines:
        assert check_output(lines, classes, 118_800) == []
    seconds = time.perf_counter() - start
    assert seconds < 6
    tracemalloc.start()  # slows all down, so a third of the rows
    write_output(tmp_path / "out.csv", islice(read_rows(path, classes), 39_600), classes, 39_600)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 3 * peak < 30e6
