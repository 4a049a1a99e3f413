"""tinyscene web: a folder, a server that Ctrl-C ends, and words for what is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import pytest

from tinyscene.web import page


def test_export(tinyscene, built, tiny, tmp_path):
    answer = tinyscene("web", tiny, "--export", tmp_path / "page")
    assert (answer.code, answer.out) == (0, f"{tmp_path / 'page'}\n"), answer.err
    assert (tmp_path / "page" / "model.onnx").read_bytes() == tiny.read_bytes()
    assert (tmp_path / "page" / "index.html").read_bytes() == (built / "index.html").read_bytes()
    assert "https" in answer.err


def test_a_model_of_features(tinyscene, tiny_model, tmp_path):
    spectral = {"class": "LogMel", "sample_rate_hz": 8_000}
    model = tiny_model(form="features", frontend={"spectral": spectral})
    answer = tinyscene("web", model, "--export", tmp_path / "page")
    assert answer.code == 2
    assert "takes features; the page takes a model of sound" in answer.err
    assert "tinyscene export RUN --form waveform" in answer.err
    assert not (tmp_path / "page").exists()


def test_a_damaged_model(tinyscene, tiny, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(tiny.read_bytes().replace(b"quiet", b"quite"))
    answer = tinyscene("web", model, "--no-open")
    assert answer.code == 2
    assert "checksum" in answer.err


def test_a_page_that_was_not_built(tinyscene, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "BUILT", tmp_path)
    answer = tinyscene("web", tiny, "--no-open")
    assert answer.code == 2
    assert "make web" in answer.err
    assert "Node 20.19" in answer.err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C comes another way there")
def test_ctrl_c_ends_it_quietly(built, tiny):
    words = [sys.executable, "-m", "tinyscene", "web", tiny, "--no-open", "--port", "0"]

    def heed() -> None:  # a background job of a shell ignores it, and so does what it starts
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes, preexec_fn=heed) as process:  # type: ignore[call-overload]
        assert process.stdout
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b"<title>tinyscene</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=10)
    assert process.returncode == 0
    assert told.strip() == "Ctrl-C ends it."
