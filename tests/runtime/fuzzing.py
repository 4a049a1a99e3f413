"""Damaged and hostile inputs, each made from its seed: audio files, model files, what a cut-off run leaves behind.

As a script it opens them: `python fuzzing.py FIRST LAST FOLDER` prints a line for each that ends in anything but an
answer or an error of tinyscene's, and before each the seed, so that whoever reads knows what a crash was due to.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RATE = 8_000
MEMORY = 6 << 30  # bytes of addresses, of which libraries and threads take a part without ever filling it
GROWTH = 1 << 30  # bytes that the process may grow by, in earnest
SECONDS = 60  # for one input, on a busy machine
EDGES = (0, 1, 2, 3, 7, 127, 128, 255, 256, 32_767, 65_535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)

Chance = random.Random


# --- bytes ---


def damaged(data: bytes, chance: Chance) -> bytes:
    """One to four mutations: bits flipped, a part cut out, doubled or moved, a number set to an edge, the end cut."""
    result = bytearray(data)
    head = min(len(result), 256)  # where formats say what is to come
    for _ in range(chance.randint(1, 4)):
        if not result:
            break
        at = chance.randrange(head if chance.random() < 0.6 else len(result)) % len(result)
        length = chance.choice((1, 2, 4, 8, 64, 1_000))
        kind = chance.randrange(7)
        if kind == 0:
            result[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            result[at] = chance.randrange(256)
        elif kind == 2:
            del result[at : at + length]
        elif kind == 3:
            result[at:at] = result[at : at + length] * chance.choice((1, 2, 50))
        elif kind == 4:
            other = chance.randrange(len(result))
            result[at : at + length] = result[other : other + length]
        elif kind == 5:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(EDGES) & ((1 << 8 * size) - 1)
            result[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
        else:
            del result[chance.randrange(len(result)) :]
    return bytes(result)


# --- audio ---


def audio_seeds() -> dict[str, bytes]:
    """A tenth of a second in every container and coding that soundfile writes for us."""
    import soundfile

    noise = 0.2 * np.random.default_rng(0).standard_normal((RATE // 5, 2))
    kinds = [("wav", sub) for sub in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM")]
    kinds += [("flac", "PCM_16"), ("flac", "PCM_24"), ("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III")]
    kinds += [("aiff", "PCM_16"), ("rf64", "PCM_16"), ("w64", "PCM_16"), ("caf", "PCM_16"), ("au", "PCM_16")]
    seeds = {}
    for form, subtype in kinds:
        file = io.BytesIO()
        soundfile.write(file, noise, 16_000 if subtype in ("OPUS", "MPEG_LAYER_III") else RATE, subtype, format=form)
        seeds[f"{form}-{subtype}.{form}"] = file.getvalue()
    return seeds


# --- model files ---

Message = list[tuple[int, int, Any]]  # (field, wire type, number or bytes), in order
# How far protobuf's messages are taken apart: ModelProto.graph, its nodes, their attributes, tensors, values.
MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "leaf", 14: "leaf"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor"},
    "value": {2: "type"},
    "type": {1: "tensor_type"},
    "tensor_type": {2: "shape"},
    "shape": {1: "leaf"},
    "leaf": {},
}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def parsed(data: bytes, kind: str) -> Message:
    inner, at, message = MESSAGES.get(kind, {}), 0, []

    def number() -> int:
        nonlocal at
        result = shift = 0
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    while at < len(data):
        tag = number()
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            message.append((field, wire, number()))
            continue
        length = {1: 8, 5: 4}.get(wire) or number()
        content: Any = data[at : at + length]
        at += length
        if wire == 2 and field in inner:
            content = parsed(content, inner[field])
        message.append((field, wire, content))
    return message


def written(message: Message) -> bytes:
    out = bytearray()
    for field, wire, content in message:
        out += varint(field << 3 | wire)
        if wire == 0:
            out += varint(content)
        else:
            data = written(content) if isinstance(content, list) else content
            out += (varint(len(data)) if wire == 2 else b"") + data
    return bytes(out)


OPERATORS = (
    b"Expand Tile Pad ConstantOfShape Concat Resize Reshape Gather Transpose MatMul Conv ConvTranspose Loop If Scan "
    b"Range HannWindow Einsum CumSum AveragePool MaxPool LSTM ScatterElements Where STFT Split Slice Cast Constant Mul"
).split()


def _all(message: Message, kind: str, found: list[tuple[Message, str]]) -> list[tuple[Message, str]]:
    found.append((message, kind))
    for field, _, content in message:
        if isinstance(content, list):
            _all(content, MESSAGES.get(kind, {}).get(field, "leaf"), found)
    return found


def edited(data: bytes, chance: Chance) -> bytes:
    """An ONNX file that is well formed and says something else: fields dropped, doubled, swapped, renumbered."""
    model = parsed(data, "model")
    for _ in range(chance.randint(1, 3)):
        places = [place for place in _all(model, "model", []) if place[0]]
        message, kind = chance.choice(places)
        i = chance.randrange(len(message))
        field, wire, content = message[i]
        what = chance.randrange(8)
        if kind == "node" and what < 3:
            for j, (number, _, _) in enumerate(message):
                if number == 4:
                    message[j] = (4, 2, chance.choice(OPERATORS))
        elif what == 0:
            del message[i]
        elif what == 1:
            message.insert(chance.randrange(len(message) + 1), message[i])
        elif what == 2:
            j = chance.randrange(len(message))
            message[i], message[j] = message[j], message[i]
        elif what == 3 and wire == 0:
            message[i] = (field, wire, chance.choice((*EDGES, 1 << 40, (1 << 63) - 1, -1)))
        elif what == 4 and isinstance(content, bytes):
            message[i] = (field, wire, damaged(content, chance) if wire == 2 else content)
        elif what == 5:
            message[i] = (chance.randint(1, 30), wire, content)
        elif kind == "tensor":
            message.insert(0, (1, 0, chance.choice((*EDGES, 1 << 40, -1))))
            if chance.random() < 0.3:
                message += [(13, 2, b"\n\x08location\x12\x0b/etc/passwd"), (14, 0, 1)]
            elif chance.random() < 0.6 and any(number == 9 for number, _, _ in message):
                values = [chance.choice((*EDGES, 1 << 33, -1)) for _ in range(chance.randint(1, 4))]
                raw = b"".join(struct.pack("<q", value if value < 1 << 63 else -1) for value in values)
                message[:] = [(1, 0, len(values)), (2, 0, 7), *(m for m in message if m[0] == 8), (9, 2, raw)]
        elif isinstance(content, bytes) and content:
            message[i] = (field, wire, content[: chance.randrange(len(content))])
    return written(model)


CARD_VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 8_000, 1 << 16, 1 << 20, 1 << 31, 1 << 40, 1 << 70, 0.5, 1e-300, 1e300, float("nan"), True),
    *(float("inf"), None, "", "x", "\x1b[2J", "a" * 5_000, [], ["a", "a"], ["a", 1], [[]], {}, {"a": {}}, "LogMel"),
    *({"class": "Doubled", "times": 60}, [{"class": "Doubled", "times": 60}] * 9, [{"class": "Crop", "n_frames": 3}]),
)


def odd_card(card: str, chance: Chance) -> str:
    """A card of which one to three values are others."""
    content = json.loads(card)
    for _ in range(chance.randint(1, 3)):
        holder: Any = content
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.7:
                holder = holder[key]
                continue
            if chance.random() < 0.1 and isinstance(holder, dict):
                del holder[key]
            else:
                holder[key] = copy.deepcopy(chance.choice(CARD_VALUES))
            break
    return json.dumps(content)


def sealed_again(data: bytes) -> bytes:
    """The checksum made to fit, where there is still one."""
    from tinyscene.errors import ModelError
    from tinyscene.runtime.model_file import sealed

    try:
        return sealed(data)
    except ModelError:
        return data


def with_card(data: bytes, change: Callable[[str], str]) -> bytes:
    """The model file with another card."""
    message = parsed(data, "model")
    for i, (field, wire, content) in enumerate(message):
        if field == 14 and [len(content), content[0][2]] == [2, b"tinyscene.model"]:
            message[i] = (field, wire, [content[0], (2, 2, change(content[1][2].decode()).encode())])
    return written(message)


# --- opening them ---


def open_audio(path: Path) -> None:
    from tinyscene.audio.decode import audio_blocks, audio_info, read_audio
    from tinyscene.errors import TinysceneError

    try:
        waveform, rate = read_audio(path)
    except TinysceneError:
        waveform = rate = None
    try:
        with audio_blocks(path, 0.05) as sound:
            parts = [block.mean(axis=0) for block in sound.blocks]
    except TinysceneError:
        assert waveform is None, "decoded whole, and not in blocks"
    else:
        if waveform is not None:
            assert (sum(map(len, parts)), sound.rate) == (len(waveform), rate), "another length in blocks"
    audio_info(path)


def open_model(path: Path) -> None:
    from tinyscene.runtime.classifier import Classifier

    classifier = Classifier(path)
    rate, size = classifier.card.sample_rate_hz, min(classifier.card.window_samples, 200_000)
    sound = 0.1 * np.random.default_rng(0).standard_normal(size + size // 2).astype(np.float32)
    for decision in classifier.classify((sound, rate)):
        assert decision.label in classifier.labels
        assert 0 <= decision.score <= 1.01


class Inputs:
    """Every input by its number: `make(number)` writes it and returns what opens it."""

    def __init__(self, folder: Path, models: list[Path]):
        self.folder = folder
        self.audio = audio_seeds()
        self.models = [path.read_bytes() for path in models]
        self.leftovers: dict[str, bytes] = {}
        self.tree = folder / "tree"
        self._begin_batch(models[0])

    def make(self, number: int) -> tuple[str, Callable[[], None]]:
        chance = Chance(number)
        kind = chance.choices(("audio", "model", "batch"), (5, 4, 1))[0]
        if kind == "audio":
            name = chance.choice(sorted(self.audio))
            path = self.folder / f"in.{name.rpartition('.')[2]}"
            path.write_bytes(damaged(self.audio[name], chance))
            return f"audio {name}", lambda: open_audio(path)
        if kind == "batch":
            return "batch", self._batch(chance)
        data, way = chance.choice(self.models), chance.randrange(8)
        path = self.folder / "in.onnx"
        if way == 0:
            data = damaged(data, chance)
        elif way == 1:
            data = sealed_again(damaged(data, chance))
        elif way < 6:
            data = sealed_again(edited(data, chance))
        else:
            data = sealed_again(with_card(data, lambda card: odd_card(card, chance)))
        path.write_bytes(data)
        return f"model {way}", lambda: open_model(path)

    def _begin_batch(self, model: Path) -> None:
        """A run that was cut off after two of four files."""
        import soundfile

        from tinyscene.runtime import batch
        from tinyscene.runtime.classifier import Classifier

        self.tree.mkdir(exist_ok=True)
        for i in range(4):
            soundfile.write(self.tree / f"{i}.wav", 0.1 * np.random.default_rng(i).standard_normal(RATE), RATE)
        self.classifier, self.out = Classifier(model), self.folder / "out.csv"
        for path in self.folder.glob("out.csv*"):
            path.unlink()

        def stop(done: int, total: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            batch.classify_tree(self.classifier, self.tree, self.out, workers=1, progress=stop)
        self.leftovers = {end: (self.folder / f"out.csv.{end}").read_bytes() for end in ("part", "journal")}

    def _batch(self, chance: Chance) -> Callable[[], None]:
        from tinyscene.runtime.batch import classify_tree

        self.out.unlink(missing_ok=True)
        for end, data in self.leftovers.items():
            changed = damaged(data, chance) if chance.random() < 0.6 else data
            if end == "journal" and chance.random() < 0.5:
                changed = self._odd_journal(data, chance)
            self.out.with_name(f"out.csv.{end}").write_bytes(changed)
        return lambda: void(classify_tree(self.classifier, self.tree, self.out, workers=1, resume=True))

    def _odd_journal(self, data: bytes, chance: Chance) -> bytes:
        lines = data.splitlines()
        i = chance.randrange(len(lines))
        lines[i] = odd_card(lines[i].decode(), chance).encode()
        return b"\n".join(lines) + b"\n"


def void(_: object) -> None:
    return None


# --- the process that opens them ---


def main(first: int, last: int, folder: Path) -> None:
    from tinyscene.errors import TinysceneError

    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    inputs = Inputs(folder, sorted(folder.glob("seeds/*.onnx")))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a hang inside a library ends the process
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(first, last):
        (folder / "now").write_text(str(number))
        what, work = inputs.make(number)
        signal.alarm(SECONDS)
        began = time.monotonic()
        try:
            work()
        except TinysceneError as error:
            if "\n" in str(error) or any(ord(c) < 32 for c in str(error)):
                print(f"seed {number} ({what}): an error of several lines: {error!r}", flush=True)
        except BaseException as error:  # whatever it is, it should not have come out
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {str(error)[:200]} at {where.filename}:{where.lineno}"
            print(f"seed {number} ({what}): {told}", flush=True)
        signal.alarm(0)
        if (spent := time.monotonic() - began) > SECONDS / 2:
            print(f"seed {number} ({what}): took {spent:.0f} s", flush=True)
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if now - grown > GROWTH >> 10:
            print(f"seed {number} ({what}): took {(now - grown) >> 10} MB", flush=True)
            grown = now
    (folder / "now").write_text("done")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
