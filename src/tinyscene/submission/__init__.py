"""What the challenge takes: output files, meta files, the zip of each year, and the inference package of 2025."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .description import describe
    from .inference_2025 import Inference2025, inference_files
    from .meta_check import check_meta
    from .meta_yaml import build_meta, meta_text, read_author_file
    from .output_csv import check_output, read_rows, write_output
    from .package import SystemEntry, build_package
    from .package_check import check_package
    from .years import EDITIONS, Edition, edition_of

__all__ = [
    "EDITIONS",
    "Edition",
    "Inference2025",
    "SystemEntry",
    "build_meta",
    "build_package",
    "check_meta",
    "check_output",
    "check_package",
    "describe",
    "edition_of",
    "inference_files",
    "meta_text",
    "read_author_file",
    "read_rows",
    "write_output",
]

__getattr__ = lazy_names(
    __name__,
    {
        "EDITIONS": "years",
        "Edition": "years",
        "Inference2025": "inference_2025",
        "SystemEntry": "package",
        "build_meta": "meta_yaml",
        "build_package": "package",
        "check_meta": "meta_check",
        "check_output": "output_csv",
        "check_package": "package_check",
        "describe": "description",
        "edition_of": "years",
        "inference_files": "inference_2025",
        "meta_text": "meta_yaml",
        "read_author_file": "meta_yaml",
        "read_rows": "output_csv",
        "write_output": "output_csv",
    },
)
