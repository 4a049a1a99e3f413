"""What many tests share: a small set of synthetic scenes, a narrow system, one whole run made from them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("NUMBA_OPT", "0")  # librosa compiles itself when first imported: 25 s, or 14

LONGEST = "test_whole_report.py"
WRITTEN = tuple(
    f"tests/{name}.py"
    for name in (
        "evaluate/test_complexity",
        "export/test_write_model",
        "pipeline/test_parity",
        "runtime/test_stream",
        "test_same_answer",
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: while one process has it, another makes what the other files share."""
    items.sort(key=lambda item: item.path.name != LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests go to one process, and those of all files with the fixture `written`, which is made once so."""
    from xdist.scheduler import LoadFileScheduling

    class TogetherByFixture(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "written" if file.endswith(WRITTEN) else file

    return TogetherByFixture(config, log)


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    code: int
    out: str
    err: str


def command(*words: object) -> Answer:
    """Run `tinyscene WORDS...` in this process, as the console script does."""
    from tinyscene.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    before = sys.argv
    sys.argv = ["tinyscene", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def tinyscene() -> Callable[..., Answer]:
    """The command line: tinyscene("train", "dsmn-1", ...) -> Answer(code, out, err)."""
    return command


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Features go to a folder of this session, never to the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("TINYSCENE_CACHE")
    os.environ["TINYSCENE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["TINYSCENE_CACHE"]
    else:
        os.environ["TINYSCENE_CACHE"] = before


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, named by TINYSCENE_DATA."""
    folder = os.environ.get("TINYSCENE_DATA")
    if not folder:
        pytest.skip("TINYSCENE_DATA is not set: no real audio here")
    return Path(folder)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """made_once(name, make) -> the folder that `make` filled in the first process that asked; the others wait."""

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        base = tmp_path_factory.getbasetemp()
        base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
        base.mkdir(exist_ok=True)
        with FileLock(base / f"{name}.lock"):
            if not (base / f"{name}.whole").exists():
                make(base / name)
                (base / f"{name}.whole").touch()
        return base / name

    return folder


@pytest.fixture(scope="session")
def scenes(made_once) -> Path:
    """A small synthetic set in TAU layout: 10 classes, 7 training and 9 test clips each. Tests read it alone."""
    from tinyscene.data import make_synthetic_set

    return made_once(
        "scenes",
        lambda folder: make_synthetic_set(folder, seed=3, clips_per_class_train=7, clips_per_class_test=9),
    )


@pytest.fixture(scope="session")
def narrow(made_once) -> Path:
    """A system file: dsmn-1 with few bands, blocks and channels, few epochs. Everything it does is as in dsmn-1."""
    from tinyscene import load_system
    from tinyscene.cli.source import system_source

    changes = {
        "frontend.spectral.n_mels": "64",
        "frontend.spectral.n_fft": "2048",
        "frontend.spectral.win_length": "2048",
        "model.widths": "4,6,6",  # three blocks: an exporter's time goes by the number of operations
        "model.segmented": "true,true,true",
        "model.stem": "4",
        "model.hidden": "12",
        "recipe.fit.epochs": "3",
        "recipe.fit.batch_size": "16",
        "recipe.fit.schedule.warmup_epochs": "1",
        "recipe.fit.validation_share": "0.3",
        "recipe.int8.epochs": "2",
        "recipe.int8.validation_share": "0.3",
    }
    text = system_source(load_system("dsmn-1").with_settings(changes).but(name="narrow"), "dsmn-1")
    return made_once("narrow.py", lambda path: path.write_text(text))


@pytest.fixture(scope="session")
def run(made_once, scenes: Path, narrow: Path) -> Path:
    """A whole run of the narrow system: trained, int8, both forms exported. Tests read it, none changes it."""

    def make(folder: Path) -> None:
        for words in (
            ("train", narrow, "--data", scenes, "--out", folder),
            ("compress", folder),
            ("export", folder),
            ("export", folder, "--form", "waveform"),
            ("export", folder, "--stage", "fit"),
            ("evaluate", folder),
        ):
            answer = command(*words)
            assert answer.code == 0, f"tinyscene {' '.join(map(str, words))}: {answer.err}"

    return made_once("run", make)


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`compress` without the milliseconds of its steps: each takes an export, which is most of its time."""
    monkeypatch.setattr("tinyscene.pipeline.weighing._ms_onnx", lambda *_: 1.0)


@dataclass(frozen=True)
class Written:
    """A narrow DSMN, written in every precision and form. Tests read the files, none changes them."""

    export: dict[str, Any]  # by precision: what was written, its network ready for inference
    simulated: Any  # the settled network behind the int8 files
    waveforms: Any  # windows of synthetic scenes, (window, time)
    path: dict[tuple[str, str], Path]  # by precision and form


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, scenes: Path) -> Written:
    """dsmn-1 with 64 bands and few channels, trained for some steps on synthetic scenes, as four model files."""
    import numpy as np
    import torch

    from tinyscene import load_system
    from tinyscene.audio import read_audio
    from tinyscene.compress import converted, fold, prepared, settle
    from tinyscene.data import open_dataset
    from tinyscene.evaluate import count_complexity, without_layers
    from tinyscene.export import FORMS, Export, write_model
    from tinyscene.train import Decision, group_membership

    changes = {
        "frontend.spectral.n_mels": "64",
        "model.widths": "4,6,6",
        "model.segmented": "true,true,true",
        "model.stem": "4",
        "model.hidden": "12",
    }
    system = load_system("dsmn-1").with_settings(changes).but(name="narrow")
    data = open_dataset(scenes)
    waveforms = torch.from_numpy(
        np.stack([read_audio(path, "mean")[0][: system.window_samples] for path in data.paths()])
    )
    target = torch.from_numpy(data.target)
    torch.manual_seed(0)
    network = system.model.build()
    with torch.no_grad():
        features = system.frontend.build().eval()(waveforms)

    def steps(module: Any, n: int, lr: float) -> None:
        optimizer = torch.optim.Adam(module.parameters(), lr)
        for _ in range(n):
            rows = torch.randint(len(features), (32,))
            loss = torch.nn.functional.cross_entropy(module(features[rows])[:, :10], target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    steps(network.train(), 60, 0.02)
    simulated = prepared(network, features[:2])
    steps(simulated.train(), 10, 0.002)
    settle(simulated)
    simulated.eval()
    folder = tmp_path_factory.mktemp("written")
    decide = Decision(10, group_membership(system.task.classes, system.task.groups), 0.2)
    export, path = {}, {}
    for precision, ready in (("float32", fold(network)), ("int8", converted(simulated).eval())):
        int8_form = fold(network) if precision == "int8" else None
        complexity = without_layers(count_complexity(network.eval(), features[:1], 1.0, int8_form))
        claims = {"data": data.name, "accuracy": 0.5}
        export[precision] = Export("narrow", system, data.classes, ready, decide, precision, complexity, claims)
        for form in FORMS:
            path[precision, form] = folder / f"narrow-{precision}-{form}.onnx"
            write_model(export[precision], form, path[precision, form], waveforms[:8])
    return Written(export, simulated, waveforms, path)
