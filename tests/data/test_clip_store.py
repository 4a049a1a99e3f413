"""ClipStore: features computed once, found again only when nothing changed, and safe against whatever befalls."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyscene.audio import read_audio, write_wav
from tinyscene.data import ClipStore, cache_folder, clip_store
from tinyscene.errors import DataError, OutputError
from tinyscene.runtime.windows import cut_windows, fill_window

LENGTHS_S = (0.25, 0.6, 1.0, 0.1)


@pytest.fixture
def small_shards(monkeypatch):
    """Two clips a shard, so that a few clips fill several."""
    monkeypatch.setattr(clip_store, "CLIPS_PER_SHARD", 2)


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Names of the files that were decoded since."""
    names: list[str] = []

    def counting(path, **more):
        names.append(Path(path).name)
        return read_audio(path, **more)

    monkeypatch.setattr(clip_store, "read_audio", counting)
    return names


def arrays(store: ClipStore) -> list[np.ndarray]:
    return [np.array(store[i]) for i in range(len(store))]


def expected(system, path: Path, cut: str, hop: int | None = None) -> np.ndarray:
    """The front end on the clip itself."""
    waveform, _ = read_audio(path)
    window = system.window_samples
    pieces = cut_windows(waveform, window, hop) if cut == "windows" else fill_window(waveform, window)[None]
    with torch.no_grad():
        return system.frontend.build().spectral(torch.from_numpy(np.ascontiguousarray(pieces))).numpy()


@pytest.mark.parametrize(("cut", "hop_s"), [("whole", None), ("windows", None), ("windows", 0.1)])
def test_features_are_those_of_the_front_end(cache, small_shards, small_system, clips, cut, hop_s):
    dataset = clips(*LENGTHS_S)
    store = ClipStore(small_system, dataset, cut, hop_s)
    assert len(store) == 4
    for i, path in enumerate(dataset.paths()):
        made = store[i]
        wanted = expected(small_system, path, cut, None if hop_s is None else round(hop_s * 8_000))
        half = cut == "whole"  # crops to train on are kept in 16 bits
        assert (made.dtype, made.shape) == (np.float16 if half else np.float32, wanted.shape)
        assert np.allclose(made, wanted, atol=1e-5, rtol=2**-11 if half else 1e-5)


def test_waveforms_are_kept_as_they_are(cache, small_shards, small_system, clips):
    dataset = clips(*LENGTHS_S)
    store = ClipStore(small_system, dataset, "waveform")
    assert (store.n_frames, store.sample_rate_hz) == (2_000, 8_000)
    for i, path in enumerate(dataset.paths()):
        assert np.array_equal(store[i], fill_window(read_audio(path)[0], 2_000))


def test_the_front_end_does_not_change_kept_waveforms(cache, small_system, clips):
    dataset = clips(0.25, 0.25)
    other = small_system.with_settings({"frontend.spectral.n_mels": "9"})
    assert ClipStore(other, dataset, "waveform").folder == ClipStore(small_system, dataset, "waveform").folder


def test_a_clip_has_the_windows_that_it_fills(cache, small_system, clips):
    store = ClipStore(small_system, clips(*LENGTHS_S), "windows")
    assert [len(store[i]) for i in range(4)] == [1, 3, 4, 1]  # 0.6 s: two, and one aligned to the end
    assert store.n_frames == store[0].shape[-1] == 1 + 2_000 // 256


def test_windows_of_digital_silence_are_left_out_unless_there_is_nothing_else(cache, small_system, clips, tmp_path):
    dataset = clips(0.25, 0.25)
    sound = np.zeros(8_000, np.float32)
    write_wav(tmp_path / "1.wav", sound, 8_000)
    sound[4_000:6_000] = 0.1 * np.random.default_rng(0).standard_normal(2_000)
    write_wav(tmp_path / "0.wav", sound, 8_000)
    store = ClipStore(small_system, dataset, "windows")
    assert (len(store[0]), len(store[1])) == (1, 4)
    assert np.allclose(store[0], expected(small_system, tmp_path / "0.wav", "windows")[2:3], atol=1e-5)


def test_other_rates_are_resampled(cache, small_system, clips, tmp_path):
    dataset = clips(0.5, 0.5)
    write_wav(tmp_path / "0.wav", np.zeros(8_000, np.float32), 16_000)
    store = ClipStore(small_system, dataset, "whole")
    assert store[0].shape == store[1].shape


def test_second_opening_computes_nothing(cache, small_shards, small_system, clips, decoded):
    dataset = clips(*LENGTHS_S)
    first = arrays(ClipStore(small_system, dataset, "windows"))
    assert sorted(decoded) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    second = ClipStore(small_system, dataset, "windows", progress=lambda done, total: pytest.fail("nothing to do"))
    assert len(decoded) == 4
    assert all(np.array_equal(a, b) for a, b in zip(first, arrays(second), strict=True))


@pytest.mark.parametrize("change", ["time", "front end", "cut", "hop", "window", "channels", "clips"])
def test_what_makes_other_features_makes_another_folder(cache, small_system, clips, decoded, change):
    dataset, system, cut, hop_s = clips(0.5, 0.6), small_system, "windows", None
    before = ClipStore(system, dataset, cut, hop_s).folder
    decoded.clear()
    if change == "time":
        path = dataset.paths()[1]
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
    elif change == "front end":
        system = system.with_settings({"frontend.spectral.n_mels": "9"})
    elif change == "cut":
        cut = "whole"
    elif change == "hop":
        hop_s = 0.1
    elif change == "window":
        system = system.with_settings({"task.window_s": "0.3"})
    elif change == "channels":
        system = system.with_settings({"task.channels": "first"})
    else:
        dataset = dataset.take(np.array([1, 0]))
    assert ClipStore(system, dataset, cut, hop_s).folder != before
    assert len(decoded) == 2


