"""A model file is ours, whole, unchanged and not too new, or it is refused in one line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
import pytest

from tinyscene.errors import ModelError
from tinyscene.runtime import read_model_file
from tinyscene.runtime.model_file import CARD_KEY, CHECKSUM_KEY, NO_CHECKSUM, checksum, sealed


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_model_file(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_sealed_file_is_read_with_its_card(tiny_model, card):
    path = tiny_model(labels=("Straße", "bus"), claims={"accuracy": 0.5}, created="2026-11-20")
    data, read = read_model_file(path)
    assert data == path.read_bytes()
    assert read == card(labels=("Straße", "bus"), claims={"accuracy": 0.5}, created="2026-11-20")


def test_checksum_is_that_of_the_file_with_zeros_in_its_place(tiny_model):
    """Worked out the plain way, through the onnx package."""
    data = tiny_model().read_bytes()
    model = onnx.load_from_string(data)
    written = {entry.key: entry.value for entry in model.metadata_props}[CHECKSUM_KEY]
    assert written == hashlib.sha256(data.replace(written.encode(), b"0" * 64)).hexdigest() == checksum(data)


def test_sealing_changes_the_64_characters_only_and_can_be_repeated(unsealed):
    data = unsealed()
    done = sealed(data)
    assert len(done) == len(data)
    assert done.replace(checksum(data).encode(), NO_CHECKSUM.encode()) == data
    assert sealed(done) == done


def test_sealed_file_is_still_an_onnx_file(tiny_model):
    onnx.checker.check_model(onnx.load(tiny_model()))


def test_unsealed_file_is_refused(unsealed, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(unsealed())
    assert "its checksum does not fit" in refusal(path)


def test_cut_file_is_refused_wherever_it_is_cut(tiny_model):
    path = tiny_model()
    data = path.read_bytes()
    for length in range(1, len(data), 7):
        path.write_bytes(data[:length])
        text = refusal(path)
        assert "cut" in text or "damaged" in text, (length, text)


def test_cut_inside_the_network_is_told_as_such(tiny_model):
    path = tiny_model()
    path.write_bytes(path.read_bytes()[:200])
    assert "is cut short: its last part runs past 200 bytes" in refusal(path)


def test_changed_byte_is_refused_wherever_it_is(tiny_model):
    path = tiny_model()
    data = path.read_bytes()
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        refusal(path)


@pytest.mark.parametrize("what", [b"low", b"weights", b'"window_samples":8000', b'"floor":1e-06'])
def test_changed_label_weight_or_constant_is_told_as_a_change(tiny_model, what):
    path = tiny_model()
    data = path.read_bytes()
    at = data.index(what) + len(what) - 1
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert "was changed or damaged since it was written: its checksum does not fit" in refusal(path)


def test_appended_bytes_are_refused(tiny_model):
    path = tiny_model()
    path.write_bytes(path.read_bytes() + b"\x08\x09")
    assert "checksum does not fit" in refusal(path)


def test_foreign_onnx_is_refused(unsealed, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(unsealed({"author": "someone"}))
    assert f"is an ONNX file without {CARD_KEY}: it is not a tinyscene model" in refusal(path)


@pytest.mark.parametrize("data", [b"RIFF\x00\x00", b"hello\nworld\n" * 20, b"\x89PNG\r\n", b"\x00" * 100, b"\x08"])
def test_other_file_is_no_onnx(tmp_path, data):
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    assert ("is not an ONNX file" in refusal(path)) == (data != b"\x08")


def test_missing_file_folder_and_empty_file_are_told(tmp_path):
    assert "does not exist; a tinyscene model file (.onnx) is taken" in refusal(tmp_path / "a.onnx")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "b.onnx").touch()
    assert "is empty (0 bytes)" in refusal(tmp_path / "b.onnx")


def with_card(unsealed, card, tmp_path: Path, **changes: object) -> Path:
    """A properly sealed file whose card has been edited; None takes a field out."""
    content = json.loads(card().to_json()) | changes
    text = json.dumps({key: value for key, value in content.items() if value is not None})
    path = tmp_path / "a.onnx"
    path.write_bytes(sealed(unsealed({CARD_KEY: text, CHECKSUM_KEY: NO_CHECKSUM})))
    return path


def test_newer_format_is_told_to_upgrade(unsealed, card, tmp_path):
    text = refusal(with_card(unsealed, card, tmp_path, format=2))
    assert "has the model format 2; this version reads up to 1. Upgrade" in text


def test_newer_format_is_told_even_if_its_checksum_has_another_rule(unsealed, card, tmp_path):
    path = with_card(unsealed, card, tmp_path, format=2)
    path.write_bytes(path.read_bytes().replace(b'"low"', b'"LOW"'))
    assert "model format 2" in refusal(path)


def test_card_may_hold_more_than_this_version_knows(unsealed, card, tmp_path):
    assert read_model_file(with_card(unsealed, card, tmp_path, mood="calm"))[1] == card()


@pytest.mark.parametrize("key", ["format", "labels", "frontend"])
def test_card_without_a_needed_field_is_told(unsealed, card, tmp_path, key):
    assert f"it came without {key}" in refusal(with_card(unsealed, card, tmp_path, **{key: None}))


@pytest.mark.parametrize(("key", "value"), [("form", "image"), ("precision", "int4"), ("channels", "left")])
def test_card_with_an_unknown_word_is_told(unsealed, card, tmp_path, key, value):
    text = refusal(with_card(unsealed, card, tmp_path, **{key: value}))
    assert f"tinyscene.model.{key} takes" in text
    assert f"'{value}' came" in text


def test_card_that_is_no_json_is_told(unsealed, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(sealed(unsealed({CARD_KEY: "not json", CHECKSUM_KEY: NO_CHECKSUM})))
    assert "tinyscene.model is no JSON object" in refusal(path)


def test_checksum_of_the_wrong_length_is_told(unsealed, card, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(unsealed({CARD_KEY: card().to_json(), CHECKSUM_KEY: "0" * 63}))
    assert "has no tinyscene.sha256 of 64 characters" in refusal(path)
    with pytest.raises(ModelError, match=r"the model has no tinyscene.sha256"):
        sealed(path.read_bytes())


def test_card_may_quote_the_checksum_key(tiny_model):
    """The place of the checksum is found by the file's structure, not by searching for text."""
    decoy = "tinyscene.sha256 @" + "0" * 64
    assert read_model_file(tiny_model(name="b.onnx", system=decoy))[1].system == decoy
