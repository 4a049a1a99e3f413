"""tinyscene listen: a file as a microphone, a microphone that is not there, what is said and shown of both."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

from tinyscene.cli import listen_verb
from tinyscene.runtime import Classifier

RATE = 8_000


@pytest.fixture(scope="module")
def model(level_model) -> Path:
    """Windows of 0.5 s at 8 kHz; "loud" where their mean distance from 0 is above 0.1, "quiet [b]" elsewhere."""
    return level_model(("quiet [b]", "loud"), 40.0, -4.0, size=True)


def tone(seconds: float, amplitude: float, rate: int = RATE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path):
    def save(sound: np.ndarray, rate: int = RATE) -> Path:
        soundfile.write(tmp_path / "a.wav", sound, rate, subtype="FLOAT")
        return tmp_path / "a.wav"

    return save


class FakeMicrophone:
    """What listen uses of sounddevice, hearing `sound` and then Ctrl-C (or `error`)."""

    class PortAudioError(Exception):
        pass

    def __init__(self, sound: np.ndarray, rate: int = RATE):
        self.sound, self.rate, self.n_channels = sound, rate, 1 if sound.ndim == 1 else sound.shape[1]
        self.at, self.opened, self.closed = 0, {}, False
        self.overflowed = False
        self.error: BaseException = KeyboardInterrupt()

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        own = {"name": "desk mic", "default_samplerate": float(self.rate), "max_input_channels": self.n_channels}
        if kind is None:
            return [{"name": "speaker", "max_input_channels": 0}, own]
        if device not in (None, 1, "desk"):
            raise ValueError(f"No input device matching {device!r}")
        return own

    def InputStream(self, **settings: Any) -> FakeMicrophone:
        self.opened = settings
        return self

    def __enter__(self) -> FakeMicrophone:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def read(self, n_samples: int) -> tuple[np.ndarray, bool]:
        block = self.sound[self.at : self.at + n_samples]
        self.at += n_samples
        if len(block) < n_samples:
            raise self.error
        return block.reshape(n_samples, -1), self.overflowed


@pytest.fixture
def microphone(monkeypatch: pytest.MonkeyPatch):
    def plug(sound: np.ndarray, rate: int = RATE) -> FakeMicrophone:
        fake = FakeMicrophone(sound, rate)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)  # type: ignore[arg-type]
        return fake

    return plug


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_file_is_heard_as_it_is_classified(tinyscene, model, wav, rate):
    path = wav(np.r_[tone(1.3, 0.5, rate), tone(1.1, 0.05, rate)], rate)
    answer = tinyscene("listen", model, "--wav", path, "--hop", 0.25, "--json")
    assert answer.code == 0, answer.err
    found = lines(answer.out)
    offline = Classifier(model).classify(path, 0.25, each_window=True)
    assert [(d["start_s"], d["end_s"], d["label"]) for d in found] == [(d.start_s, d.end_s, d.label) for d in offline]
    assert [d["score"] for d in found] == pytest.approx([d.score for d in offline], abs=1e-5)
    assert {"loud", "quiet [b]"} == {d["label"] for d in found}
    assert f"{path}, {rate:,} Hz -> tiny" in answer.err
    assert "9 decisions: loud " in answer.err


def test_one_decision_is_one(tinyscene, model, wav):
    assert tinyscene("listen", model, "--wav", wav(tone(0.5, 0.5))).err.endswith("\n1 decision: loud 1\n")


def test_plain_lines(tinyscene, model, wav):
    sound = np.r_[tone(0.5, 0.5), np.zeros(RATE // 2, np.float32)]
    sound[:40] = 1.0
    answer = tinyscene("listen", model, "--wav", wav(sound))
    first, second = answer.out.splitlines()
    assert re.fullmatch(r"0\.00-0\.50 s  loud 1\.000  -[89]\.\d dBFS  clipped 1\.0 %", first)
    assert second == "0.50-1.00 s  silence  -120.0 dBFS  clipped 0.0 %"
    assert answer.err.splitlines()[1:] == [
        "tinyscene: warning: clipping, 1.0 % of the samples at full scale. Lower the microphone's level.",
        "tinyscene: warning: digital silence: no decision. Is the microphone muted, or not allowed for this terminal?",
        "2 decisions: loud 1, silence 1",
    ]


def test_smoothing_and_unknown(tinyscene, model, wav):
    path = wav(np.r_[tone(0.5, 0.5), tone(0.5, 0.05)])
    found = lines(tinyscene("listen", model, "--wav", path, "--smooth", 2, "--unknown-below", 0.6, "--json").out)
    assert [d["label"] for d in found] == ["loud", "unknown"]
    assert found[1]["score"] == pytest.approx(0.5, abs=0.02)  # sure of the one, then of the other
    assert tinyscene("listen", model, "--wav", path, "--smooth", 0).code == 2


def test_seconds_end_it(tinyscene, model, wav, microphone):
    found = lines(tinyscene("listen", model, "--wav", wav(tone(5, 0.5)), "--seconds", 1.2, "--json").out)
    assert [d["end_s"] for d in found] == [0.5, 1.0, 1.2]
    mic = microphone(tone(5, 0.5))
    answer = tinyscene("listen", model, "--seconds", 1.2, "--json")
    assert (lines(answer.out), mic.at, mic.closed) == (found, 9_600, True)
    short = tinyscene("listen", model, "--wav", wav(tone(5, 0.5)), "--seconds", 0.05, "--json")
    assert [d["end_s"] for d in lines(short.out)] == [0.05]


def test_each_warning_is_said_once(tinyscene, model, wav):
    answer = tinyscene("listen", model, "--wav", wav(tone(3, 1e-4)))
    assert answer.err.count("warning:") == 1
    assert "very quiet, below -65 dBFS. Raise the microphone's level." in answer.err


def test_a_rate_below_the_models_is_told(tinyscene, model, wav):
    answer = tinyscene("listen", model, "--wav", wav(tone(2, 0.5, 4_000), 4_000))
    assert "4,000 Hz came and tiny takes 8,000 Hz: what lies above 2,000 Hz is missing" in answer.err
    assert "warning" not in tinyscene("listen", model, "--wav", wav(tone(2, 0.5, 16_000), 16_000)).err


def test_a_microphone_is_heard_at_its_own_rate_until_ctrl_c(tinyscene, model, microphone):
    mic = microphone(np.stack([tone(1.4, 0.5, 48_000)] * 2, axis=1), 48_000)
    answer = tinyscene("listen", model, "--device", 1, "--json")
    assert answer.code == 0
    assert [d["label"] for d in lines(answer.out)] == ["loud", "loud"]
    assert mic.closed
    wanted = {"samplerate": 48_000, "blocksize": 4_800, "device": 1, "channels": 2, "dtype": "float32"}
    assert mic.opened == wanted | {"latency": "high"}
    assert answer.err == "desk mic, 48,000 Hz -> tiny\n2 decisions: loud 2\n"


def test_ctrl_c_before_the_first_window(tinyscene, model, microphone):
    microphone(tone(0.3, 0.5))
    answer = tinyscene("listen", model, "--device", "desk")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.endswith("no decision: a window lasts 0.5 s\n")


def test_lost_sound_is_told(tinyscene, model, microphone):
    microphone(tone(1, 0.5)).overflowed = True
    assert tinyscene("listen", model).err.count("sound was lost, this machine is too busy") == 1


@pytest.mark.parametrize(("true_rate", "told"), [(8_000, 0), (8_100, 0), (4_000, 1)])
def test_a_microphone_that_gives_another_rate_is_told(tinyscene, model, microphone, monkeypatch, true_rate, told):
    mic = microphone(tone(30, 0.5))
    monkeypatch.setattr(listen_verb, "monotonic", lambda: 100 + mic.at / true_rate)
    err = tinyscene("listen", model, "--hop", 5).err
    assert err.count("the microphone gives 4,000 samples a second and announces 8,000; answers may be wrong") == told
    assert err.count("wrong rate") == told


def test_no_such_microphone(tinyscene, model, microphone):
    microphone(tone(1, 0.5))
    answer = tinyscene("listen", model, "--device", 7)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "the microphone '7' cannot be opened (No input device matching 7). Connect one and allow" in answer.err
    assert "name another with --device (1 desk mic)" in answer.err


@pytest.mark.parametrize("what", ["query_devices", "InputStream"])
def test_no_microphone_or_no_permission(tinyscene, model, microphone, monkeypatch, what):
    mic = microphone(tone(1, 0.5))

    def refuse(*_: object, **__: object) -> None:
        raise FakeMicrophone.PortAudioError("Error querying device -1", -9_999)

    monkeypatch.setattr(mic, what, refuse)
    answer = tinyscene("listen", model)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "the system's microphone cannot be opened (Error querying device -1). Connect one" in answer.err
    assert ("none found" in answer.err) == (what == "query_devices")


def test_a_microphone_that_is_pulled_out(tinyscene, model, microphone):
    mic = microphone(tone(1, 0.5))
    mic.error = FakeMicrophone.PortAudioError("Device unavailable [PaErrorCode -9985]")
    answer = tinyscene("listen", model)
    assert answer.code == 2
    assert len(answer.out.splitlines()) == 2
    assert "desk mic stopped (Device unavailable [PaErrorCode -9985]). Connect it again" in answer.err


def test_without_the_extra(tinyscene, model, monkeypatch, wav):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    answer = tinyscene("listen", model)
    assert (answer.code, answer.out) == (2, "")
    assert "tinyscene listen needs the extra 'live' (no module named sounddevice)" in answer.err
    assert tinyscene("listen", model, "--wav", wav(tone(1, 0.5))).code == 0


def test_without_portaudio(tinyscene, model, monkeypatch):
    class NoLibrary:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    answer = tinyscene("listen", model)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "no microphone can be opened (PortAudio library not found). Install PortAudio" in answer.err


def test_mistakes_are_told(tinyscene, model, wav, tmp_path):
    for words, text in (
        (("--wav", tmp_path / "none.wav"), "none.wav does not exist"),
        (("--wav", wav(np.zeros((100, 3)))), "a.wav has 3 channels; 1 or 2 are taken"),
        (("--wav", tmp_path / "a.wav", "--device", 1), "--wav and --device exclude each other; give one."),
        (("--seconds", 0), "--seconds takes more than 0; 0 came."),
        (("--hop", 0), "--hop takes seconds, 0.001 to 86,400; 0 came."),
        (("--hop", "nan"), "--hop takes seconds, 0.001 to 86,400; nan came."),
    ):
        answer = tinyscene("listen", model, *words)
        assert answer.code == 2
        assert text in answer.err
        assert answer.err.count("\n") == 1


class Terminal(io.StringIO):
    """A terminal, as far as rich asks."""

    def isatty(self) -> bool:
        return True


def test_live_view_on_a_terminal(model, wav, monkeypatch):
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", screen)
    listen_verb.listen(model, wav(np.r_[tone(0.5, 0.5), tone(0.5, 0.05)]))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    for part in ("0.5 s", "1.0 s", "loud", "quiet [b]", "dBFS", "█"):
        assert part in text


def test_view_of_silence_and_clipping():
    console = Console(file=io.StringIO(), width=80)
    plain = {"start_s": 0, "end_s": 1.5, "score": 0, "scores": {}, "level_dbfs": -120.0, "clipped": 0.0}
    for changes in ({"label": None}, {"label": "bus", "scores": {"bus": 1.0}, "clipped": 0.02, "level_dbfs": 0.0}):
        console.print(listen_verb._view(SimpleNamespace(**(plain | changes))))  # type: ignore[arg-type]
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "silence" in shown
    assert "0.0 dBFS clipped 2.0 %" in shown


@pytest.mark.parametrize("came", ["nan", "1.5", "-0.1"])
def test_unknown_below_says_what_it_takes(tinyscene, came):
    for words in (
        ("listen", "--wav", "none.wav"),
        ("classify", "none.wav"),
        ("classify-all", "none", "--out", "a.csv"),
    ):
        answer = tinyscene(*words, "--unknown-below", came)
        assert answer.code == 2
        assert f"--unknown-below takes 0 to 1; {came} came" in answer.err
        assert answer.err.count("\n") == 1
