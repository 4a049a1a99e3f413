"""Opening the 230,350 clips of TAU 2022 Mobile, beside pandas doing the same. Writes open_dataset.md.

    python benchmarks/open_dataset.py --data DIR

The lists are the real ones: DIR (TINYSCENE_DATA without) holds tau_lists. The clips are empty files of the real names,
made for the run. Each figure is a process of its own: the fastest of three, imports included in the memory and not in
the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from real_data import add_data, data_folder, run_main

from tinyscene.errors import MissingExtraError

NAME = "TAU-urban-acoustic-scenes-2022-mobile-development"
LISTS = f"tau_lists/{NAME}"

OURS = """
from tinyscene.data import open_dataset
def job():
    return len(open_dataset(root))
"""
# Lists, fold, scene, city, location, segment and device of each clip, the classes as numbers, and what is on disk.
PANDAS = """
import os, pandas
def job():
    meta = pandas.read_csv(f"{root}/meta.csv", sep="\\t")
    meta["fold"] = ""
    for name in ("train", "evaluate"):
        part = pandas.read_csv(f"{root}/evaluation_setup/fold1_{name}.csv", sep="\\t")
        meta.loc[meta.filename.isin(part.filename), "fold"] = name
    stem = meta.filename.str.slice(6, -4)
    meta[["scene", "city", "location", "segment", "second", "device"]] = stem.str.split("-", expand=True)
    meta["recording"] = meta.scene + "-" + meta.city + "-" + meta.location
    meta["moment"] = meta.recording + "-" + meta.segment + "-" + meta.second
    meta["target"] = pandas.Categorical(meta.scene_label).codes
    assert not meta.filename.duplicated().any()
    on_disk = {f"audio/{entry.name}" for entry in os.scandir(f"{root}/audio")}
    assert meta.filename.isin(on_disk).all() and not on_disk - set(meta.filename)
    return len(meta)
"""
MEASURE = """
import json, resource, time
start = time.perf_counter()
n = job()
seconds = time.perf_counter() - start
print(json.dumps([n, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def measured(code: str, root: Path) -> tuple[int, float, float]:
    """(clips, seconds, MiB at its peak) of the fastest of three processes."""
    runs = []
    for _ in range(3):
        words = [sys.executable, "-c", f"root = {str(root)!r}\n{code}\n{MEASURE}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        runs.append(json.loads(done.stdout))
    n, seconds, megabytes = min(runs, key=lambda run: run[1])
    return int(n), seconds, megabytes


def main() -> None:
    """Make the files, measure, write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add_data(options, LISTS)
    lists = data_folder(options.parse_args().data, LISTS) / LISTS
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / NAME
        root.mkdir()
        for name in ("meta.csv", "evaluation_setup"):
            (root / name).symlink_to(lists / name)
        (root / "audio").mkdir()
        for line in (lists / "meta.csv").read_text().splitlines()[1:]:
            os.close(os.open(root / line.partition("\t")[0], os.O_CREAT | os.O_WRONLY))
        n, ours_s, ours_mb = measured(OURS, root)
        try:
            import pandas  # type: ignore  # only this script needs it
        except ModuleNotFoundError:
            raise MissingExtraError("the comparison needs pandas: pip install pandas") from None
        _, theirs_s, theirs_mb = measured(PANDAS, root)
    lines = [
        f"| opening {n:,} clips | seconds | MiB at its peak |",
        "|---|---|---|",
        f"| `tinyscene.data.open_dataset` | {ours_s:.2f} | {ours_mb:.0f} |",
        f"| pandas {pandas.__version__}, the same columns and checks | {theirs_s:.2f} | {theirs_mb:.0f} |",
        "",
        f"{theirs_s / ours_s:.2f} times the speed of pandas. Real lists of TAU Urban Acoustic Scenes 2022 Mobile, "
        f"empty files for clips; fastest of three processes, on {os.cpu_count()} CPU cores. Written by "
        "`benchmarks/open_dataset.py`.",
    ]
    path = Path(__file__).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    run_main(main)
