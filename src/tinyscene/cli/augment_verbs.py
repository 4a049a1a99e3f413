"""Verbs about augmentations: augment list, augment show, augment train-pix2pix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import unknown

if TYPE_CHECKING:
    import numpy as np

    from ..spec import Spec
    from ..system import System

augment = typer.Typer(help="See, hear and train augmentations.", no_args_is_help=True, rich_markup_mode=None)


@augment.command(name="list")
def list_() -> None:
    """List every augmentation: where it acts, what it does, and which systems use it."""
    from dataclasses import fields

    from ..systems import systems
    from .show import print_table

    users: dict[str, list[str]] = {}
    for name, system in systems().items():
        for place in fields(system.augment):
            for spec in getattr(system.augment, place.name):
                users.setdefault(spec.name, []).append(name)
    rows = [(name, ", ".join(cls.places), summary(cls), few(users.get(name, []))) for name, cls in classes().items()]
    print_table(("augmentation", "places", "what it does", "systems"), rows, right=False)
    print("\nnext: tinyscene augment show NAME FILE --out DIR")


@augment.command()
def show(
    name: Annotated[str, typer.Argument(help="An augmentation: see `tinyscene augment list`.", show_default=False)],
    files: Annotated[
        list[Path], typer.Argument(help="The clip; further ones are what it may be mixed with.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the picture and the sounds.", show_default=False)],
    system: Annotated[str, typer.Option(help="Whose front end makes the picture.")] = "dsmn-1",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a number: alpha=0.2. May be repeated.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="A clip to show as third picture, such as the target of pix2pix.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another draw.")] = 1,
) -> None:
    """Write before and after of a clip: DIR/NAME.png, and the sounds as DIR/NAME-before.wav and -after.wav."""
    from ..audio import write_wav
    from ..evaluate import draw_spectrograms
    from ..files import make_folder, write_whole
    from ..pipeline import demonstrate
    from ..systems import load_system

    chosen = load_system(system)
    spec = wanted(name, settings)
    clips = [read_clip(file, chosen) for file in files]
    third = None if beside is None else read_clip(beside, chosen)
    made = demonstrate(spec, chosen, clips, seed, third)
    titles = {"before": files[0].name, "after": spec.name, "beside": beside.name if beside else ""}
    maps = {f"{key}: {titles[key]}" if titles[key] else key: one for key, one in made.maps.items()}
    png = draw_spectrograms(summary(spec.target), maps, made.unit, made.curve, chosen.task.window_s)
    make_folder(out, "Choose another --out.")
    picture = out / f"{spec.name}.png"
    write_whole(picture, png)
    print(picture)
    for key, sound in made.sounds.items():
        path = out / f"{spec.name}-{key}.wav"
        write_wav(path, sound.clip(-1, 1), made.sample_rate_hz)
        print(path)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"next: open {picture}    or, in a system file: {spec!r}", err=True)


@augment.command(name="train-pix2pix")
def train_pix2pix(
    data: Annotated[Path, typer.Option(help="A data set whose devices recorded the same moments.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File for the generator, such as pix2pix.pt.", show_default=False)],
    system: Annotated[str, typer.Option(help="Whose features it learns.")] = "dsmn-1",
    fold: Annotated[str | None, typer.Option(help="Train on the clips outside this test fold (default: 1).")] = None,
    main: Annotated[str, typer.Option(help="The device to start from.")] = "a",
    others: Annotated[str, typer.Option(help="The devices to imagine.")] = "s1,s2,s3",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="epochs, batch_size, lr, beta1, l1_weight, width, depth.")
    ] = None,
    front_end: Annotated[
        list[str] | None, typer.Option("--system-set", help="Change a number of the system before.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, order and dropout.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was cut off.")] = False,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Train the generator of the augmentation pix2pix on clips of one moment; write it and a picture of its work."""
    from ..pipeline import RunRecord, prepare
    from ..pipeline.pix2pix import train_pix2pix as trained
    from ..spec import changed
    from ..systems import load_system
    from ..train.pix2pix_fit import Pix2PixSettings
    from .run_verbs import pairs
    from .show import progress_bar

    numbers = Pix2PixSettings()
    for path, text in pairs("--set", settings).items():
        numbers = changed("pix2pix", numbers, path, text)
    chosen = load_system(system).with_settings(pairs("--system-set", front_end))
    prepared = prepare(chosen, RunRecord(system, str(data.resolve()), seed, fold), progress_bar).with_learned()
    wanted_devices = tuple(name.strip() for name in others.split(",") if name.strip())
    with progress_bar("pix2pix") as report:
        picture, last = trained(prepared, out, numbers, main, wanted_devices, accelerator, resume, report)
    print(f"{out}\n{picture}")
    typer.echo(
        f"held-out segments: generated {last['held_out']:.3f} from the target, device {main} itself "
        f"{last['held_out_source']:.3f} (mean distance of features)\n"
        f"next: in a system file, augment=Augment(features=(Spec(Pix2pix, weights='{out}'),))",
        err=True,
    )


def classes() -> dict[str, type]:
    """Every augmentation by its snake_case name, in alphabetical order."""
    import inspect

    from .. import augment as folder
    from ..spec import snake_case

    public = (getattr(folder, name) for name in folder.__all__)
    found = [value for value in public if inspect.isclass(value) and isinstance(getattr(value, "places", None), tuple)]
    return dict(sorted((snake_case(cls.__name__), cls) for cls in found))


def few(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"


def summary(cls: Any) -> str:
    """The first line of what its file says."""
    import sys

    return (sys.modules[cls.__module__].__doc__ or "").partition("\n")[0].removesuffix(".")


def wanted(name: str, settings: list[str] | None) -> Spec:
    """The augmentation of that name with its numbers changed."""
    from ..errors import SettingError
    from ..spec import Spec, changed
    from .run_verbs import pairs

    known = classes()
    key = name.replace("-", "_")
    if key not in known:
        raise unknown("tinyscene augment", "augmentation", name, known)
    spec = Spec(known[key])
    for path, text in pairs("--set", settings).items():
        spec = changed(key, spec, path, text)
    missing = spec.missing()
    if missing:
        raise SettingError(f"{key} needs --set {' and --set '.join(f'{field}=VALUE' for field in missing)}.")
    return spec


def read_clip(path: Path, system: System) -> np.ndarray:
    """A file's waveform as the system's task wants it."""
    from ..audio import read_audio, resample

    waveform, rate = read_audio(path, channels=system.task.channels)
    return resample(waveform, rate, system.task.sample_rate_hz)