@pytest.mark.parametrize("path", ["finish.standardised_deltas.win_length", "finish.standardised_deltas.floor"])
def test_what_comes_after_the_cache_does_not_change_it(cache, small_system, clips, path):
    dataset = clips(0.5, 0.5)
    other = small_system.with_settings({f"frontend.{path}": "7"})
    assert ClipStore(other, dataset, "whole").folder == ClipStore(small_system, dataset, "whole").folder


def test_a_half_filled_cache_is_filled_up(cache, small_shards, small_system, clips, decoded):
    dataset = clips(*LENGTHS_S)
    store = ClipStore(small_system, dataset, "windows")
    whole = arrays(store)
    (store.folder / "00001.npy").unlink()
    decoded.clear()
    told: list[tuple[int, int]] = []
    again = ClipStore(small_system, dataset, "windows", progress=lambda *now: told.append(now))
    assert sorted(decoded) == ["2.wav", "3.wav"]
    assert told == [(3, 4), (4, 4)]
    assert all(np.array_equal(a, b) for a, b in zip(whole, arrays(again), strict=True))


def test_one_worker_or_several_make_the_same_features(cache, small_system, clips, monkeypatch):
    dataset = clips(*LENGTHS_S)
    one = arrays(ClipStore(small_system, dataset, "windows", workers=1))
    monkeypatch.setenv("TINYSCENE_CACHE", str(cache) + "-other")
    several = arrays(ClipStore(small_system, dataset, "windows", workers=3))
    assert all(np.array_equal(a, b) for a, b in zip(one, several, strict=True))


def test_torchs_threads_are_given_back(cache, small_system, clips):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ClipStore(small_system, clips(0.5, 0.5), "whole")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_clips_that_cannot_be_read_are_all_told_at_once(cache, small_system, clips, tmp_path):
    dataset = clips(0.5, 0.5, 0.5, 0.5)
    for name in ("1.wav", "3.wav"):
        (tmp_path / name).write_bytes(b"RIFF, but cut")
    with pytest.raises(DataError) as caught:
        ClipStore(small_system, dataset, "whole")
    told = str(caught.value)
    assert told.startswith(f"2 of 4 clips cannot be used: {tmp_path / '1.wav'} ")
    assert f"; {tmp_path / '3.wav'} " in told
    assert told.endswith("Mend them, or give --skip-bad.")


def test_a_cache_that_cannot_be_made_names_the_way_out(small_system, clips, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError) as caught:
        ClipStore(small_system, clips(0.5, 0.5), "whole")
    assert str(caught.value).startswith(f"the folder {tmp_path / 'file'}{os.sep}")
    assert str(caught.value).endswith(
        " cannot be made: Not a directory. Set TINYSCENE_CACHE to a folder that can be written."
    )


# numpy words a short write itself, without errno: "1000 requested and 12 written"
def test_a_full_disk_names_the_cache_and_leaves_no_half_shard(cache, small_system, clips, monkeypatch):
    dataset, replace = clips(0.5, 0.5), os.replace

    def full(source, target):
        if "counts" not in Path(target).name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OutputError) as caught:
            ClipStore(small_system, dataset, "whole")
    assert "No space left on device" in str(caught.value)
    assert "TINYSCENE_CACHE names the folder of the feature cache" in str(caught.value)
    (folder,) = cache.iterdir()
    assert [path.name for path in folder.iterdir()] == ["00000.counts.npy"]
    assert len(ClipStore(small_system, dataset, "whole")) == 2  # and can be gone on with


@pytest.mark.parametrize("tinyscene", ["", None])
def test_the_cache_lies_in_the_users_cache_folder_unless_told_otherwise(monkeypatch, tmp_path, tinyscene):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if tinyscene is None:
        monkeypatch.delenv("TINYSCENE_CACHE", raising=False)
    else:
        monkeypatch.setenv("TINYSCENE_CACHE", tinyscene)
    assert cache_folder() == tmp_path / "tinyscene"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "tinyscene"
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_a_large_set_is_kept_in_few_files(cache, small_system, clips, monkeypatch):
    """A process may hold a thousand files open; 140,000 clips of 128 each would be more."""
    monkeypatch.setattr(clip_store, "CLIPS_PER_SHARD", 1)
    monkeypatch.setattr(clip_store, "MOST_SHARDS", 3)
    dataset = clips(*[0.25] * 7)
    store = ClipStore(small_system, dataset, "windows")
    assert len(list(store.folder.glob("*[0-9].npy"))) == 3
    for i, path in enumerate(dataset.paths()):
        assert np.allclose(store[i], expected(small_system, path, "windows"), atol=1e-5)


def test_features_that_16_bits_would_round_keep_their_32(cache, small_system, clips, monkeypatch):
    monkeypatch.setattr(clip_store, "HALF_UP_TO", 1e-3)
    assert ClipStore(small_system, clips(0.5, 0.5), "whole")[0].dtype == np.float32
