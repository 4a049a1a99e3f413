"""Any system against devices it never heard: device responses, and Freq-MixStyle, beside its own parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..augment import Codec, DeviceResponse, FreqMixStyle, Mixup, RandomResponse
from ..errors import SettingError
from ..frontends import StandardisedBands
from ..spec import Spec
from ..system import System

# As the winners of 2023 took the two together (Schmid et al., DCASE 2023 Task 1). Others: responses 0.4 to 0.7;
# Freq-MixStyle alpha 0.4 and p 0.8 on the small splits of 2024.
RESPONSE_P = 0.6
MIX_ALPHA, MIX_P = 0.3, 0.4


def heard_through(system: System, responses: str, exclude: tuple[str, ...] = ()) -> System:
    """The system with clips as other microphones would have recorded them, and nothing else.

    Responses act on power spectra, in a tenth of the time, unless a system changes waveforms too or has no spectra:
    then on these. Random responses make room for them. A response comes before what happens behind a microphone (a
    codec) and before clips of two devices are mixed. Clips of every device are convolved; public code (easy_dcase)
    takes those of device a alone.

    Args:
        responses: folder of measured impulse responses, such as MicIRP.
        exclude: names of responses not to use: those that test devices have.

    Raises:
        SettingError: the system has responses, there is no such folder, or no file in it.
    """
    if _has_responses(system):
        raise SettingError(f"{system.name} has device responses; train it without --responses.")
    told = f"Heard through {_responses_told()}: not the report's."
    return _with_responses(system, responses, exclude).but(notes=(*system.notes, told))


def robust(system: System, responses: str | None = None, exclude: tuple[str, ...] = ()) -> System:
    """The system with DeviceResponse and Freq-MixStyle on its bands; a part it has stays as it is.

    Responses: as `heard_through`; without a folder, random ones (RandomResponse). Those of the synthetic scenes are of
    no real device, and of the devices that test there. Freq-MixStyle comes before Mixup, as they do, for the same
    reason. `notes` says what was added and what was not.

    Raises:
        SettingError: there is nothing to add, no such folder, or no file in it.
    """
    added, missing = [], []
    if _has_responses(system):
        pass
    elif responses is not None:
        system = _with_responses(system, responses, exclude)
        added.append(_responses_told())
    elif not _has_spectra(system):
        missing.append("device responses (it was given no folder of impulse responses)")
    elif not _has(system.augment.spectrum, RandomResponse):
        part = Spec(RandomResponse, depth_db=8.0, octaves=1.0, f_min=40.0, p=RESPONSE_P)
        system = system.but(augment=replace(system.augment, spectrum=(part, *system.augment.spectrum)))
        added.append(f"random responses (p {RESPONSE_P:g})")
    augment = system.augment
    if _has((*augment.bands, *augment.features), FreqMixStyle):
        pass
    elif _has(system.frontend.fields.get("finish", ()), StandardisedBands):
        missing.append("Freq-MixStyle (its front end standardises every band of every clip, which would undo it)")
    else:
        part = Spec(FreqMixStyle, alpha=MIX_ALPHA, p=MIX_P)
        augment = replace(augment, bands=_before(augment.bands, part, (Mixup,)))
        added.append(f"Freq-MixStyle (alpha {MIX_ALPHA:g}, p {MIX_P:g})")
    if not added:
        lacks = f"; it is left without {' and '.join(missing)}" if missing else ""
        advice = " Name a folder of impulse responses." if responses is None and missing else " Train it as it is."
        raise SettingError(f"{system.name}: there is nothing to add for robustness{lacks}.{advice}")
    without = f", without {' and '.join(missing)}" if missing else ""
    return system.but(
        augment=augment, notes=(*system.notes, f"Made robust with {' and '.join(added)}{without}: not the report's.")
    )


def _responses_told() -> str:
    return f"device responses (p {RESPONSE_P:g})"


def _has_responses(system: System) -> bool:
    return _has((*system.augment.wave, *system.augment.spectrum), DeviceResponse)


def _has_spectra(system: System) -> bool:
    return hasattr(getattr(system.frontend.fields.get("spectral"), "target", None), "spectrum")


def _with_responses(system: System, responses: str, exclude: tuple[str, ...]) -> System:
    augment = system.augment
    measured_instead = tuple(one for one in augment.spectrum if one.target is not RandomResponse)
    augment = replace(augment, spectrum=measured_instead)
    folder = str(Path(responses).expanduser().resolve())  # a run goes on from any folder
    part = Spec(DeviceResponse, folder=folder, p=RESPONSE_P, exclude=tuple(exclude))
    part.build()
    if augment.wave or not _has_spectra(system):
        return system.but(augment=replace(augment, wave=_before(augment.wave, part, (Codec, Mixup))))
    return system.but(augment=replace(augment, spectrum=(part, *augment.spectrum)))


def _has(parts: tuple[Spec, ...], kind: type) -> bool:
    return any(part.target is kind for part in parts)


def _before(parts: tuple[Spec, ...], part: Spec, kinds: tuple[type, ...]) -> tuple[Spec, ...]:
    """`parts` with `part` before the first of `kinds`, or at the end."""
    at = next((i for i, own in enumerate(parts) if own.target in kinds), len(parts))
    return (*parts[:at], part, *parts[at:])
