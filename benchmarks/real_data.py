"""Where real audio lies, the same for every benchmark, and a user's mistakes in one line.

One folder holds all of it, as TINYSCENE_DATA does: `esc10`, and for those who ask for them `micirp` and
`esc10_mobile.json`. What is missing is told before anything is written: a training may take hours to get there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tinyscene.data import open_dataset
from tinyscene.errors import DataError, TinysceneError


def add_data(options: argparse.ArgumentParser, *names: str) -> None:
    """The option --data of a script that needs these in the folder."""
    options.add_argument(
        "--data", type=Path, metavar="DIR", help=f"folder that holds {listed(names)} (default: that of TINYSCENE_DATA)"
    )


def data_folder(given: Path | None, *names: str) -> Path:
    """The folder of --data, or that of TINYSCENE_DATA, with these in it; a name may be a pattern: micirp/ir/*.wav.

    Raises:
        DataError: no folder is named, something is not in it, or its esc10 is no data set.
    """
    advice = f"Give --data the folder that holds {listed(names)}, or set TINYSCENE_DATA to it."
    named = given or os.environ.get("TINYSCENE_DATA")
    if not named:
        raise DataError(f"no --data came and TINYSCENE_DATA is not set. {advice}")
    folder = Path(named)
    if missing := [name for name in names if not any(folder.glob(name))]:
        of = "--data" if given else "TINYSCENE_DATA"
        raise DataError(f"no {', no '.join(missing)} in {folder} ({of}). {advice}")
    if "esc10" in names:
        open_dataset(folder / "esc10")
    return folder


def listed(names: tuple[str, ...]) -> str:
    """As a sentence has them."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def run_main(main: Callable[[], None]) -> None:
    """The script's main; what is the user's to mend becomes one line and exit code 2, as in the command line."""
    try:
        main()
    except TinysceneError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(TinysceneError.exit_code)
