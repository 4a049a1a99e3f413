"""What each edition of DCASE Task 1 asks of a submission, as data: classes, rows, files, fields, limits.

From the organisers' validators of 2020 to 2024 and, for 2025, their inference package and the meta file of a real
submission. Where the official 2024 validator still asks for fields of 2023 that its template dropped, the template is
followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..data.tau import TAU_CLASSES, TAU_GROUPS
from ..errors import SettingError, unknown

MAX_SYSTEMS = 4
DEVICES = ("a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6")
SPLITS = ("5", "10", "25", "50", "100")
# 2025: the devices whose models the official complexity check asks for
DEVICES_2025 = ("a", "b", "c", *(f"s{i}" for i in range(1, 11)))


@dataclass(frozen=True)
class Edition:
    """One year's task.

    rows        files of the evaluation set; None where no public count is known
    task        third part of a label
    folder      where a system's files lie in the zip, `{root}` being the team's label without the number
    outputs     name of each output file by its split, '' where there is one
    meta        name of the meta file
    description, complexity, system, energy
                required keys of the blocks of the meta file; complexity_more: written, but not asked for
    results     blocks of results.development_dataset, empty where it holds the figures itself
    devices     keys of device_wise, empty where there is none
    limits      names of the rules in evaluate.limits
    number_types
                what weights may be stored in, empty for anything
    overall_loss, device_accuracy
                which figures of evaluate.measure the year's organisers mean
    """

    year: str
    task: str
    classes: tuple[str, ...]
    rows: int | None
    folder: str
    description: tuple[str, ...]
    complexity: tuple[str, ...]
    complexity_more: tuple[str, ...] = ()
    outputs: tuple[tuple[str, str], ...] = (("", "{label}.output.csv"),)
    meta: str = "{label}.meta.yaml"
    system: tuple[str, ...] = ("description", "complexity", "external_datasets", "source_code")
    energy: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    devices: tuple[str, ...] = DEVICES
    limits: tuple[str, ...] = ()
    overall_loss: str = "log_loss"
    device_accuracy: str = "macro_accuracy"
    extras: tuple[str, ...] = ()  # further files of each system
    number_types: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Header of an output file."""
        return ("filename", "scene_label", *self.classes)

    def check_label(self, label: str) -> str:
        """What is wrong with a submission label, '' if nothing."""
        if re.fullmatch(rf"[A-Za-z0-9-]+_[A-Za-z0-9-]+_{self.task}_[1-{MAX_SYSTEMS}]", label):
            return ""
        return (
            f"the label '{label}' must be <Lastname>_<Institute>_{self.task}_<1 to {MAX_SYSTEMS}>, letters, digits and "
            f"hyphens in each part, such as Smith_TAU_{self.task}_1"
        )

    def check_labels(self, labels: Sequence[str]) -> list[str]:
        """What is wrong with the labels of a package taken together."""
        problems = [problem for problem in map(self.check_label, labels) if problem]
        if not 1 <= len(labels) <= MAX_SYSTEMS:
            problems.append(f"a package takes 1 to {MAX_SYSTEMS} systems, {len(labels)} came")
        problems += [f"the label '{label}' stands twice" for label in sorted(set(labels)) if labels.count(label) > 1]
        teams = sorted({label.rpartition("_")[0] for label in labels})
        if len(teams) > 1:
            problems.append(f"labels of one package differ in their number only; {', '.join(teams)} came")
        return problems

    def place(self, label: str) -> str:
        """A system's folder in the zip."""
        return self.folder.format(root=label.rpartition("_")[0], label=label)


_COMMON = (
    "input_sampling_rate",
    "acoustic_features",
    "embeddings",
    "data_augmentation",
    "machine_learning_method",
    "ensemble_method_subsystem_count",
    "decision_making",
    "external_data_usage",
)
_FROM_2022 = (*_COMMON, "complexity_management", "pipeline", "framework")
_FROM_2024 = (
    *("input_sampling_rate", "acoustic_features", "data_augmentation", "machine_learning_method"),
    *("external_data_usage", "complexity_management", "pipeline", "framework"),
)
_SYSTEM = ("description", "complexity", "external_datasets", "source_code")
_ROOTED, _PLAIN = "{root}/task1/{label}", "task1/{label}"

EDITIONS = {
    edition.year: edition
    for edition in (
        Edition("2020a", "task1a", TAU_CLASSES, 11_880, _ROOTED, _COMMON, ("total_parameters",)),
        Edition(
            "2020b",
            "task1b",
            tuple(sorted(TAU_GROUPS)),
            8_640,
            _ROOTED,
            (*_COMMON, "complexity_management"),
            ("total_parameters", "total_parameters_non_zero", "model_size"),
            devices=(),
            limits=("2020 1B",),
        ),
        Edition(
            "2021a",
            "task1a",
            TAU_CLASSES,
            7_920,
            _ROOTED,
            _COMMON,
            ("total_parameters",),
            complexity_more=("total_parameters_non_zero", "model_size"),
            limits=("2021 1A, KiB",),
            overall_loss="macro_log_loss",  # the year's ranking measure
        ),
        Edition(
            "2022",
            "task1",
            TAU_CLASSES,
            118_800,
            _PLAIN,
            _FROM_2022,
            ("total_parameters", "total_parameters_non_zero", "memory_use", "macs"),
            limits=("2022",),
            number_types=("int8", "uint8", "int32"),  # sums and biases of int8 networks are int32
        ),
        Edition(
            "2023",
            "task1",
            TAU_CLASSES,
            118_800,
            _PLAIN,
            _FROM_2022,
            ("total_model_size", "total_parameters", "total_parameters_non_zero", "memory_use", "macs"),
            system=(*_SYSTEM, "energy_consumption"),
            energy=("training", "inference", "baseline_inference"),
            limits=("2023",),
        ),
        Edition(
            "2024",
            "task1",
            TAU_CLASSES,
            135_730,
            _PLAIN,
            (*_FROM_2024, "split_adaptations", "system_adaptations"),
            ("total_model_size", "total_parameters", "macs"),
            outputs=tuple((split, f"{{label}}.output.split_{split}.csv") for split in SPLITS),
            results=tuple(f"split_{split}" for split in SPLITS),
            limits=("2024",),
            device_accuracy="accuracy",
        ),
        Edition(
            "2025",
            "task1",
            TAU_CLASSES,
            None,
            "predictions/{label}",
            (*_FROM_2024, "device_information", "num_models_at_inference", "model_weight_sharing"),
            ("total_model_size", "total_parameters", "macs"),
            outputs=(("", "output.csv"),),
            system=(*_SYSTEM, "inference_code"),
            results=("device_specific", "general"),
            limits=("2025",),
            device_accuracy="accuracy",
            extras=("complexity.json", "test_accuracy.json", "model_state_dict.pt"),
        ),
    )
}


def edition_of(year: str) -> Edition:
    """The edition of that name; "2021" is 2021a.

    Raises:
        SettingError: no such edition; 2020 has two.
    """
    name = year.strip().lower()
    name = "2021a" if name == "2021" else name
    if name == "2020":
        raise SettingError("--year 2020 has two tasks: take 2020a (10 scenes, many devices) or 2020b (3 classes).")
    if name not in EDITIONS:
        raise unknown("tinyscene submit", "year", year, EDITIONS)
    return EDITIONS[name]
