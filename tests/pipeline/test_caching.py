"""Caches: the estimate against what is written, what is there already, folders and clips that cannot be used."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinyscene.audio import write_wav
from tinyscene.cli.download_verbs import amount
from tinyscene.data import clip_store
from tinyscene.errors import DataError, OutputError
from tinyscene.pipeline import RunRecord, prepare
from tinyscene.pipeline import caching as part
from tinyscene.pipeline.caching import estimated_bytes, fill_caches, unwritable, without_undecodable
from tinyscene.systems import load_system

LENGTHS_S = (0.3, 1.0, 1.001, 1.37, 2.0, 3.99, 0.05, 1.0)
usage = namedtuple("usage", "total used free")


@contextlib.contextmanager
def no_bar(_: str):
    yield lambda done, total: None


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made(tmp_path, narrow) -> Callable[..., tuple]:
    """Noise clips of LENGTHS_S by turns in a CSV, opened for the narrow system: (prepared, record)."""

    def open_(n: int = 8, rates: tuple[int, ...] = (44_100,), spoilt: tuple[int, ...] = (), **settings: str) -> tuple:
        rng = np.random.default_rng(0)
        rows = ["filename,label,recording,fold"]
        for i in range(n):
            rate = rates[i % len(rates)]
            noise = 0.1 * rng.standard_normal(round(LENGTHS_S[i % 8] * rate)).clip(-3, 3)
            write_wav(tmp_path / f"{i}.wav", noise.astype(np.float32), rate)
            if i in spoilt:
                (tmp_path / f"{i}.wav").write_bytes(b"no sound")
            rows.append(f"{i}.wav,{'xy'[i // 2 % 2]},{i},{i % 2 + 1}")
        (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
        system = load_system(str(narrow)).with_settings(settings)
        record = RunRecord(system=str(narrow), data=str(tmp_path / "list.csv"), seed=1, fold="1", skip_bad=True)
        return prepare(system, record, no_bar), record

    return open_


@pytest.mark.parametrize("rates", [(44_100,), (8_000, 48_000, 22_050)])
@pytest.mark.parametrize("hop_s", [None, "0.3"])
def test_the_estimate_is_never_below_what_is_written_and_little_above(cache, made, rates, hop_s):
    prepared, _ = made(40, rates, **({} if hop_s is None else {"inference.hop_s": hop_s}))
    lengths = part._lengths(prepared, np.arange(40))
    for cut in ("whole", "windows", "waveform"):
        rows = np.arange(40)
        store = prepared.store(rows, cut)
        truth = sum(path.stat().st_size for path in store.folder.iterdir())
        told = int(estimated_bytes(prepared, lengths[rows], cut).sum())
        assert truth <= told <= 1.02 * truth + 2 * 4096, cut


def test_features_that_take_32_bits_are_estimated_so(cache, made, monkeypatch):
    monkeypatch.setattr(clip_store, "HALF_UP_TO", 0)
    monkeypatch.setattr(part, "HALF_UP_TO", 0)
    prepared, _ = made()
    store = prepared.store(np.arange(8), "whole")
    truth = sum(path.stat().st_size for path in store.folder.iterdir())
    assert truth <= estimated_bytes(prepared, part._lengths(prepared, np.arange(8)), "whole").sum() <= 1.1 * truth


def test_what_is_there_already_needs_no_room(cache, made, monkeypatch):
    monkeypatch.setattr(clip_store, "CLIPS_PER_SHARD", 2)
    prepared, _ = made(16)
    (first, *_) = fill_caches(prepared, str)
    assert "all there" not in first
    assert "of them" not in first
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 0))
    first, *folders = fill_caches(prepared, str)
    assert len(folders) == 3
    assert first.count("all there") == 3
    assert "0 free" in first
    # a shard of the training clips has gone: exactly its clips are needed
    folder = clip_store.store_folder(prepared.system, prepared.dataset.take(prepared.split.train), "whole")
    gone = (folder / "00001.npy").stat().st_size
    (folder / "00001.npy").unlink()
    with pytest.raises(OutputError, match=r"need \d+ more \(of \d+, the rest is there\) and .* has 0 free") as caught:
        list(fill_caches(prepared, str))
    needed = int(str(caught.value).partition("need ")[2].partition(" ")[0])
    assert gone <= needed <= gone + 5_000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed))
    assert len(list(fill_caches(prepared, str))) == 4


def test_a_folder_that_cannot_be_written_is_told_as_such(cache, made, monkeypatch, tmp_path):
    prepared, _ = made()
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "file" / "below"))
    (line,) = fill_caches(prepared, amount, dry_run=True)
    assert "file is a file" in line
    assert "free" not in line
    with pytest.raises(OutputError, match=r"cannot be written: .*file is a file\. Set TINYSCENE_CACHE to a folder"):
        list(fill_caches(prepared, amount))
    assert unwritable(tmp_path / "new" / "deep") == ""
    assert not (tmp_path / "new").exists()
    for number, words in ((errno.EACCES, "Permission denied"), (errno.EROFS, "Read-only file system")):

        def refuse(number: int = number, words: str = words, **_: object):
            raise OSError(number, words)

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        assert unwritable(tmp_path) == words
        assert unwritable(tmp_path / "new") == f"{tmp_path}: {words}"
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: refuse(errno.ENOSPC, "No space left on device"))
    assert unwritable(tmp_path) == ""  # that is told with figures


def test_clips_that_cannot_be_decoded_are_left_out_as_train_leaves_them_out(cache, made, tinyscene, tmp_path):
    prepared, record = made(16, spoilt=(3, 5))
    with pytest.raises(DataError, match="2 of 8 clips cannot be used"):
        list(fill_caches(prepared, amount))
    assert list(cache.iterdir()) == []
    fit, kept, bad = without_undecodable(prepared, record)
    assert kept.left_out == ("3.wav", "5.wav")
    assert [file for file, _ in bad] == ["3.wav", "5.wav"]
    assert all(str(tmp_path / file) in why for file, why in bad)
    assert fit.dataset.files.tolist() == [f"{i}.wav" for i in range(16) if i not in (3, 5)]
    lines = list(fill_caches(fit, amount))
    before = set(cache.iterdir())
    words = ("--data", record.data, "--out", tmp_path / "run", "--skip-bad", "--set", "recipe.fit.epochs=1")
    answer = tinyscene("train", record.system, *words)
    assert answer.code == 0, answer.err
    assert set(cache.iterdir()) == before
    assert len(lines) == 1 + len(before)
    again, same, none = without_undecodable(fit, kept)
    assert (again, same, none) == (fit, kept, [])


def test_a_set_without_one_clip_that_can_be_decoded(cache, made):
    prepared, record = made(spoilt=tuple(range(8)))
    assert len(list(fill_caches(prepared, amount, dry_run=True))) == 1
    with pytest.raises(DataError, match=r"not one clip of .* can be decoded; first: "):
        without_undecodable(prepared, record)
