"""Specs of simulated devices: which response and compressor each has, and which devices train and test."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, SettingError, unknown, within

_RULE = re.compile(r"\[([\w, ]+)\]\s*\[i mod (\d+)\].*?i mod (\d+) == 0")
_TEXTS = ("dataset", "about", "test_rule", "augmentation_pool")  # for people; nothing is done with them
_KEYS = ("devices", "train_devices", "test_devices", "train_rule", *_TEXTS)


@dataclass(frozen=True)
class SimulatedDevice:
    """One device: its impulse response (a file) and its compressor (dBFS, ratio, ms)."""

    response: Path
    threshold_db: float
    ratio: float
    attack_ms: float = 5.0
    release_ms: float = 50.0


@dataclass(frozen=True)
class DeviceSpec:
    """`devices` by name; the first of `train_devices` has none: it is the clip as recorded.

    Training clip i, sorted by file name, also appears as device `extras[i % len(extras)]` where `i % every` is 0;
    test clips appear on all of `test_devices`.
    """

    devices: Mapping[str, SimulatedDevice]
    train_devices: tuple[str, ...]
    test_devices: tuple[str, ...]
    extras: tuple[str, ...]
    every: int

    def training(self, i: int) -> tuple[str, ...]:
        """The devices of training clip i."""
        also = (self.extras[i % len(self.extras)],) if self.extras and i % self.every == 0 else ()
        return (self.train_devices[0], *also)


def read_spec(spec: Path | Mapping[str, Any], responses: Path | None = None) -> DeviceSpec:
    """The spec in a JSON file, or as a mapping of the same form, such as esc10_mobile.json.

    Responses are looked for in `responses`, else beside the JSON file and in its folders, two levels deep.

    Raises:
        SettingError: an unknown or missing key, a number out of range, a device that is not described.
        DataError: no such file, no JSON, a response that is not there or is there more than once.
    """
    if isinstance(spec, Mapping):
        name, fields, folders = "the device spec", dict(spec), []
    else:
        name, fields, folders = str(spec), _read_json(spec), [spec.parent]
    if responses is not None:
        folders = [responses]
    for key in fields:
        if key not in _KEYS:
            raise unknown(name, "key", key, _KEYS)
    for key in ("devices", "train_devices", "test_devices"):
        if not fields.get(key) or not isinstance(fields[key], dict if key == "devices" else list):
            raise SettingError(f"{name} needs '{key}', {_FORMS[key]}; {json.dumps(fields.get(key))} came.")
    devices = {own: _device(name, own, given, folders) for own, given in fields["devices"].items()}
    train, test = (tuple(map(str, fields[key])) for key in ("train_devices", "test_devices"))
    main = train[0]
    if main in devices:
        raise SettingError(
            f"{name}: the first of train_devices is the clip as recorded and has no entry in devices; '{main}' has one."
        )
    for key, named in (("train_devices", train), ("test_devices", test)):
        for own in named:
            if own != main and own not in devices:
                raise unknown(f"{name}, {key}:", "device", own, (main, *devices))
        if len(set(named)) < len(named):
            raise SettingError(f"{name}: {key} names a device twice: {', '.join(named)}.")
    extras, every = _rule(name, fields.get("train_rule"), train)
    return DeviceSpec(devices, train, test, extras, every)


_FORMS = {
    "devices": "a table of devices by name",
    "train_devices": "a list of names that begins with the clip as recorded",
    "test_devices": "a list of names",
}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"the device spec {path} does not exist.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"the device spec {path} cannot be read as JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise DataError(f"the device spec {path} takes a JSON object; a {type(fields).__name__} came.")
    return fields


def _device(spec: str, name: str, given: Any, folders: list[Path]) -> SimulatedDevice:
    where = f"{spec}, device {name}"
    if not re.fullmatch(r"\w+", name):  # it ends a file name of parts joined by '-'
        raise SettingError(f"{spec}: a device's name takes letters, digits and _; '{name}' came.")
    _check_keys(where, given, ("impulse_response", "compressor"), ("impulse_response", "compressor"))
    compressor = given["compressor"]
    numbers = ("threshold_db", "ratio", "attack_ms", "release_ms")
    _check_keys(f"{where}, compressor", compressor, numbers, numbers[:2])
    for key, value in compressor.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise SettingError(f"{where}: {key} takes a number; {json.dumps(value)} came.")
    within(f"{where}: ratio", compressor["ratio"], 1)
    for key in numbers[2:]:
        if key in compressor:
            within(f"{where}: {key}", compressor[key], 1e-3)
    return SimulatedDevice(_response(where, str(given["impulse_response"]), folders), **compressor)


def _check_keys(where: str, given: Any, allowed: tuple[str, ...], needed: tuple[str, ...]) -> None:
    if not isinstance(given, dict):
        raise SettingError(f"{where} takes a table of {', '.join(allowed)}; {json.dumps(given)} came.")
    for key in given:
        if key not in allowed:
            raise unknown(where, "key", key, allowed)
    missing = [key for key in needed if key not in given]
    if missing:
        raise SettingError(f"{where} needs {' and '.join(missing)}.")


def _response(where: str, name: str, folders: list[Path]) -> Path:
    patterns = (name, f"*/{name}", f"*/*/{name}")
    try:
        found = [path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))]
    except (ValueError, NotImplementedError):  # an absolute or an empty name
        found = [Path(name)] if Path(name).is_file() else []
    found = [path for path in found if path.is_file()]
    if not found:
        place = f"in {folders[0]} or its folders, two levels deep" if folders else "(a mapping names no folder)"
        raise DataError(f"{where}: the impulse response {name} is not {place}. Name its folder as responses.")
    if len(found) > 1:
        raise DataError(f"{where}: the impulse response {name} is there twice, {found[0]} and {found[1]}.")
    return found[0]


def _rule(spec: str, text: Any, train: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """(extras, every) as the words of train_rule say; without words every fourth clip, on each device in turn."""
    if text is None:
        return train[1:], 4
    found = _RULE.search(str(text))
    extras = tuple(name.strip() for name in found[1].split(",")) if found else ()
    if not found or int(found[2]) != len(extras) or int(found[3]) < 1 or not set(extras) <= set(train[1:]):
        raise SettingError(
            f"{spec}: train_rule takes words with '[b,c][i mod 2] where i mod 4 == 0', the devices from train_devices "
            f"less the first; '{text}' came."
        )
    return extras, int(found[3])
