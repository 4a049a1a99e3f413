"""Whole folder trees through a model file: a row a file or a window, in the files' order, written as they come."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .. import __version__
from ..audio.tree import SUFFIXES, audio_tree
from ..errors import DataError, SettingError, TinysceneError
from ..files import write_whole
from .arguments import path_text, whole
from .batch_journal import GrowingFile
from .classifier import Classifier, Decision
from .model_file import read_model_file
from .plain_names import plain

COLUMNS = ("file", "start_s", "end_s", "label", "score")  # then one a class
_AHEAD = 4  # items in work or waiting for their turn, for each worker: what bounds the memory

Item = TypeVar("Item")
Result = TypeVar("Result")


class Answer(NamedTuple):
    """What a model says of one file: decisions with every class in their `top`; or none, and why."""

    decisions: Sequence[Decision]
    silent: bool = False
    why: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Summary:
    """What `classify_tree` did: audio files met, those that could be used, and rows written.

    silent    files that are digital silence throughout, whose rows are guesses
    low_rate  files whose sample rate leaves out frequencies that the model hears
    bad       (file, why) of what could not be used, unreadable folders too; `bad_list` is the CSV that lists it
    links     linked folders, which are not entered
    before    files that were done before this call, by a run that was cut off or that made all of `out`
    """

    files: int
    used: int
    rows: int
    silent: int
    bad: tuple[tuple[str, str], ...]
    bad_list: Path
    links: tuple[str, ...]
    before: int = 0
    low_rate: int = 0


def classify_tree(
    model: str | Path | Classifier,
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    form: str = "csv",
    each: str = "file",
    hop_s: float | None = None,
    workers: int | None = None,
    resume: bool = False,
    skip_hidden: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write `out`: file, start_s, end_s, label, score and each class's probability, a row a file or a window.

    `paths` are folders, of which all audio files below are taken, and files. Where one folder is all, files are named
    relative to it, else as given. `form` is "csv", or "jsonl" with the probabilities as the object "scores"; `each`
    "file" or "window"; `hop_s` as in `Classifier.classify`. `workers` are threads (None: one a core) and change no
    byte. `skip_hidden` passes over names that begin with a dot. Files that cannot be used are left out and listed in
    OUT.bad.csv (of out.csv: out.bad.csv). CSVs are UTF-8: names that are not stand there as `plain_names.plain` has
    them. A run that was cut off leaves OUT.part and OUT.journal, from which `resume` goes on to the same bytes. The
    journal stays beside OUT: `resume` leaves an OUT that is whole as it is, and refuses one of other settings.

    Raises:
        DataError: no audio files, or none that can be used; or with resume not the files of before.
        SettingError: a setting out of range, or with resume not that of before.
        OutputError: `out` cannot be written; a run that was cut off lies there (without resume), or an `out` of which
            no journal knows (with resume).
    """
    for field, value, takes in (("form", form, ("csv", "jsonl")), ("each", each, ("file", "window"))):
        if value not in takes:
            raise SettingError(f"classify_tree.{field} takes {' or '.join(takes)}; {value!r} came.")
    if workers is not None:
        workers = whole("classify_tree.workers", workers, 1)
    out = Path(path_text("classify_tree.out", out, SettingError))
    classifier = model if isinstance(model, Classifier) else Classifier(model)
    classifier.hop(hop_s)  # refuses what is out of range before anything is begun
    labels = classifier.labels
    several = paths if isinstance(paths, Iterable) and not isinstance(paths, (str, bytes, Path)) else [paths]
    given = [path_text("classify_tree.paths", path, SettingError) for path in several]
    base, names, links, closed = _found(given, skip_hidden)

    def work(name: str) -> tuple[bytes, Answer]:
        answer = answered(classifier, os.path.join(base, name), hop_s, each == "window")
        render = _csv_rows if form == "csv" else _json_lines
        return render(name, answer.decisions, labels), answer

    settings = {
        "tinyscene": __version__,
        "model": hashlib.sha256(read_model_file(classifier.path)[0]).hexdigest(),
        "paths": given,
        "form": form,
        "each": each,
        "hop": hop_s,
        "unknown_below": classifier.unknown_below,
        "skip_hidden": skip_hidden,
    }
    header = _csv((*COLUMNS, *labels)) if form == "csv" else b""
    bad_list = out.with_name(f"{out.stem if out.suffix.lower() == '.csv' else out.name}.bad.csv")
    output = GrowingFile(out, names, settings, header, resume)
    before = output.done
    try:
        with closing(in_order(work, islice(names, output.done, None), workers)) as results:
            for data, answer in results:
                low = answer.missing != ""
                output.add(data, answer.why, rows=len(answer.decisions), silent=answer.silent, low_rate=low)
                if progress:
                    progress(output.done, len(names))
        bad = (*output.bad, *closed)
        if bad:
            write_whole(bad_list, b"".join(_csv([*map(plain, row)]) for row in (("file", "why"), *bad)))
        else:
            bad_list.unlink(missing_ok=True)  # of an earlier run
        if len(output.bad) == len(names):
            output.drop()
            raise DataError(
                (f"none of {len(names):,} audio files can be used: " if len(names) > 1 else "")
                + bad[0][1]
                + (f" The others are listed in {bad_list}." if len(bad) > 1 else "")
            )
        output.finish()
    finally:
        output.keep()
    rows, silent, low_rate = (output.counts.get(key, 0) for key in ("rows", "silent", "low_rate"))
    return Summary(
        len(names), len(names) - len(output.bad), rows, silent, bad, bad_list, tuple(links), before, low_rate
    )


