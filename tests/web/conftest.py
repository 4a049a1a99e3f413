"""What the page's tests share: small models, the page on a server, a headless Chromium that hears a file."""

from __future__ import annotations

import csv
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper

from tinyscene.runtime.model_file import ModelCard, sealed
from tinyscene.web import page
from tinyscene.web.serve import server

RATE = 8_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HEARD = 48_000  # Hz, of the file that the fake microphone plays


def _tone(seconds: float, amplitude: float, rate: int = RATE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def _tiny_model(path: Path, **changes: Any) -> Path:
    """Windows of 0.5 s; the second class where their mean distance from 0 is above 0.1, softly."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "system": "none",
        "version": "0.1.0",
        "form": "waveform",
        "precision": "float32",
        "labels": ("quiet", "loud"),
        "sample_rate_hz": RATE,
        "channels": "mean",
        "frontend": {},
        **changes,
    }
    card = ModelCard(window_samples=settings["sample_rate_hz"] // 2, **settings)
    n = len(card.labels)
    spread = np.zeros((n, 1), np.float32)
    spread[:2] = [[-30.0], [30.0]]
    constants = {"weight": spread, "bias": np.r_[3.0, -3.0, -9.0 * np.ones(n - 2)].astype(np.float32)}
    constants["axis"] = np.array([1])
    nodes = [
        helper.make_node("Abs", [card.form], ["size"]),
        helper.make_node("ReduceMean", ["size", "axis"], ["level"]),
        helper.make_node("Gemm", ["level", "weight", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(card.form, TensorProto.FLOAT, ["batch", card.window_samples])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in card.metadata().items():
        file.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(file)
    path.write_bytes(sealed(file.SerializeToString()))
    return path


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    """tone(seconds, amplitude, rate=8000): a sine of 440 Hz."""
    return _tone


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """tiny_model(name=..., labels=..., ...): a model file whose card says so."""
    return lambda **changes: _tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.onnx", **changes)


@pytest.fixture(scope="session")
def tiny(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


@pytest.fixture(scope="session")
def built() -> Path:
    """The page's files."""
    if not (page.BUILT / "index.html").is_file():
        pytest.skip("the page is not built: `make web` builds it, with Node 20.19 or newer")
    return page.BUILT


@pytest.fixture(scope="session")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone hears: 2.5 s loud, 2 s quiet, 2 s loud, and then nothing."""
    path = tmp_path_factory.mktemp("heard") / "heard.wav"
    parts = [_tone(2.5, 0.6, HEARD), _tone(2, 0.03, HEARD), _tone(2, 0.6, HEARD)]
    soundfile.write(path, np.concatenate(parts), HEARD, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def browser(built: Path, heard: Path) -> Iterator[Any]:
    """A headless Chromium, a new one for each file of tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=found,
            args=[
                "--no-sandbox",  # root in a container has none
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={heard}%noloop",
            ],
        )
        yield chromium
        chromium.close()


# Keeps what goes to the worker and comes back, as a test sees it: the samples, and how many blocks were answered.
WATCH = """
window.seen = { rate: 0, blocks: [], fed: 0, keep: true }
const post = Worker.prototype.postMessage
Worker.prototype.postMessage = function (message, transfer) {
  if (!this.watched) {
    this.watched = true
    this.addEventListener('message', ({ data }) => { if (data.kind === 'fed') seen.fed += 1 })
  }
  if (message.kind === 'begin') Object.assign(seen, { rate: message.rate, blocks: [], fed: 0 })
  if (message.kind === 'feed' && seen.keep) seen.blocks.push(message.channels[0].slice())
  return post.call(this, message, transfer)
}
"""
SAMPLES = """() => {
  const bytes = seen.blocks.map((block) => new Uint8Array(block.buffer))
  let text = ''
  for (const block of bytes)
    for (let i = 0; i < block.length; i += 4096) text += String.fromCharCode(...block.subarray(i, i + 4096))
  return [seen.rate, btoa(text)]
}"""


@dataclass
class Site:
    """The page, opened in a browser, and what a test wants of it."""

    tab: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def wait(self, state: str) -> None:
        self.tab.wait_for_selector(f"body[data-state={state}]", timeout=30_000)

    def text(self, element: str) -> str:
        return self.tab.locator(f"#{element}").text_content()

    def notice(self) -> str:
        self.tab.locator("#notice").wait_for(timeout=30_000)
        return self.text("notice")

    def hear(self, path: Path) -> list[dict[str, str]]:
        """Opens a file; the rows of the CSV that the page then offers."""
        self.tab.set_input_files("#sound-input", path)
        self.tab.locator("#source", has_text=path.name).wait_for(timeout=30_000)
        self.wait("done")
        return self.rows()

    def rows(self) -> list[dict[str, str]]:
        with self.tab.expect_download() as download:
            self.tab.click("#download")
        with open(download.value.path(), newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def samples(self) -> tuple[np.ndarray, int]:
        """The sound that went to the network's thread, and its rate."""
        import base64

        rate, text = self.tab.evaluate(SAMPLES)
        return np.frombuffer(base64.b64decode(text), np.float32), rate


Opener = Callable[..., Site]


@contextmanager
def _serving(files: dict[str, bytes]) -> Iterator[str]:
    with server(files) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/"
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def served() -> Callable[[dict[str, bytes]], AbstractContextManager[str]]:
    """`with served(files) as address`: a server of these, as `tinyscene web` makes it."""
    return _serving


@pytest.fixture
def stay() -> Iterator[Callable[[dict[str, bytes]], str]]:
    """stay(files): the address of such a server, which is there until the test ends."""
    with ExitStack() as stack:
        yield lambda files: stack.enter_context(_serving(files))


@pytest.fixture
def site(browser: Any, stay: Callable[[dict[str, bytes]], str]) -> Iterator[Opener]:
    """Opens the page with a model: site(path, scripts..., microphone=True, address=None, state="ready") -> Site."""
    with ExitStack() as stack:

        def opened(
            model: Path | None = None,
            *scripts: str,
            microphone: bool = True,
            address: str | None = None,
            state: str | None = "ready",
            **settings: Any,
        ) -> Site:
            if address is None:
                assert model is not None
                address = stay(page.page_files(model))
            context = browser.new_context(permissions=["microphone"] if microphone else [], **settings)
            stack.callback(context.close)
            result = Site(context.new_page())
            context.on("request", lambda request: result.requests.append(request.url))
            result.tab.on("pageerror", lambda error: result.errors.append(str(error)))
            for script in (WATCH, *scripts):
                context.add_init_script(script)
            result.tab.goto(address)
            if state:
                result.wait(state)
            return result

        yield opened


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    def save(sound: np.ndarray, rate: int = RATE, name: str = "a.wav", subtype: str = "PCM_16") -> Path:
        soundfile.write(tmp_path / name, sound, rate, subtype=subtype, format=Path(name).suffix[1:].upper())
        return tmp_path / name

    return save
