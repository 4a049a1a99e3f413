"""Which clips a synthetic set has: the names, counts, devices and places of each TAU edition."""

from __future__ import annotations

from dataclasses import dataclass

from .synthetic_devices import TEST_DEVICES, TRAIN_DEVICES
from .synthetic_scenes import SCENES
from .tau import TAU_GROUPS

# As in the TAU sets, one city is heard in the test part only.
_TRAIN_CITIES = ("barcelona", "helsinki", "lisbon", "paris", "vienna")
_TEST_CITIES = (*_TRAIN_CITIES, "milan")
_DEVICE_A_SHARE = 0.7
_GROUP = {scene: group for group, scenes in TAU_GROUPS.items() for scene in scenes}


@dataclass(frozen=True)
class Edition:
    """How one TAU development set is laid out.

    Attributes:
        title: its name behind "TAU Urban Acoustic Scenes".
        seconds: length of a clip.
        sample_rate_hz, channels: of its audio files, which are all 24 bit.
        line_end: of its lists.
        train_devices, test_devices: what records; device a comes first and takes part in every recording.
        clips_per_class: (training, test) where no counts are asked for.
        moments_per_location: how many clips device a records at a training location.
        moments_per_segment: of these, how many lie in one segment; above 1, file names number them.
        grouped: the lists say indoor, outdoor and transportation, while file names keep the ten scenes.
    """

    title: str
    seconds: int
    sample_rate_hz: int
    channels: int
    line_end: str
    train_devices: tuple[str, ...]
    test_devices: tuple[str, ...]
    clips_per_class: tuple[int, int]
    moments_per_location: int
    moments_per_segment: int
    grouped: bool


EDITIONS = {
    # Two seconds to a segment, as if the recorder had been started twice at the location.
    "2022": Edition("2022 Mobile", 1, 44100, 1, "\r\n", TRAIN_DEVICES, TEST_DEVICES, (70, 27), 4, 2, False),
    "2020": Edition("2020 Mobile", 10, 44100, 1, "\n", TRAIN_DEVICES, TEST_DEVICES, (10, 9), 2, 1, False),
    "2020-3class": Edition("2020 3Class", 10, 48000, 2, "\n", ("a",), ("a",), (8, 4), 2, 1, True),
}


@dataclass(frozen=True)
class Clip:
    """One audio file. `second` is its number in the segment; None: the clip is the whole segment."""

    scene: str
    label: str
    city: str
    location: int
    segment: int
    second: int | None
    device: str
    is_test: bool

    @property
    def source(self) -> tuple[str, int, int, int]:
        """What parallel recordings have in common."""
        return self.scene, self.location, self.segment, self.second or 0

    @property
    def identifier(self) -> str:
        return f"{self.city}-{self.location}"

    @property
    def filename(self) -> str:
        moment = f"{self.segment}" if self.second is None else f"{self.segment}-{self.second}"
        return f"audio/{self.scene}-{self.identifier}-{moment}-{self.device}.wav"


def plan(edition: Edition, n_train: int, n_test: int) -> list[Clip]:
    """All clips, in the order of the lists: training and test, each by scene, location, segment, second, device.

    `n_train` and `n_test` count the clips of each of the ten scenes.
    """
    clips: list[Clip] = []
    location = 0
    for is_test, n_clips in ((False, n_train), (True, n_test)):
        cities = _TEST_CITIES if is_test else _TRAIN_CITIES
        devices_of = _test_devices if is_test else _train_devices
        per_location = 1 if is_test else edition.moments_per_location
        for scene_index, scene in enumerate(SCENES):
            recordings = devices_of(edition, n_clips, scene_index)
            for moment, devices in enumerate(recordings):
                at, k = location + moment // per_location, moment % per_location
                segment, second = divmod(k, edition.moments_per_segment)
                clips += [
                    Clip(
                        scene,
                        label=_GROUP[scene] if edition.grouped else scene,
                        city=cities[(at + scene_index) % len(cities)],
                        location=at,
                        segment=2 * at + segment,
                        second=second if edition.moments_per_segment > 1 else None,
                        device=device,
                        is_test=is_test,
                    )
                    for device in devices
                ]
            location += -(-len(recordings) // per_location)
    return clips


def _train_devices(edition: Edition, n_clips: int, scene_index: int) -> list[list[str]]:
    """The devices of each training moment: a always, another one in some, evenly spread over the moments."""
    first, *others = edition.train_devices
    n_moments = min(n_clips, max(1, round(_DEVICE_A_SHARE * n_clips))) if others else n_clips
    recordings = [[first] for _ in range(n_moments)]
    n_others = n_clips - n_moments
    for index in range(n_others):
        recordings[index * n_moments // n_others].append(others[(index + scene_index) % len(others)])
    return recordings


def _test_devices(edition: Edition, n_clips: int, scene_index: int) -> list[list[str]]:
    """The devices of each test moment: all of them; a remainder takes a run that starts elsewhere in each scene."""
    devices = edition.test_devices
    full, rest = divmod(n_clips, len(devices))
    start = scene_index * rest
    some = {devices[(start + index) % len(devices)] for index in range(rest)}
    remainder = [[device for device in devices if device in some]] if rest else []
    return [list(devices) for _ in range(full)] + remainder