def answered(classifier: Classifier, file: str | Path, hop_s: float | None = None, each_window: bool = False) -> Answer:
    """What the model says of a file, as `Classifier.classify`; what cannot be used raises nothing but says why."""
    try:
        heard = classifier.hear(file, hop_s, len(classifier.labels), each_window)
    except TinysceneError as error:
        return Answer((), why=str(error))
    except MemoryError:
        return Answer((), why=f"{file} does not fit in memory. Cut it into shorter files.")
    except Exception as error:  # else one odd file would end a run of thousands, and each time it is gone on with
        return Answer((), why=f"{file} cannot be used ({type(error).__name__}: {error}).")
    return Answer(heard.decisions, heard.silent, missing=heard.missing)


def scores_of(decision: Decision, labels: Sequence[str]) -> list[float]:
    """The probabilities of a decision that holds every class, in the order of `labels`."""
    score = {entry["label"]: entry["score"] for entry in decision.top}
    return [score[label] for label in labels]


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """`work` of each item in the items' order, `workers` threads (None: one a core) a few items ahead of the taker.

    Decoding, resampling and onnxruntime let other threads run. Python's warnings are off meanwhile: of silent and
    short clips there may be thousands.
    """
    workers = workers or os.cpu_count() or 1
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= _AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _found(given: Sequence[str], skip_hidden: bool) -> tuple[str, list[str], list[str], list[tuple[str, str]]]:
    """The folder that names are relative to, audio files, linked folders, and (folder, why) of unreadable ones."""
    missing = [path for path in given if not os.path.exists(path)]
    if missing:
        raise DataError(f"{', '.join(missing)}: no such file or folder. Check the name.")
    base = given[0] if len(given) == 1 and os.path.isdir(given[0]) else ""
    names, links, closed = [], [], []
    for path in given:
        if not os.path.isdir(path):
            names.append(path)
            continue
        tree = audio_tree(path, skip_hidden)
        before = "" if base else path
        names += [os.path.join(before, name) for name in tree.files]
        links += [os.path.join(before, name) for name in tree.links]
        closed += [(os.path.join(before, name), why) for name, why in tree.closed]
    if len(given) > 1:  # one folder may lie in another
        names = list({os.path.abspath(name): name for name in reversed(names)}.values())[::-1]
    if not names:
        why = f"{closed[0][0]}: {closed[0][1]}" if closed else f"Taken are {' '.join(SUFFIXES)}."
        raise DataError(f"{', '.join(given) or 'no folder'} holds no audio files. {why}")
    return base, names, links, closed


def _csv_rows(name: str, decisions: Sequence[Decision], labels: Sequence[str]) -> bytes:
    name = plain(name)
    return b"".join(_csv((name, d.start_s, d.end_s, d.label, d.score, *scores_of(d, labels))) for d in decisions)


def _csv(values: Sequence[Any]) -> bytes:
    """One line, ended by a line feed; names that hold one, or a carriage return, are quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(values)  # Python 3.11 quotes only what its lines end in
    return (text.getvalue()[:-2] + "\n").encode()


def _json_lines(name: str, decisions: Sequence[Decision], labels: Sequence[str]) -> bytes:
    lines = []
    for decision in decisions:
        known = zip(COLUMNS, (name, decision.start_s, decision.end_s, decision.label, decision.score), strict=True)
        row = {**dict(known), "scores": dict(zip(labels, scores_of(decision, labels), strict=True))}
        try:
            lines.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        except UnicodeEncodeError:  # a name that is no UTF-8: escaped it stays JSON, and os.fsencode gives it back
            lines.append(json.dumps(row).encode() + b"\n")
    return b"".join(lines)
