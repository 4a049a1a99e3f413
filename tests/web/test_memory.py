"""However long a sound lasts, the page's memory stands still."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RATE = 8_000
FAKE_RATE = 16_000
MINUTES = 10

# A microphone that gives blocks as fast as they are taken: all behind the worklet is the page's own.
FAST_MICROPHONE = f"""
const Real = AudioContext
window.AudioContext = class extends Real {{ constructor() {{ super({{ sampleRate: {FAKE_RATE} }}) }} }}
window.AudioWorkletNode = class extends GainNode {{
  constructor(context) {{ super(context); this.to = {{}}; window.capture = this.to }}
  get port() {{ return this.to }}
}}
"""
FEED = f"""async (seconds) => {{
  seen.keep = false
  for (let block = 0; block < 10 * seconds; block++) {{
    const samples = new Float32Array({FAKE_RATE // 10})
    for (let i = 0; i < samples.length; i++) samples[i] = (Math.random() - 0.5) * (block % 80 < 40 ? 1 : 0.05)
    capture.onmessage({{ data: [samples] }})
    window.given = (window.given ?? 0) + 1
    if (given % 20 === 0) while (given > seen.fed) await new Promise((resolve) => setTimeout(resolve, 1))
  }}
}}"""


# Which share of the waveform's columns shows more than its middle line.
DRAWN = """() => {
  const canvas = document.getElementById('waveform')
  const { width, height } = canvas
  const row = canvas.getContext('2d').getImageData(0, Math.round(height / 2) - 3, width, 1).data
  return row.filter((_, i) => i % 4 === 3).filter((alpha) => alpha > 0).length / width
}"""


class Memory:
    """What a tab's page holds in JavaScript, after collection, and what its process holds in all, MB."""

    def __init__(self, browser: Any, tab: Any):
        self.browser, self.tab = browser.new_browser_cdp_session(), tab.context.new_cdp_session(tab)

    def heap(self) -> float:
        self.tab.send("HeapProfiler.enable")
        self.tab.send("HeapProfiler.collectGarbage")
        found = self.tab.send("Runtime.getHeapUsage")
        return (found["usedSize"] + found.get("backingStorageSize", 0)) / 1e6

    def process(self) -> float:
        self.heap()
        time.sleep(0.5)
        processes = self.browser.send("SystemInfo.getProcessInfo")["processInfo"]
        held = [resident(item["id"]) for item in processes if item["type"] == "renderer"]
        return max(held)


def resident(process: int) -> float:
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        pytest.skip("no /proc here: a process's memory cannot be read")
    return int(status.read_text().split("VmRSS:")[1].split()[0]) / 1e3


def test_ten_minutes_of_a_microphone(browser, site, tiny):
    page = site(tiny, FAST_MICROPHONE)
    page.tab.click("#listen")
    page.wait("listening")
    memory = Memory(browser, page.tab)
    page.tab.evaluate(FEED, 120)
    heap, process = memory.heap(), memory.process()
    page.tab.evaluate(FEED, 60 * MINUTES - 120)
    heap_after, process_after = memory.heap(), memory.process()
    assert page.tab.evaluate(DRAWN) > 0.4  # the picture rolls on; half of the time is loud
    page.tab.click("#listen")
    page.wait("done")
    rows = page.rows()
    print(f"heap {heap:.2f} -> {heap_after:.2f} MB, process {process:.0f} -> {process_after:.0f} MB, {len(rows)} rows")
    assert len(rows) == MINUTES * 60 * 2
    assert float(rows[-1]["end_s"]) == MINUTES * 60
    assert heap_after - heap < 1
    assert process_after - process < 20  # the eight minutes between are 31 MB of samples
    assert not page.errors


def test_ten_minutes_of_a_file(browser, site, tiny, tmp_path):
    page = site(tiny)
    memory = Memory(browser, page.tab)
    generator = np.random.default_rng(0)
    minute = (0.2 * generator.standard_normal((44_100 * 60, 2))).clip(-1, 1).astype(np.float32)
    held = []
    for minutes in (1, MINUTES):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(minute[: RATE * 60])
        page.tab.evaluate("seen.keep = false")
        rows = page.hear(path)
        assert len(rows) == minutes * 120 + 1
        held.append((memory.heap(), memory.process()))
    print("heap and process, MB", held)
    assert held[1][0] - held[0][0] < 1
    assert held[1][1] - held[0][1] < 25  # nine minutes more are 35 MB of samples
