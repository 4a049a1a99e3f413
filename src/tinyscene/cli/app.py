"""The typer application, and what all verbs share: errors for people, exit codes, missing extras."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import TinysceneError, missing_extra
from . import (
    batch_verb,
    compare_verbs,
    complexity_verb,
    compress_verb,
    data_verbs,
    listen_verb,
    model_verbs,
    parity_verb,
    predict_verb,
    reproduce_verb,
    run_verbs,
    system_verbs,
    web_verb,
)
from .augment_verbs import augment
from .data_group import data
from .submit_verbs import submit

# Modules of each extra; a verb that meets one it cannot import says which extra brings it.
EXTRAS = {
    "train": (
        "torch",
        "lightning",
        "torchao",
        "torchjd",
        "torch_pruning",
        "onnx",
        "onnxscript",
        "av",
        "matplotlib",
        "yaml",
    ),
    "data": ("pooch", "requests", "urllib3"),
    "live": ("sounddevice",),
    "tensorboard": ("tensorboard",),
    "tflite": ("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
    "executorch": ("executorch",),
}
STOPPED = 130

app = typer.Typer(
    help="tinyscene: train, compress, prove and deploy acoustic scene classifiers that fit in 128 kB and 30 MMACs.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"tinyscene {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before the verb."""


for verbs in (
    model_verbs,
    batch_verb,
    listen_verb,
    web_verb,
    run_verbs,
    compress_verb,
    parity_verb,
    reproduce_verb,
    compare_verbs,
    predict_verb,
    complexity_verb,
    system_verbs,
    data_verbs,
):
    for verb in verbs.VERBS:
        app.command(name=verb.__name__.rstrip("_").replace("_", "-"))(verb)

app.add_typer(augment, name="augment")
app.add_typer(data, name="data")
app.add_typer(submit, name="submit")


def main() -> None:
    """Run the command line. A user's mistake prints one line and exits with 2, Ctrl-C exits with 130."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        app()
    except TinysceneError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
        if extra is None:
            raise
        _fail(str(missing_extra(f"tinyscene {verb}", extra, module)))
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has gone
            sys.stderr.close()
            sys.exit(0)
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        what = error.filename or "the output"
        _fail(f"{what} cannot be written: {error.strerror}. Free some room or choose another place.")
    except SystemExit as stop:
        if stop.code != STOPPED:  # typer has turned Ctrl-C into this code
            raise
        print("\nstopped.", file=sys.stderr)  # what is kept, the verb has told: it knows
        sys.exit(STOPPED)


def _fail(message: str) -> None:
    print(f"tinyscene: {message}", file=sys.stderr)
    sys.exit(TinysceneError.exit_code)
