"""The verb that says what scene it is here and now: from a microphone, or from a file as if it came from one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..runtime.shipped import SHIPPED
from .options import Hop, OneModel, UnknownBelow
from .words import counted

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.stream import StreamDecision

BLOCK_S = 0.1
QUIET_DBFS = -65.0
CLIPPED = 1e-3  # share of samples at full scale from which a warning is due
RATE_AFTER_S, RATE_TOLERANCE = 10.0, 0.03  # a microphone's samples are counted against the clock


class _Sound(NamedTuple):
    name: str
    rate: int
    blocks: Iterator[np.ndarray]  # (time, channel) float32


def listen(
    model: OneModel = SHIPPED,
    wav: Annotated[Path | None, typer.Option(help="Listen to this audio file, not to a microphone.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Microphone: a number or a part of its name (default: the system's).")
    ] = None,
    hop: Hop = None,
    smooth: Annotated[int, typer.Option(min=1, help="Decisions whose mean is told.")] = 1,
    unknown_below: UnknownBelow = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so much sound (default: at Ctrl-C).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Say what scene a microphone hears, hop after hop, until Ctrl-C."""
    from ..errors import SettingError
    from ..runtime.classifier import Classifier
    from ..runtime.hearing import missing_above
    from ..runtime.stream import Stream

    if seconds is not None and not 0 < seconds < float("inf"):
        raise SettingError(f"--seconds takes more than 0; {seconds:g} came.")
    if wav and device is not None:
        raise SettingError("--wav and --device exclude each other; give one.")
    classifier = Classifier(model, unknown_below=unknown_below)
    card = classifier.card
    stream = Stream(classifier, hop, smooth)
    heard: Counter[str] = Counter()
    warn = _warner()
    try:
        with _file(wav) if wav else _microphone(device, warn) as sound, _shown(as_json) as show:

            def tell(decisions: list[StreamDecision]) -> None:
                for decision in decisions:
                    heard[decision.label or "silence"] += 1
                    _check(decision, warn)
                    show(decision)

            typer.echo(f"{sound.name}, {sound.rate:,} Hz -> {card.name}", err=True)
            if missing := missing_above(sound.rate, card):
                warn(f"{missing} Raise the source's sample rate.")
            for block in _first(sound.blocks, seconds, sound.rate):
                tell(stream.feed(block, sound.rate))
            tell(stream.flush())
    except KeyboardInterrupt:
        pass  # the usual end
    counts = ", ".join(f"{label} {n}" for label, n in heard.most_common())
    window_s = card.window_samples / card.sample_rate_hz
    typer.echo(
        f"{counted(heard.total(), 'decision')}: {counts}" if heard else f"no decision: a window lasts {window_s:g} s",
        err=True,
    )


def _check(decision: StreamDecision, warn: Callable[[str], None]) -> None:
    """Say what is wrong with the sound itself."""
    if decision.label is None:
        warn("digital silence: no decision. Is the microphone muted, or not allowed for this terminal?")
    elif decision.level_dbfs < QUIET_DBFS:
        warn(f"very quiet, below {QUIET_DBFS:g} dBFS. Raise the microphone's level.")
    if decision.clipped >= CLIPPED:
        warn(f"clipping, {100 * decision.clipped:.1f} % of the samples at full scale. Lower the microphone's level.")


def _warner() -> Callable[[str], None]:
    """A function that prints a warning, each kind (what stands before its first comma or colon) once."""
    told: set[str] = set()

    def warn(text: str) -> None:
        kind = text.partition(":")[0].partition(",")[0]
        if kind not in told:
            told.add(kind)
            print(f"tinyscene: warning: {text}", file=sys.stderr)

    return warn


def _first(blocks: Iterator[np.ndarray], seconds: float | None, rate: int) -> Iterator[np.ndarray]:
    """The blocks of the first `seconds`."""
    left = None if seconds is None else max(1, round(seconds * rate))
    for block in blocks:
        yield block[:left]
        if left is not None:
            left -= len(block)
            if left <= 0:
                return


@contextmanager
def _file(path: Path) -> Iterator[_Sound]:
    """A file in the blocks of a microphone, as fast as they are taken."""
    import numpy as np

    from ..audio.decode import audio_blocks, mono

    with audio_blocks(path, BLOCK_S) as audio:
        mono(np.empty((audio.n_channels, 1)), name=str(path))  # refuses more than two channels
        yield _Sound(str(path), audio.rate, (block.T for block in audio.blocks))


