"""Clips in, decisions out."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.errors import AudioError, ModelError, SettingError
from tinyscene.evaluate.temperature import at_temperature
from tinyscene.runtime import Classifier, ShortClipWarning, SilenceWarning, classify
from tinyscene.runtime.hearing import LowRateWarning
from tinyscene.runtime.model_file import sealed
from tinyscene.runtime.windows import SILENCE_RANGE, window_starts


def tone(f_hz: float, seconds: float, rate: int = 8_000) -> np.ndarray:
    time_s = np.arange(round(seconds * rate)) / rate
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(len(time_s))
    return (0.3 * np.sin(2 * np.pi * f_hz * time_s) + hiss).astype(np.float32)


@pytest.fixture
def saved(tmp_path: Path):
    def save(name: str, sound: np.ndarray, rate: int = 8_000) -> Path:
        soundfile.write(tmp_path / name, sound, rate, subtype="FLOAT")
        return tmp_path / name

    return save


def test_low_and_high_tones_are_told_apart(tiny_model, saved):
    classifier = Classifier(tiny_model())
    (low,) = classifier.classify(saved("low.wav", tone(300, 2)))
    (high,) = classifier.classify(saved("high.wav", tone(3_000, 2)))
    assert (low.label, high.label) == ("low", "high")
    assert low.top[0]["score"] == low.score > low.top[1]["score"]


def test_decision_of_a_clip_is_the_mean_of_its_windows(tiny_model, saved):
    classifier = Classifier(tiny_model())
    path = saved("a.wav", np.concatenate([tone(300, 1), tone(3_000, 1.5)]))
    windows = classifier.classify(path, each_window=True)
    assert [(item.start_s, item.end_s, item.label) for item in windows] == [
        (0.0, 1.0, "low"),
        (1.0, 2.0, "high"),
        (1.5, 2.5, "high"),
    ]
    (whole,) = classifier.classify(path)
    assert (whole.start_s, whole.end_s) == (0.0, 2.5)
    score = {item["label"]: item["score"] for item in whole.top}["high"]
    expected = np.mean([{i["label"]: i["score"] for i in item.top}["high"] for item in windows])
    assert score == pytest.approx(expected, abs=1e-7)


def test_hop_sets_the_starts_of_the_windows(tiny_model):
    decisions = Classifier(tiny_model()).classify((tone(300, 2), 8_000), hop_s=0.25, each_window=True)
    assert [item.start_s for item in decisions] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_decision_is_json_with_the_promised_fields(tiny_model, saved):
    path = saved("a.wav", tone(300, 1))
    (entry,) = classify(path, tiny_model())
    assert list(entry) == ["file", "start_s", "end_s", "label", "score", "top"]
    assert json.loads(json.dumps(entry)) == entry
    assert (entry["file"], entry["start_s"], entry["end_s"]) == (str(path), 0.0, 1.0)
    assert [set(item) for item in entry["top"]] == [{"label", "score"}] * 2
    assert sum(item["score"] for item in entry["top"]) == pytest.approx(1)


def test_many_clips_give_one_list_in_their_order(tiny_model, saved):
    clips = [saved(f"{i}.wav", tone(f_hz, 1)) for i, f_hz in enumerate([300, 3_000, 400])]
    entries = classify((clip for clip in clips), tiny_model())
    assert [entry["file"] for entry in entries] == [str(clip) for clip in clips]
    assert [entry["label"] for entry in entries] == ["low", "high", "low"]
    assert classify(tuple(clips[:2]), tiny_model()) == entries[:2]
    assert classify(clips, Classifier(tiny_model())) == entries


def test_waveform_gives_the_answer_of_its_file(tiny_model, saved):
    sound = tone(700, 1.7)
    (from_array,) = classify((sound, 8_000), tiny_model())
    (from_file,) = classify(saved("a.wav", sound), tiny_model())
    assert from_array | {"file": from_file["file"]} == from_file
    assert from_array["file"] == ""


def test_other_rate_is_resampled_and_keeps_its_times(tiny_model, saved):
    (entry,) = classify(saved("a.wav", tone(3_000, 1.5, 44_100), 44_100), tiny_model())
    assert (entry["label"], entry["end_s"]) == ("high", 1.5)
    assert Classifier(tiny_model()).windows(tone(300, 2, 44_100), 44_100).shape == (2, 8_000)


def test_channels_are_taken_as_the_card_says(tiny_model):
    stereo = np.stack([tone(300, 1), 30 * tone(3_000, 1)])
    assert classify((stereo, 8_000), tiny_model(channels="mean"))[0]["label"] == "high"
    assert classify((stereo, 8_000), tiny_model(channels="first"))[0]["label"] == "low"


def test_top_k_lists_that_many(tiny_model):
    assert len(classify((tone(300, 1), 8_000), tiny_model(), top_k=1)[0]["top"]) == 1
    assert len(classify((tone(300, 1), 8_000), tiny_model(), top_k=9)[0]["top"]) == 2


def test_windows_of_a_long_clip_do_not_depend_on_their_batch(tiny_model):
    classifier = Classifier(tiny_model())
    windows = np.random.default_rng(0).standard_normal((37, 8_000)).astype(np.float32)
    together = classifier.probabilities(windows)
    alone = np.concatenate([classifier.probabilities(window[None]) for window in windows])
    assert together.shape == (37, 2)
    assert np.abs(together - alone).max() < 1e-6
    assert np.allclose(together.sum(axis=1), 1)


@pytest.mark.parametrize("batch", [1, 4])
def test_network_of_fixed_batch_gives_the_same(tiny_model, batch):
    windows = np.random.default_rng(0).standard_normal((6, 8_000)).astype(np.float32)
    free, fixed = Classifier(tiny_model()), Classifier(tiny_model("fixed.onnx", batch=batch))
    assert np.abs(free.probabilities(windows) - fixed.probabilities(windows)).max() < 1e-6


def test_model_that_takes_waveforms_gets_them(tiny_model):
    """Its logits are plus and minus the mean of the samples."""
    classifier = Classifier(tiny_model(form="waveform", frontend={}))
    windows = np.stack([np.full(8_000, 0.5), np.full(8_000, -1.0)]).astype(np.float32)
    expected = 1 / (1 + np.exp(-2 * np.array([0.5, -1.0])))
    assert np.allclose(classifier.probabilities(windows)[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.9 / 32_768])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_silence_is_answered_with_a_warning(tiny_model, level, offset):
    dither = level * np.random.default_rng(0).uniform(-1, 1, 8_000) + offset
    with pytest.warns(SilenceWarning, match="the clip is digital silence; its scene is a guess"):
        (entry,) = classify((dither.astype(np.float32), 8_000), tiny_model())
    assert np.isfinite(entry["score"])


def test_quiet_clip_is_not_called_silence(tiny_model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classify((1e-3 * tone(300, 1), 8_000), tiny_model())


def test_short_clip_is_repeated_with_a_warning(tiny_model, saved):
    path = saved("a.wav", tone(3_000, 0.25))
    with pytest.warns(ShortClipWarning, match=r"a\.wav lasts 0.25 s and was repeated to fill the window of 1 s"):
        entries = classify(path, tiny_model(), each_window=True)
    assert [(entry["start_s"], entry["end_s"], entry["label"]) for entry in entries] == [(0.0, 0.25, "high")]


def test_a_rate_that_leaves_out_what_the_model_hears_is_told(tiny_model, saved):
    """Half of 8 kHz is heard, by a model of waveforms too; of 7.2 kHz a resampler would take nothing more."""
    told = (
        r"a\.wav: 4,000 Hz came and tiny takes 8,000 Hz: what lies above 2,000 Hz is missing, so answers may be wrong"
    )
    for model in (tiny_model(), tiny_model("waves.onnx", form="waveform", frontend={})):
        with pytest.warns(LowRateWarning, match=told):
            classify(saved("a.wav", tone(300, 1, 4_000), 4_000), model)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for rate in (7_200, 8_000, 44_100):
                classify((tone(300, 1, rate), rate), model)


def test_a_rate_that_holds_all_bands_of_the_model_is_not_told(tiny_model, card):
    every = card().frontend
    bands = {**every, "spectral": {**every["spectral"], "f_max": 2_000.0}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classify((tone(300, 1, 4_000), 4_000), tiny_model(frontend=bands))


@pytest.mark.parametrize("hop_s", [0, -1, 1e-6, float("nan"), float("inf"), 86_401, 1e308, 10**400, -(10**400)])
def test_hop_out_of_range_is_told(tiny_model, hop_s):
    with pytest.raises(SettingError, match=r"hop_s takes seconds, one sample .* or more, up to 86,400; .* came"):
        classify((tone(300, 1), 8_000), tiny_model(), hop_s=hop_s)


def test_settings_out_of_range_are_told(tiny_model):
    with pytest.raises(SettingError, match="top_k takes 1 or more; 0 came"):
        classify((tone(300, 1), 8_000), tiny_model(), top_k=0)
    with pytest.raises(SettingError, match="threads takes 1 to 1024; 0 came"):
        Classifier(tiny_model(), threads=0)


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        ((np.zeros(8_000, np.int16), 8_000), "floats in -1..1; int16 came"),
        ((np.full(8_000, np.nan), 8_000), "NaN or infinite"),
        ((np.zeros(0, np.float32), 8_000), "holds no samples"),
        ((np.zeros((3, 100), np.float32), 8_000), "3 channels"),
        ((np.zeros((1, 1, 9), np.float32), 8_000), r"\(1, 1, 9\) came"),
        ((np.zeros(100, np.float32), 1), "sample rate of 1 Hz"),
        ("nothing.wav", "nothing.wav does not exist"),
    ],
)
def test_clip_that_cannot_be_used_is_told(tiny_model, clip, text):
    with pytest.raises(AudioError, match=text):
        classify(clip, tiny_model())


def test_what_is_no_clip_is_told(tiny_model):
    with pytest.raises(AudioError, match=r"an audio file or \(waveform, rate\) is taken; int came"):
        classify([3], tiny_model())  # type: ignore[list-item]


def test_windows_of_another_length_are_told(tiny_model):
    with pytest.raises(AudioError, match=r"tiny takes windows of 8000 samples, .*\(2, 7999\) came"):
        Classifier(tiny_model()).probabilities(np.zeros((2, 7_999), np.float32))


def test_more_labels_than_outputs_are_told(unsealed, card, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(sealed(unsealed(card(labels=("a", "b", "c")).metadata())))
    with pytest.raises(ModelError, match="has 3 labels for 2 outputs"):
        Classifier(path)


def test_card_and_network_that_disagree_are_told(unsealed, card, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(sealed(unsealed(card(form="waveform").metadata())))
    with pytest.raises(ModelError, match=r"takes an input 'waveform' .* 'features' and probabilities, logits came"):
        Classifier(path)


def test_network_that_onnxruntime_cannot_run_is_told(unsealed, tmp_path, capfd):
    path = tmp_path / "a.onnx"
    path.write_bytes(sealed(unsealed().replace(b"Softmax", b"Reshape")))
    with pytest.raises(ModelError, match=r"a\.onnx cannot be run by onnxruntime .*Reshape"):
        Classifier(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("t", [0.05, 0.7, 1.0, 2.5, 20.0])
def test_temperature_is_that_of_calibration(tiny_model, t):
    """Against the function that `tinyscene calibrate` measures with."""
    windows = np.stack([tone(300, 1), tone(3_000, 1), 1e-3 * tone(700, 1)])
    plain = Classifier(tiny_model("plain.onnx")).probabilities(windows)
    warm = Classifier(tiny_model("warm.onnx", temperature=t)).probabilities(windows)
    assert warm.dtype == np.float32
    assert np.abs(warm - at_temperature(plain, t)).max() < 1e-7
    assert np.array_equal(warm.argmax(axis=1), plain.argmax(axis=1))


def test_temperature_comes_after_the_mean_over_windows(tiny_model):
    """`tinyscene calibrate` fits it on such means."""
    clip = (np.concatenate([tone(300, 1), tone(3_000, 1), tone(700, 1)]), 8_000)
    plain, warm = Classifier(tiny_model("plain.onnx")), Classifier(tiny_model("warm.onnx", temperature=0.3))
    n = len(plain.labels)
    (mean,), (said,) = [
        [{e["label"]: e["score"] for e in d.top} for d in one.classify(clip, top_k=n)] for one in (plain, warm)
    ]
    expected = at_temperature(np.array([[mean[label] for label in plain.labels]]), 0.3)[0]
    assert [said[label] for label in plain.labels] == pytest.approx(expected, abs=1e-6)


def test_windows_far_below_the_loudest_are_left_out_of_a_clip_s_mean(tiny_model):
    parts = [tone(300, 1), 1e-3 * tone(3_000, 1), 0.1 * tone(700, 1)]  # 0, -60 and -20 dB
    model = tiny_model("near.onnx", quiet_db=30.0)
    (said,) = Classifier(model).classify((np.concatenate(parts), 8_000))
    (expected,) = Classifier(tiny_model("all.onnx")).classify((np.concatenate([parts[0], parts[2]]), 8_000))
    assert said.top == expected.top
    assert len(Classifier(model).classify((np.concatenate(parts), 8_000), each_window=True)) == 3


@pytest.mark.parametrize("each_window", [False, True])
def test_what_is_not_sure_enough_is_unknown(tiny_model, each_window):
    clip = (np.concatenate([tone(300, 1), tone(3_000, 1)]), 8_000)
    sure = Classifier(tiny_model("plain.onnx")).classify(clip, each_window=each_window)
    limit = float(np.median([d.score for d in sure])) + 1e-9
    careful = Classifier(tiny_model("careful.onnx", unknown_below=limit)).classify(clip, each_window=each_window)
    assert [d.label for d in careful] == [d.label if d.score >= limit else "unknown" for d in sure]
    assert [(d.score, d.top) for d in careful] == [(d.score, d.top) for d in sure]
    assert "unknown" in [d.label for d in careful]
    told = Classifier(tiny_model("other.onnx", unknown_below=1.0), unknown_below=limit)  # not what the file says
    assert told.classify(clip, each_window=each_window) == careful


@pytest.mark.parametrize("wrong", [1.5, -0.1, float("nan")])
def test_a_score_out_of_range_is_told(tiny_model, wrong):
    with pytest.raises(SettingError, match=rf"Classifier\.unknown_below takes 0 to 1; {wrong} came"):
        Classifier(tiny_model(), unknown_below=wrong)


@pytest.mark.parametrize("rate", [8_000, 11_025])
@pytest.mark.parametrize("each_window", [False, True])
@pytest.mark.parametrize("hop_s", [None, 0.3, 1.7])
def test_a_long_file_in_blocks_is_answered_as_if_whole(tiny_model, tmp_path, rate, each_window, hop_s):
    """As the windows of the whole say: cut at once, through the network at once. A fifth of it is silence."""
    sound = np.concatenate([np.zeros(9 * rate), *(tone(f, 13.7, rate) for f in (300, 3_000, 900))]).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", sound, rate, "FLOAT")
    classifier = Classifier(tiny_model())
    windows = classifier.windows(sound, rate, hop_s)
    heard = np.ptp(windows, axis=1) > SILENCE_RANGE
    expected = classifier.probabilities(windows if each_window else windows[heard])
    for clip in (tmp_path / "long.wav", (sound, rate)):
        found = classifier.classify(clip, hop_s, top_k=2, each_window=each_window)
        scores = np.array(
            [[{e["label"]: e["score"] for e in d.top}[label] for label in ("low", "high")] for d in found]
        )
        if each_window:
            assert np.array_equal(scores.astype(np.float32), expected)
            starts = window_starts(round(len(sound) * 8_000 / rate), 8_000, classifier.hop(hop_s))
            assert [d.start_s for d in found] == [start / 8_000 for start in starts]
        else:
            assert np.abs(scores[0] - expected.mean(axis=0, dtype=np.float64)).max() < 1e-12


def test_memory_does_not_go_by_the_length_of_a_file(tiny_model, tmp_path):
    """Windows of 1 s every 100 ms of 5 minutes would take 96 MB side by side."""
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 8_000, 1) as file:
        for _ in range(30):
            file.write(tone(500, 10))
    classifier = Classifier(tiny_model())
    tracemalloc.start()
    classifier.classify(tmp_path / "long.wav", hop_s=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6
