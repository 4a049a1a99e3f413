"""The page keeps to itself, shows foreign text as text, says in words what is wrong, and is used without a mouse."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyscene.runtime.model_file import sealed
from tinyscene.web.folder import write_folder
from tinyscene.web.page import page_files

RATE = 8_000
HOSTILE = "<img src=x onerror=document.title='hit'>"


def test_nothing_is_asked_for_after_loading(site, served, tiny, tone, wav):
    """Once it is loaded the server goes away, and all of the page works on."""
    server = ExitStack()
    home = server.enter_context(served(page_files(tiny)))
    page = site(address=home)
    page.tab.wait_for_load_state("networkidle")
    assert all(url.startswith(home) for url in page.requests)
    assert len([url for url in page.requests if url.endswith("model.onnx")]) == 1
    server.close()
    loaded = len(page.requests)
    assert page.hear(wav(tone(3, 0.5), name="\u0431\u0435\u0440\u0435\u0433.wav"))[0]["label"] == "loud"
    page.hear(wav(tone(3, 0.5), name="a.ogg", subtype="VORBIS"))
    page.tab.click("#play")
    page.tab.click("#listen")
    page.wait("listening")
    page.tab.locator("#decision", has_text="loud").wait_for()
    page.tab.click("#listen")
    page.wait("done")
    page.rows()
    page.tab.set_input_files("#model-input", tiny)
    page.tab.locator("#source", has_text="Which scene").wait_for()
    assert not [url for url in page.requests[loaded:] if not url.startswith(f"blob:{home}")]
    assert not page.errors


WAYS_OUT = """async (port) => {
  const blocked = []
  addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective))
  const elsewhere = `http://127.0.0.1:${port}/`
  await fetch(elsewhere).catch(() => 0)
  try { new WebSocket(`ws://127.0.0.1:${port}/`) } catch {}
  navigator.sendBeacon(elsewhere, 'x')
  new Image().src = elsewhere + 'a.png'
  document.head.append(Object.assign(document.createElement('script'), { src: elsewhere + 'a.js' }))
  document.body.append(Object.assign(document.createElement('iframe'), { src: elsewhere }))
  const form = document.body.appendChild(Object.assign(document.createElement('form'), { action: elsewhere }))
  form.submit()
  await new Promise((resolve) => setTimeout(resolve, 300))
  return [...new Set(blocked)].sort()
}"""


def test_the_policy_forbids_every_way_out_on_any_host(site, tiny, tone, wav, tmp_path):
    """A plain static host, below a path, that sends no header of ours; another that counts who calls."""
    write_folder(page_files(tiny), tmp_path / "root" / "a b" / "page")
    called: list[str] = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    class Elsewhere(Quiet):
        def parse_request(self) -> bool:  # Chromium connects ahead of a frame's or form's check, and then says nothing
            called.append(repr(getattr(self, "raw_requestline", b"")))
            return super().parse_request()

    with running(partial(Quiet, directory=str(tmp_path / "root"))) as port, running(Elsewhere) as other:
        page = site(address=f"http://127.0.0.1:{port}/a%20b/page/")
        assert page.hear(wav(tone(1, 0.5)))[0]["label"] == "loud"
        blocked = page.tab.evaluate(WAYS_OUT, other)
        page.tab.context.close()
    assert blocked == ["connect-src", "form-action", "frame-src", "img-src", "script-src-elem"]
    assert not called


@contextmanager
def running(handler: Any) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.02,))
        thread.start()
        yield host.server_address[1]
        host.shutdown()
        thread.join()


def test_hostile_text_is_text(site, tiny_model, tone, wav):
    labels = (HOSTILE, "=HYPERLINK(1)", 'a "quoted", b')
    claims = {"accuracy": 0.5, "data": HOSTILE, "split": HOSTILE, "n": 3}
    model = tiny_model(name=HOSTILE, system=HOSTILE, labels=labels, claims=claims, unknown_below=0.3)
    page = site(model)
    pictures = page.tab.locator("img, script:not([src]), iframe")
    rows = page.hear(wav(np.r_[tone(1, 0.01), tone(1, 0.6)], name=f"{HOSTILE.replace('/', '')}.wav"))
    assert page.text("source") == f"{HOSTILE}.wav"
    assert HOSTILE in page.text("facts")
    assert HOSTILE in page.text("model-line")
    assert HOSTILE in page.text("decisions")
    assert page.text("classes").startswith(HOSTILE)
    assert pictures.count() == 0
    assert page.tab.title() == "tinyscene"
    assert list(rows[0])[8:] == [HOSTILE, "'=HYPERLINK(1)", 'a "quoted", b']  # never a formula, always whole
    assert rows[-1]["label"] == "'=HYPERLINK(1)"
    evil = wav(tone(1, 0.6), name="=cmd|'!A1.wav")
    assert page.hear(evil)[0]["source"] == f"'{evil.name}"
    assert not page.errors


def metadata(model: Path, key: str, change) -> bytes:
    import onnx

    file = onnx.load(model)
    for entry in file.metadata_props:
        if entry.key == key:
            entry.value = change(entry.value)
    return file.SerializeToString()


def card(model: Path, **changes) -> bytes:
    def changed(text: str) -> str:
        return json.dumps(json.loads(text) | changes)

    return sealed(metadata(model, "tinyscene.model", changed))


def foreign(model: Path) -> bytes:
    import onnx

    file = onnx.load(model)
    del file.metadata_props[:]
    return file.SerializeToString()


MODELS = {
    "features": (lambda m: card(m, form="features"), "tinyscene export RUN --form waveform"),
    "foreign": (foreign, "not a tinyscene model"),
    "newer": (lambda m: card(m, format=2), "reads up to 1"),
    "cut": (lambda m: m.read_bytes()[:-70], "not a model file"),
    "changed": (lambda m: m.read_bytes().replace(b"quiet", b"quite"), "checksum does not fit"),
    "text": (lambda m: b"hello", "not a model file"),
    "empty": (lambda m: b"", "0 bytes"),
    "labels": (lambda m: card(m, labels=["a", "a"]), "labels takes"),
    "rate": (lambda m: card(m, sample_rate_hz=1e9), "sample_rate_hz takes"),
    "hidden": (lambda m: card(m, name="a\u202eb"), "printable"),
    "outputs": (lambda m: card(m, labels=["a", "b", "c"]), "3 labels"),
    "network": (
        lambda m: sealed(m.read_bytes().replace(b"ReduceMean", b"ReduceNone")),
        "cannot be opened in this browser",
    ),
}


def test_wrong_models_are_told_in_words(site, tiny, tone, wav, tmp_path):
    page = site(tiny)
    for name, (make, words) in MODELS.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(make(tiny))
        page.tab.set_input_files("#model-input", path)
        page.tab.locator("#notice", has_text=words).wait_for(timeout=10_000)
    assert page.hear(wav(tone(1, 0.5)))[0]["label"] == "loud"  # the first model is still there
    assert page.tab.locator("#notice").is_hidden()
    assert not page.errors


def test_no_model_beside(site, stay, tiny, tone, wav):
    files = page_files(tiny)
    del files["model.onnx"]
    page = site(address=stay(files), state="empty")
    assert "No model lies beside this page" in page.notice()
    assert page.tab.locator("#listen").is_disabled()
    page.tab.set_input_files("#model-input", tiny)
    page.wait("ready")
    assert page.hear(wav(tone(1, 0.5)))[0]["label"] == "loud"


def test_wrong_sounds_are_told_in_words(site, tiny, wav, tone, tmp_path):
    page = site(tiny)
    (tmp_path / "notes.mp3").write_bytes(b"this is no sound" * 100)
    (tmp_path / "empty.wav").write_bytes(b"")
    whole = wav(tone(1, 0.5), name="whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:-4000])
    wrong = {
        tmp_path / "notes.mp3": "cannot be decoded",
        tmp_path / "empty.wav": "0 bytes",
        tmp_path / "cut.wav": "cut short",
        wav(np.zeros((100, 3), np.float32), name="three.wav"): "3 channels",
        wav(np.zeros(0, np.float32), name="none.wav"): "no samples",
        wav(np.r_[tone(1, 0.1), np.float32("nan")], name="nan.wav", subtype="FLOAT"): "no numbers",
    }
    for path, words in wrong.items():
        page.tab.set_input_files("#sound-input", path)
        page.tab.locator("#notice", has_text=words).wait_for(timeout=10_000)
    assert page.hear(wav(tone(1, 0.5)))[0]["label"] == "loud"
    assert not page.errors


NO_MICROPHONE = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotFoundError') }"


def test_no_microphone_and_none_allowed(site, tiny):
    page = site(tiny, NO_MICROPHONE)
    page.tab.click("#listen")
    assert "No microphone was found" in page.notice()
    page = site(tiny, microphone=False)
    page.tab.click("#listen")
    assert "not allowed" in page.notice()
    assert page.tab.get_attribute("body", "data-state") == "ready"


def test_no_webassembly(site, tiny):
    page = site(tiny, "delete globalThis.WebAssembly", state=None)
    assert "no WebAssembly" in page.notice()
    assert page.tab.locator("#open").is_disabled()


UNNAMED = """() => [...document.querySelectorAll('button, canvas, [role], [tabindex]')]
  .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.getAttribute('aria-labelledby') || e.id === 'notice'))
  .map((e) => e.id)"""


def test_keyboard_and_names(site, tiny, tone, wav):
    page = site(tiny)
    page.hear(wav(np.r_[tone(1, 0.01), tone(1, 0.6)]))
    with page.tab.expect_file_chooser():
        page.tab.focus("#open")
        page.tab.keyboard.press("Enter")
    page.tab.focus("#over")
    page.tab.keyboard.press("Home")
    assert page.tab.get_attribute("#over", "aria-valuetext") == "0:00.0: quiet, 1.00"
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowRight")
    assert page.tab.get_attribute("#over", "aria-valuetext").startswith("0:01.0: loud")
    page.tab.keyboard.press("Escape")
    assert page.tab.locator("#cursor").is_hidden()
    reached = set()
    for _ in range(12):
        page.tab.keyboard.press("Tab")
        reached.add(page.tab.evaluate("document.activeElement.id"))
    assert {"open", "listen", "play", "over", "other-model", "download"} <= reached
    assert page.tab.evaluate(UNNAMED) == []
    assert page.tab.get_attribute("#decision", "aria-live") == "polite"
    assert page.tab.get_attribute("#notice", "role") == "alert"


def test_a_sound_may_be_dropped_anywhere(site, tiny, tone, wav):
    page = site(tiny)
    data = list(wav(tone(1, 0.6)).read_bytes())
    drop = """(bytes) => {
      const carried = new DataTransfer()
      carried.items.add(new File([new Uint8Array(bytes)], 'dropped.wav'))
      document.querySelector('footer').dispatchEvent(new DragEvent('drop', { dataTransfer: carried, bubbles: true }))
    }"""
    page.tab.evaluate(drop, data)
    page.tab.locator("#source", has_text="dropped.wav").wait_for()
    page.wait("done")
    assert page.text("decision") == "loud"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width_and_themes(site, tiny_model, tone, wav, scheme):
    labels = tuple(f"a rather long name of a class, number {i}" for i in range(30))
    page = site(tiny_model(labels=labels), color_scheme=scheme, viewport={"width": 390, "height": 844})
    page.hear(wav(tone(2, 0.5), name=f"{'long' * 30}.wav"))
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.text("more").startswith("16 more classes")
    ground = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 384) == (scheme == "light")


# How far a canvas is from white paper: the mean of each column of its lower half, and of each row of its right quarter.
SHADES = """(id) => {
  const canvas = document.getElementById(id)
  const { width, height } = canvas
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height)
  const columns = new Array(width).fill(0)
  const rows = new Array(height).fill(0)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x)
      const shade = ((765 - data[at] - data[at + 1] - data[at + 2]) * data[at + 3]) / 255
      if (y > height / 2) columns[x] += shade / height
      if (x > 0.75 * width) rows[y] += shade / width
    }
  return [columns, rows]
}"""


def test_the_pictures_show_the_sound(site, tiny, wav):
    """A tone of 1 kHz in the second half of it: where it is loud, and how high."""
    sound = np.r_[np.full(2 * RATE, 1e-4), 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)]
    page = site(tiny, color_scheme="light")
    page.hear(wav(sound.astype(np.float32), subtype="FLOAT"))
    page.tab.wait_for_timeout(200)
    for name in ("waveform", "spectrogram", "probabilities"):  # of these the lower row is "loud"
        columns, rows = map(np.array, page.tab.evaluate(SHADES, name))
        before, after = columns[: len(columns) * 9 // 20].mean(), columns[len(columns) * 11 // 20 :].mean()
        assert after > 2 * before, (name, before, after)
        if name == "spectrogram":
            mel = [2595 * np.log10(1 + hertz / 700) for hertz in (40, 1000, RATE / 2)]
            height = (mel[1] - mel[0]) / (mel[2] - mel[0])
            assert 1 - rows.argmax() / len(rows) == pytest.approx(height, abs=0.03)
