"""Each number of a card lies in a range, whoever sealed it: no size asks for gigabytes, no text steers a terminal."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tinyscene.errors import ModelError
from tinyscene.runtime import Classifier
from tinyscene.runtime.model_file import CARD_KEY, CHECKSUM_KEY, NO_CHECKSUM, sealed

NAN = float("nan")


@pytest.fixture
def refusal(unsealed, card, tmp_path: Path):
    """What opening a sealed model is refused with whose card says other things; a path of keys leads to each."""

    def open_it(changes: dict[tuple[Any, ...], Any]) -> str:
        content: Any = copy.deepcopy(json.loads(card().to_json()))
        for keys, value in changes.items():
            holder = content
            for key in keys[:-1]:
                holder = holder[key]
            holder[keys[-1]] = value
        path = tmp_path / "a.onnx"
        path.write_bytes(sealed(unsealed({CARD_KEY: json.dumps(content), CHECKSUM_KEY: NO_CHECKSUM})))
        with pytest.raises(ModelError) as caught:
            Classifier(path)
        text = str(caught.value)
        assert text.startswith(str(path))
        assert text.isprintable()
        return text

    return open_it


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("window_samples", 0, "whole number from 1 to 2,097,152; 0 came"),
        ("window_samples", 1 << 40, "whole number from 1 to 2,097,152"),
        ("window_samples", 8_000.0, "8000.0 came"),
        ("window_samples", True, "True came"),
        ("sample_rate_hz", 1, "2,000 to 192,000; 1 came"),
        ("sample_rate_hz", 10**9, "2,000 to 192,000"),
        ("hop_samples", -1, "whole number from 8 to"),
        ("hop_samples", 7, "whole number from 8 to"),  # a thousandth of the window is the least
        ("hop_samples", NAN, "nan came"),
        ("labels", "ab", "a list of 1 to 4,096 labels"),
        ("labels", [], "a list of 1 to 4,096 labels"),
        ("labels", ["a"] * 5_000, "a list of 1 to 4,096 labels"),
        ("labels", ["a", "a"], "each label once"),
        ("labels", ["a", 1], "printable characters; 1 came"),
        ("labels", ["a", ""], "1 to 1000 printable"),
        ("labels", ["a", "\x1b[2J"], "printable characters"),
        ("labels", ["a", "b" * 1_001], "printable characters"),
        ("name", "\x1b]0;owned\x07", "printable characters"),
        ("system", None, "printable characters"),
        ("temperature", 0, "0.05 to 20; 0 came"),
        ("quiet_db", 121, "0 to 120; 121 came"),
        ("temperature", NAN, "finite number"),
        ("temperature", "1", "takes a number"),
        ("unknown_below", 1.5, "0 to 1; 1.5 came"),
        ("frontend", [], "an object"),
        ("claims", {"data": "\x1b[2J"}, "printable characters"),
        ("claims", {"a": [[[[[[[[[[]]]]]]]]]]}, "8 deep"),
        ("complexity", {"macs": float("inf")}, "finite number"),
        ("format", 0, "format takes 1; 0 came"),
    ],
)
def test_card_out_of_range_is_told(refusal, key, value, told):
    assert told in refusal({(key,): value})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"n_fft": 1 << 40}, "frontend.n_fft takes a whole number from 2 to 65,536"),
        ({"n_fft": 255}, "even number"),
        ({"win_length": -1}, "frontend.win_length"),
        ({"hop_length": 0}, "frontend.hop_length"),
        ({"n_mels": 1 << 20}, "frontend.n_mels"),
        ({"n_mels": 4_096, "n_fft": 65_536}, "a filter bank of up to 8,388,608 numbers"),
        ({"sample_rate_hz": 0}, "frontend.sample_rate_hz"),
        ({"f_max": NAN}, "finite number"),
        ({"f_max": 1e300}, "frontend.spectral.f_max takes"),
        ({"floor": 0}, "floor"),
        ({"log": 3}, "front end"),
        ({"window": ["hann"]}, "front end"),
        ({"hop_length": 1, "n_mels": 1_024, "n_fft": 4_096}, "numbers of a window"),
    ],
)
def test_front_end_out_of_range_is_told(refusal, changes, told):
    assert told in refusal({("frontend", "spectral", key): value for key, value in changes.items()})


@pytest.mark.parametrize(
    ("finish", "told"),
    [
        ([{"class": "Doubled", "times": 1 << 30}], "frontend.times"),
        ([{"class": "Doubled", "times": 60}] * 5, "numbers of a window"),
        ([{"class": "Doubled"}] * 17, "a list of up to 16 steps"),
        ({"class": "Doubled"}, "a list of up to 16 steps"),
        ([{"class": "Crop", "n_frames": -1}], "frontend.n_frames"),
        ([{"class": "FittedStandardisation", "mean": [[1, "a"]], "deviation": [[1, 1]]}], "finite numbers"),
        ([3], "takes Crop"),
    ],
)
def test_finishing_steps_out_of_range_are_told(refusal, finish, told):
    assert told in refusal({("frontend", "finish"): finish})


def test_json_that_is_deep_or_huge_is_no_card(unsealed, tmp_path):
    for text in ("[" * 100_000, '{"a":' * 100_000, '{"format": 1' + "0" * 5_000 + "}", " " * (5 << 20)):
        path = tmp_path / "a.onnx"
        path.write_bytes(sealed(unsealed({CARD_KEY: text, CHECKSUM_KEY: NO_CHECKSUM})))
        with pytest.raises(ModelError, match=r"tinyscene\.model is no JSON object"):
            Classifier(path)


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    with open(tmp_path / "a.onnx", "wb") as file:
        file.write(b"\x08\x09")
        file.truncate(5 << 30)  # of which the disk holds nothing
    with pytest.raises(ModelError, match="larger than 67,108,864 bytes"):
        Classifier(tmp_path / "a.onnx")


def test_a_card_without_calibration_is_as_before(card):
    assert "temperature" not in card().to_json()
    assert (
        json.loads(card(temperature=1.5, unknown_below=0.4).to_json()).items()
        >= {
            "temperature": 1.5,
            "unknown_below": 0.4,
        }.items()
    )
