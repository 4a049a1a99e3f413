"""The page answers as the Python runtime does: real clips, formats, rates, silence, unknown, a microphone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.runtime import Classifier
from tinyscene.runtime.stream import Stream

RATE = 8_000


def numbers(row, labels) -> np.ndarray:
    return np.array([float(row[label]) for label in labels])


def same_as_stream(rows, model: Path, sound: np.ndarray, rate: int, tolerance: float) -> None:
    """Rows of the page's windows against the stream on the same sound."""
    classifier = Classifier(model)
    stream = Stream(classifier)
    expected = [*stream.feed(sound, rate), *stream.flush()]
    found = [row for row in rows if row["of"] == "window"]
    assert len(found) == len(expected) > 0
    for row, decision in zip(found, expected, strict=True):
        assert (float(row["start_s"]), float(row["end_s"])) == pytest.approx(
            (decision.start_s, decision.end_s), abs=2e-3
        )
        assert float(row["level_dbfs"]) == pytest.approx(decision.level_dbfs, abs=0.11)
        assert float(row["clipped"]) == pytest.approx(decision.clipped, abs=1e-4)
        assert row["label"] == (decision.label or "")
        if decision.label is not None:
            scores = np.array([decision.scores[label] for label in classifier.labels])
            assert np.abs(numbers(row, classifier.labels) - scores).max() <= tolerance


@pytest.fixture(scope="session")
def clips(real_data: Path) -> list[Path]:
    """Five clips of ESC-10, each of another class."""
    folders = sorted(path for path in (real_data / "esc10" / "audio").iterdir() if path.is_dir())
    return [sorted(folder.glob("*.ogg"))[7] for folder in folders[:10:2]]


def test_real_clips(site, scene_model, clips):
    classifier, page = Classifier(scene_model), site(scene_model)
    for clip in clips:
        rows = page.hear(clip)
        (expected,) = classifier.classify(clip, top_k=10)
        scores = {item["label"]: item["score"] for item in expected.top}
        worst = max(abs(float(rows[0][label]) - scores[label]) for label in classifier.labels)
        assert worst <= 1e-3, clip
        assert rows[0]["of"] == "clip"
        assert rows[0]["label"] == expected.label
        assert page.text("decision") == expected.label.replace("_", " ")
        sound, rate = soundfile.read(clip, dtype="float32")
        same_as_stream(rows, scene_model, sound, rate, 1e-3)
    assert not page.errors


@pytest.mark.full
def test_real_clips_in_int8(site, written, clips):
    """A value half way between two steps may be rounded the other way: one step is what the exporter allows, too."""
    model = written.path["int8", "waveform"]
    classifier, page = Classifier(model), site(model)
    for clip in clips:
        rows = page.hear(clip)
        (expected,) = classifier.classify(clip, top_k=10)
        assert max(abs(float(rows[0][item["label"]]) - item["score"]) for item in expected.top) <= 0.05
        assert rows[0]["label"] == expected.label


