"""Sound in blocks gives the windows, and so the decisions, of the whole."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyscene.audio import read_audio, resample
from tinyscene.errors import AudioError, SettingError
from tinyscene.runtime import Classifier
from tinyscene.runtime.decision import UNKNOWN
from tinyscene.runtime.stream import LOWEST_DBFS, Stream
from tinyscene.runtime.windows import SILENCE_RANGE

RATE = 8_000  # of the tiny model


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


def tone(f_hz: float, seconds: float, amplitude: float = 0.3) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * f_hz * time_s)).astype(np.float32)


def streamed(stream: Stream, sound: np.ndarray, rate: int, size: int) -> list:
    found = [d for at in range(0, len(sound), size) for d in stream.feed(sound[at : at + size], rate)]
    return found + stream.flush()


def assert_as_offline(stream: Stream, found: list, sound: np.ndarray, rate: int, hop_s: float | None = None) -> None:
    offline = stream.classifier.classify((sound.T, rate), hop_s, top_k=99, each_window=True)
    assert [(d.start_s, d.end_s) for d in found] == [(d.start_s, d.end_s) for d in offline]
    for one, other in zip(found, offline, strict=True):
        assert (one.label, one.score) == (other.label, pytest.approx(other.score, abs=1e-5))
        assert one.scores == pytest.approx({item["label"]: item["score"] for item in other.top}, abs=1e-5)


class Recorded(Classifier):
    """A classifier that remembers the windows it was asked about."""

    def raw(self, windows: np.ndarray) -> np.ndarray:
        self.asked = [*getattr(self, "asked", []), *(window.copy() for window in windows)]
        return super().raw(windows)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("size", [441, 4_801, 10**9])
@pytest.mark.parametrize("hop_s", [None, 0.3])
@pytest.mark.filterwarnings("ignore")
def test_blocks_give_the_decisions_of_the_whole(tiny_model, rate, size, hop_s):
    sound = noise(round(3.21 * rate))
    stream = Stream(Classifier(tiny_model()), hop_s)
    assert_as_offline(stream, streamed(stream, sound, rate, size), sound, rate, hop_s)


@pytest.mark.parametrize("rate", [8_000, 11_025])
def test_sample_by_sample(tiny_model, rate):
    sound = noise(rate * 3 // 2)
    stream = Stream(Classifier(tiny_model()))
    assert_as_offline(stream, streamed(stream, sound, rate, 1), sound, rate)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_are_those_of_the_whole(tiny_model, data):
    """Any length, any cuts, any rates, any hop: the same windows at the same times, gaps and tails included."""
    rate = data.draw(st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 47_999]))
    hop_s = data.draw(st.sampled_from([None, 0.01, 0.0371, 0.2, 0.31]))
    sound = noise(data.draw(st.integers(1, rate)))
    sound[: data.draw(st.integers(0, len(sound) // 2))] = 0  # windows of silence are not asked about
    model_rate = data.draw(st.sampled_from([8_000, 16_000, 44_100]))
    model = tiny_model(form="waveform", frontend={}, sample_rate_hz=model_rate, window_samples=model_rate // 7)
    classifier = Recorded(model)
    stream = Stream(classifier, hop_s)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sound)), max_size=40)))
    found = [d for part in np.split(sound, cuts) for d in stream.feed(part, rate)] + stream.flush()
    expected = classifier.windows(sound, rate, hop_s)
    heard = np.ptp(expected, axis=1) > SILENCE_RANGE
    assert [d.label is not None for d in found] == heard.tolist()
    if heard.any():
        assert np.abs(np.stack(classifier.asked) - expected[heard]).max() < 1e-5
    offline = Classifier(model).classify((sound, rate), hop_s, each_window=True)
    assert [(d.start_s, d.end_s) for d in found] == [(d.start_s, d.end_s) for d in offline]


@pytest.mark.parametrize("channels", ["mean", "first"])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_stereo_becomes_what_the_card_says(tiny_model, channels, rate):
    sound = np.stack([noise(2 * rate), noise(2 * rate, seed=1)], axis=1)
    stream = Stream(Classifier(tiny_model(channels=channels)))
    assert_as_offline(stream, streamed(stream, sound, rate, 1_000), sound, rate)


def test_real_clips(tiny_model, real_data):
    classifier = Classifier(tiny_model())
    clips = sorted((real_data / "esc10").rglob("*.ogg"))[::40] or sorted((real_data / "esc10").rglob("*.wav"))[::40]
    assert len(clips) >= 10
    for clip in clips:
        sound, rate = read_audio(clip)
        found = [d for d in streamed(Stream(classifier), sound, rate, 1_024) if d.label]
        offline = {d.start_s: d for d in classifier.classify(clip, each_window=True, top_k=2)}
        assert found
        for decision in found:
            same = offline[decision.start_s]
            assert (decision.end_s, decision.label) == (same.end_s, same.label)
            assert decision.scores == pytest.approx({item["label"]: item["score"] for item in same.top}, abs=1e-5)


@pytest.mark.parametrize("form", ["features", "waveform"])
def test_int8_differs_by_no_more_than_a_step(written, form):
    classifier = Classifier(written.path["int8", form])
    sound = written.waveforms[:4].numpy().ravel()
    stream = Stream(classifier, 0.25)
    found = streamed(stream, sound, classifier.card.sample_rate_hz, 777)
    offline = classifier.probabilities(classifier.windows(sound, classifier.card.sample_rate_hz, 0.25))
    assert len(found) == len(offline)
    for decision, row in zip(found, offline, strict=True):
        assert decision.label == classifier.labels[row.argmax()]
        assert np.abs(np.array(list(decision.scores.values())) - row).max() < 1 / 256


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["int8", "float32"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_network_hears_the_same_of_any_rate_and_blocks(written, precision, data):
    """float: 1e-5. int8: the same class, one step of the output scale (a probability's is at most 1 / 256)."""
    classifier = Classifier(written.path[precision, "features"])
    rate = data.draw(st.sampled_from([16_000, 44_100, 48_000]))
    hop_s = data.draw(st.sampled_from([None, 0.25, 0.6]))
    model_rate = classifier.card.sample_rate_hz
    sound = resample(written.waveforms[:3].numpy().ravel()[: round(2.3 * model_rate)], model_rate, rate)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sound)), max_size=60)))
    stream = Stream(classifier, hop_s)
    found = [d for part in np.split(sound, cuts) for d in stream.feed(part, rate)] + stream.flush()
    offline = classifier.classify((sound, rate), hop_s, top_k=99, each_window=True)
    assert [(d.start_s, d.end_s, d.label) for d in found] == [(d.start_s, d.end_s, d.label) for d in offline]
    for one, other in zip(found, offline, strict=True):
        wrong = max(abs(one.scores[item["label"]] - item["score"]) for item in other.top)
        assert wrong <= (1e-5 if precision == "float32" else 1 / 256)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_short_sound_is_repeated(tiny_model, rate):
    stream = Stream(Classifier(tiny_model()))
    sound = noise(rate // 4)
    assert stream.feed(sound, rate) == []
    assert_as_offline(stream, stream.flush(), sound, rate)


def test_decisions_come_in_time(tiny_model):
    stream = Stream(Classifier(tiny_model()), 0.5)
    for rate, late_s in ((8_000, 0), (16_000, 0.16), (44_100, 0.16), (48_000, 0.16)):
        block = noise(rate // 100)
        for n in range(1, 301):
            for decision in stream.feed(block, rate):
                assert decision.end_s <= n / 100 + 1e-9 < decision.end_s + late_s + 0.0101
        stream.flush()


def test_memory_does_not_grow(tiny_model):
    stream = Stream(Classifier(tiny_model()), 5.0)  # longer than a window: what lies between is not kept either
    block = noise(4_410)
    peak = []
    tracemalloc.start()
    for _ in range(4):
        tracemalloc.reset_peak()
        for _ in range(300):
            stream.feed(block, 44_100)
        peak.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peak[3] < 1.1 * peak[0]


def test_smoothing_is_the_mean_of_the_last_decisions(tiny_model):
    classifier = Classifier(tiny_model())
    sound = np.concatenate([tone(300, 2), tone(3_000, 4)])
    raw = np.array([list(d.scores.values()) for d in streamed(Stream(classifier), sound, RATE, 999)])
    found = streamed(Stream(classifier, smooth=3), sound, RATE, 999)
    for n, decision in enumerate(found):
        expected = raw[max(0, n - 2) : n + 1].mean(axis=0)
        assert list(decision.scores.values()) == pytest.approx(expected, abs=1e-6)
        assert decision.label == classifier.labels[expected.argmax()]
        assert decision.score == max(decision.scores.values())


def test_unsure_decision_is_unknown(tiny_model):
    classifier = Classifier(tiny_model())
    sound = np.concatenate([tone(300, 1), noise(RATE), tone(3_000, 1)])
    sure = streamed(Stream(classifier), sound, RATE, 999)
    limit = sorted(d.score for d in sure)[1]  # the second lowest; the decision at the limit is kept
    found = streamed(Stream(Classifier(classifier.path, unknown_below=limit)), sound, RATE, 999)
    assert [d.label for d in found] == [d.label if d.score >= limit else UNKNOWN for d in sure]
    assert sum(d.label == UNKNOWN for d in found) == 1
    assert [d.scores for d in found] == [d.scores for d in sure]


def test_the_model_s_own_confidence_holds_where_none_is_given(tiny_model):
    classifier = Classifier(tiny_model(unknown_below=1.0))
    sound = tone(300, 1.0)
    assert [d.label for d in Stream(classifier).feed(sound, RATE)] == [UNKNOWN]
    bold = Classifier(classifier.path, unknown_below=0)
    assert [d.label for d in Stream(bold).feed(sound, RATE)] == ["low"]


@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_silence_is_no_decision_and_enters_no_mean(tiny_model, offset):
    sound = np.concatenate([tone(300, 1), np.full(RATE, offset, np.float32), tone(3_000, 1)])
    found = streamed(Stream(Classifier(tiny_model()), smooth=2), sound, RATE, 800)
    assert [d.label is None for d in found] == [False, True, False]
    assert (found[1].score, found[1].scores, found[1].level_dbfs) == (0.0, {}, LOWEST_DBFS)
    alone = [streamed(Stream(Classifier(tiny_model())), tone(f, 1), RATE, 800)[0].scores["low"] for f in (300, 3_000)]
    assert found[2].scores["low"] == pytest.approx(np.mean(alone), abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_level_of_a_sine(tiny_model, rate):
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate * 2) / rate)
    for decision in streamed(Stream(Classifier(tiny_model())), sine + 0.1, rate, 1_000):
        assert decision.level_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.02)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_clipped_samples_are_counted_where_they_came(tiny_model, rate):
    """In one channel alone, as they came: neither the mean of the channels nor resampling hides them."""
    sound = np.stack([noise(3 * rate), noise(3 * rate, seed=1)], axis=1).clip(-0.9, 0.9)
    sound[rate : rate + rate // 10, 1] = 32_767 / 32_768
    sound[2 * rate : 2 * rate + rate // 4, 0] = -1.2
    found = streamed(Stream(Classifier(tiny_model())), sound, rate, 333)
    assert [d.clipped for d in found] == pytest.approx([0.0, 0.1, 0.25], abs=1e-4)


def test_flush_begins_anew(tiny_model):
    stream = Stream(Classifier(tiny_model()), smooth=9)
    assert stream.flush() == []
    first = streamed(stream, tone(300, 2.5), RATE, 800)
    assert streamed(stream, noise(44_100), 44_100, 800)[0].start_s == 0
    assert streamed(stream, tone(300, 2.5), RATE, 800) == first
    assert stream.flush() == []


def test_decision_is_json(tiny_model):
    decisions = streamed(Stream(Classifier(tiny_model())), np.r_[tone(300, 1), np.zeros(RATE, np.float32)], RATE, 800)
    for decision in decisions:
        entry = decision.to_dict()
        assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert list(decisions[0].to_dict()) == ["start_s", "end_s", "label", "score", "scores", "level_dbfs", "clipped"]


@pytest.mark.parametrize(
    ("block", "rate", "text"),
    [
        (np.zeros((2, 100), np.float32), RATE, r"\(time,\) or \(time, 1 or 2 channels\); \(2, 100\) came"),
        (np.zeros((1, 1, 9), np.float32), RATE, r"\(1, 1, 9\) came"),
        (np.zeros(100, np.int16), RATE, "floats in -1..1; int16 came"),
        (np.full(100, np.nan, np.float32), RATE, "NaN or infinite samples"),
        (np.zeros(100, np.float32), 16_000, "began at 8000 Hz; 16000 Hz came. Flush"),
    ],
)
def test_bad_block_is_told_and_leaves_the_stream_as_it_was(tiny_model, block, rate, text):
    stream = Stream(Classifier(tiny_model()))
    sound = tone(300, 1.5)
    stream.feed(sound[:5_000], RATE)
    with pytest.raises(AudioError, match=text):
        stream.feed(block, rate)
    found = stream.feed(sound[5_000:], RATE) + stream.flush()
    assert_as_offline(stream, found, sound, RATE)


def test_rate_out_of_range_is_told(tiny_model):
    stream = Stream(Classifier(tiny_model()))
    with pytest.raises(AudioError, match="sample rate of 1 Hz"):
        stream.feed(noise(10), 1)
    assert stream.feed(noise(RATE), RATE)


def test_settings_out_of_range_are_told(tiny_model):
    classifier = Classifier(tiny_model())
    with pytest.raises(SettingError, match=r"Stream\.smooth takes 1 to 100000; 0 came"):
        Stream(classifier, smooth=0)
    with pytest.raises(SettingError, match="hop_s takes seconds"):
        Stream(classifier, hop_s=0)