@contextmanager
def _microphone(device: str | None, warn: Callable[[str], None]) -> Iterator[_Sound]:
    """A microphone at its own rate: the system's resampling is not soxr's."""
    from ..errors import AudioError

    sounddevice = _sounddevice()
    wanted = int(device) if device is not None and device.strip().isdigit() else device
    try:
        facts = sounddevice.query_devices(wanted, "input")
        rate, n_channels = round(facts["default_samplerate"]), min(2, int(facts["max_input_channels"]))
        size = max(1, round(BLOCK_S * rate))
        stream = sounddevice.InputStream(
            samplerate=rate, blocksize=size, device=wanted, channels=n_channels, dtype="float32", latency="high"
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        which = "the system's microphone" if device is None else f"the microphone '{device}'"
        raise AudioError(
            f"{which} cannot be opened ({_reason(error)}). Connect one and allow this terminal to use it, name another "
            f"with --device ({_inputs(sounddevice)}), or give a file with --wav."
        ) from None
    try:
        with stream:
            yield _Sound(str(facts["name"]), rate, _read(stream, size, rate, warn))
    except sounddevice.PortAudioError as error:
        raise AudioError(f"{facts['name']} stopped ({_reason(error)}). Connect it again and start anew.") from None


def _read(stream: Any, size: int, rate: int, warn: Callable[[str], None]) -> Iterator[np.ndarray]:
    began, n_samples = None, 0
    while True:
        block, overflowed = stream.read(size)
        now = monotonic()
        if overflowed:
            warn("sound was lost, this machine is too busy: answers may be wrong. Raise --hop.")
        if began is None:  # what had gathered before the first block does not count
            began = now
        else:
            n_samples += len(block)
        if now - began >= RATE_AFTER_S:
            measured = n_samples / (now - began)
            if abs(measured / rate - 1) > RATE_TOLERANCE:
                warn(
                    f"wrong rate: the microphone gives {measured:,.0f} samples a second and announces {rate:,}; "
                    "answers may be wrong. Set its rate in the system's settings."
                )
            began, n_samples = now, 0
        yield block


def _sounddevice() -> Any:
    from ..errors import AudioError, missing_extra

    try:
        import sounddevice  # type: ignore  # an extra
    except ModuleNotFoundError:
        raise missing_extra("tinyscene listen", "live", "sounddevice") from None
    except OSError as error:  # the package is there, the system's library is not
        raise AudioError(
            f"no microphone can be opened ({_reason(error)}). Install PortAudio (Debian: apt-get install "
            "libportaudio2), or give a file with --wav."
        ) from None
    return sounddevice


def _reason(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")


def _inputs(sounddevice: Any) -> str:
    """The microphones there are, in words."""
    try:
        devices = enumerate(sounddevice.query_devices())
    except sounddevice.PortAudioError:
        return "none found"
    found = [f"{n} {facts['name']}" for n, facts in devices if facts["max_input_channels"] > 0]
    return ", ".join(found) or "none found"


@contextmanager
def _shown(as_json: bool) -> Iterator[Callable[[StreamDecision], None]]:
    """How decisions are shown: JSON lines, a live view on a terminal, plain lines elsewhere."""
    if as_json:
        yield lambda decision: print(json.dumps(decision.to_dict(), ensure_ascii=False), flush=True)
    elif not sys.stdout.isatty():
        yield lambda decision: print(_line(decision), flush=True)
    else:
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(highlight=False), auto_refresh=False) as live:
            yield lambda decision: live.update(_view(decision), refresh=True)


def _line(decision: StreamDecision) -> str:
    what = f"{decision.label} {decision.score:.3f}" if decision.label else "silence"
    return (
        f"{decision.start_s:.2f}-{decision.end_s:.2f} s  {what}  {decision.level_dbfs:.1f} dBFS  "
        f"clipped {100 * decision.clipped:.1f} %"
    )


def _view(decision: StreamDecision) -> Any:
    """The decision, its level and the five likeliest classes, each with a bar."""
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row(Text(f"{decision.end_s:.1f} s"), Text(decision.label or "silence", "bold"), "")
    clipped = f"clipped {100 * decision.clipped:.1f} %" if decision.clipped >= CLIPPED else ""
    style = "red" if clipped else "yellow" if decision.level_dbfs < QUIET_DBFS else "green"
    level = Bar(80, 0, max(decision.level_dbfs + 80, 0), width=24, color=style)
    table.add_row("level", level, Text(f"{decision.level_dbfs:.1f} dBFS {clipped}"))
    for label, score in sorted(decision.scores.items(), key=lambda item: -item[1])[:5]:
        table.add_row(Text(label), Bar(1, 0, score, width=24), Text(f"{score:.3f}"))
    return table


VERBS = (listen,)