@pytest.fixture(scope="session")
def scene_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dsmn-1 with fewer bands and channels, trained for some steps on noises of four colours, exported for sound."""
    import torch

    from tinyscene import load_system
    from tinyscene.compress import fold
    from tinyscene.export import Export, write_model
    from tinyscene.train import Decision, group_membership

    changes = {"frontend.spectral.n_mels": "64", "model.widths": "4,6", "model.segmented": "true,true"}
    system = load_system("dsmn-1").with_settings(changes | {"model.stem": "4", "model.hidden": "12"})
    torch.manual_seed(0)
    target = torch.arange(10).repeat(6)
    spectra = torch.fft.rfft(torch.randn(60, system.window_samples))
    bins = torch.arange(spectra.shape[1])
    centre = 200 * 1.6 ** target[:, None]  # each class a band of its own
    sounds = torch.fft.irfft(spectra * torch.exp(-(((bins - centre) / centre) ** 2)), n=system.window_samples)
    sounds *= 0.1 / sounds.std(dim=1, keepdim=True)
    network = system.model.build().train()
    with torch.no_grad():
        features = system.frontend.build().eval()(sounds)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(features)[:, :10], target).backward()
        optimizer.step()
    decide = Decision(10, group_membership(system.task.classes, system.task.groups), 0.2)
    export = Export("narrow", system, system.task.classes, fold(network.eval()), decide, "float32", {}, {})
    return write_model(export, "waveform", tmp_path_factory.mktemp("model") / "model.onnx", sounds[:4])


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    generator = np.random.default_rng(1)
    swell = 0.5 + 0.5 * np.sin(np.arange(2 * 44_100 + 1234) / 9000)
    return (0.3 * swell * generator.standard_normal(len(swell))).clip(-1, 1).astype(np.float32)


def test_wav_samples_are_the_runtimes(site, tiny, wav, noise):
    page = site(tiny)
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        path = wav(noise, 44_100, f"{subtype}.wav", subtype)
        page.hear(path)
        sound, rate = page.samples()
        assert rate == 44_100
        np.testing.assert_array_equal(sound, soundfile.read(path, dtype="float32")[0], subtype)


def test_other_formats(site, scene_model, wav, noise):
    page, classifier = site(scene_model), Classifier(scene_model)
    for name, subtype in (("a.flac", "PCM_24"), ("a.ogg", "VORBIS"), ("a.wav", "ULAW")):
        path = wav(noise, 44_100, name, subtype)
        rows = page.hear(path)
        scores = {item["label"]: item["score"] for item in classifier.classify(path, top_k=10)[0].top}
        assert max(abs(float(rows[0][label]) - score) for label, score in scores.items()) <= 1e-3, name
    path = wav(noise, 44_100, "a.mp3", "MPEG_LAYER_III")  # decoders differ in where an mp3 begins
    rows = page.hear(path)
    (expected,) = classifier.classify(path)
    assert rows[0]["label"] == expected.label


def test_other_rates(site, scene_model, wav, noise):
    page = site(scene_model)
    for rate in (32_000, 48_000, 96_000):  # ours and soxr's filter differ where sound near the highest frequency fades
        path = wav(noise, rate, f"{rate}.wav", "FLOAT")
        same_as_stream(page.hear(path), scene_model, noise, rate, 5e-3)


def test_windows_silence_stereo_and_clipping(site, tiny_model, tone, wav):
    model = tiny_model(hop_samples=RATE // 5)
    page = site(model)
    left = np.r_[tone(1.3, 0.3), np.zeros(RATE, np.float32), tone(0.77, 0.02)]
    left[100:180] = 1.0
    sound = np.stack([left, np.roll(left, 7) * 0.5], axis=1)
    same_as_stream(page.hear(wav(sound)), model, sound, RATE, 1e-5)
    short = tone(0.3, 0.2)
    same_as_stream(page.hear(wav(short, name="short.wav")), model, short, RATE, 1e-4)


def test_first_channel(site, tiny_model, tone, wav):
    model = tiny_model(channels="first")
    sound = np.stack([tone(1, 0.5), tone(1, 0.01)], axis=1)
    rows = site(model).hear(wav(sound, subtype="FLOAT"))
    same_as_stream(rows, model, sound, RATE, 1e-5)
    assert rows[0]["label"] == "loud"


def test_temperature_and_unknown(site, tiny_model, tone, wav):
    model = tiny_model(temperature=2.5, unknown_below=0.8)
    page = site(model)
    sound = np.r_[tone(0.5, 0.6), tone(0.5, 0.16), tone(0.5, 0.01)]
    rows = page.hear(wav(sound, subtype="FLOAT"))
    same_as_stream(rows, model, sound, RATE, 1e-5)
    assert [row["label"] for row in rows[1:]] == ["loud", "unknown", "quiet"]
    assert page.text("decision") == "unknown"
    assert "below 0.8" in page.text("sure-words")


def test_digital_silence(site, tiny, wav):
    page = site(tiny)
    rows = page.hear(wav(np.zeros(RATE, np.float32)))
    assert page.text("decision") == "silence"
    assert "digital silence" in page.notice()
    assert [row["label"] for row in rows] == ["", ""]


def test_a_microphone_gives_the_streams_decisions(site, tiny, heard):
    page = site(tiny)
    page.tab.click("#listen")
    page.wait("listening")
    page.tab.wait_for_timeout(7_500)
    assert page.tab.get_attribute("#listen", "aria-pressed") == "true"
    page.tab.click("#listen")
    page.wait("done")
    rows = page.rows()
    sound, rate = page.samples()
    same_as_stream(rows, tiny, sound, rate, 1e-3)  # sample for sample what the page heard

    def runs(labels):
        """Labels without silence and repetition."""
        labels = [label for label in labels if label]
        return [label for label, before in zip(labels, [None, *labels], strict=False) if label != before]

    stream = Stream(Classifier(tiny))
    played, played_rate = soundfile.read(heard, dtype="float32")
    offline = [decision.label for decision in (*stream.feed(played, played_rate), *stream.flush())]
    assert runs(row["label"] for row in rows) == runs(offline) == ["loud", "quiet", "loud"]  # and what was played
    assert not page.errors
