"""Draws docs/web-*.png: the page as it listens to some clips of ESC-10, in light, dark and at a phone's width.

python docs/web_pictures.py MODEL      (TINYSCENE_DATA names the folder that holds esc10; Chromium and playwright)
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import soundfile

from tinyscene.audio import read_audio, resample
from tinyscene.web.page import page_files
from tinyscene.web.serve import server

RATE = 48_000
CLIPS = ("Rain", "Dog bark", "Chainsaw", "Fire crackling", "Rooster", "Baby cry", "Sea waves", "Sea waves")  # of fold 1
SECONDS = 31


def montage(folder: Path) -> np.ndarray:
    """A clip of each kind, one after the other, without their digital silence, of even loudness."""
    parts = []
    for i, name in enumerate(CLIPS):
        clip = sorted(next(folder.glob(f"*{name}*")).glob("1-*.ogg"))[2 + (name in CLIPS[:i])]
        sound, rate = read_audio(clip)
        sound = resample(sound[np.abs(sound) > 0], rate, RATE)[: 5 * RATE]
        parts.append(sound * min(0.12 / float(sound.std()), 0.9 / float(np.abs(sound).max())))
    return np.concatenate(parts)


def main() -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    model, here = Path(sys.argv[1]), Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder, server(page_files(model)) as serving, sync_playwright() as play:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        sound = Path(folder) / "sound.wav"
        soundfile.write(sound, montage(Path(os.environ["TINYSCENE_DATA"]) / "esc10" / "audio"), RATE)
        chromium = play.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={sound}%noloop",
            ],
        )
        context = chromium.new_context(
            permissions=["microphone"], viewport={"width": 1240, "height": 900}, device_scale_factor=1.5
        )
        context.add_init_script(
            "Object.defineProperty(MediaStreamTrack.prototype, 'label', { get: () => 'Microphone' })"
        )
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{serving.server_address[1]}/")
        page.wait_for_selector("body[data-state=ready]")
        page.click("#listen")
        page.wait_for_selector("body[data-state=listening]")
        page.wait_for_timeout(1000 * SECONDS)
        for name, scheme, width in (("light", "light", 1240), ("dark", "dark", 1240), ("phone", "light", 390)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(400)
            picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
            picture.quantize(256).save(here / f"web-{name}.png", optimize=True)  # a third of the bytes
        chromium.close()
        serving.shutdown()


if __name__ == "__main__":
    main()
