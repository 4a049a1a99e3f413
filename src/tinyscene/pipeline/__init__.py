"""Runs: prepared from their record, walked stage by stage, evaluated, exported."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .caching import fill_caches
    from .configuring import configured
    from .demonstration import demonstrate
    from .energy import measured_energy, read_energy
    from .evaluating import claims_table, evaluate_run
    from .exporting import export_run, stage_complexity
    from .preparing import Prepared, prepare, recorded
    from .run_folder import RunRecord, circumstances, open_run, start_run
    from .stages import finished_stages, run_stages
    from .teacher_file import TEACHER
    from .teaching import ask_teacher, check_teacher, take_logits

__all__ = [
    "TEACHER",
    "Prepared",
    "RunRecord",
    "ask_teacher",
    "check_teacher",
    "circumstances",
    "claims_table",
    "configured",
    "demonstrate",
    "evaluate_run",
    "export_run",
    "fill_caches",
    "finished_stages",
    "measured_energy",
    "open_run",
    "prepare",
    "read_energy",
    "recorded",
    "run_stages",
    "stage_complexity",
    "start_run",
    "take_logits",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Prepared": "preparing",
        "RunRecord": "run_folder",
        "TEACHER": "teacher_file",
        "ask_teacher": "teaching",
        "check_teacher": "teaching",
        "circumstances": "run_folder",
        "configured": "configuring",
        "take_logits": "teaching",
        "claims_table": "evaluating",
        "demonstrate": "demonstration",
        "evaluate_run": "evaluating",
        "export_run": "exporting",
        "fill_caches": "caching",
        "finished_stages": "stages",
        "open_run": "run_folder",
        "measured_energy": "energy",
        "prepare": "preparing",
        "recorded": "preparing",
        "read_energy": "energy",
        "run_stages": "stages",
        "stage_complexity": "exporting",
        "start_run": "run_folder",
    },
)
