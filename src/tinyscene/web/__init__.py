"""The page that classifies in the browser: its built files, a server for this machine alone, a folder for any host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .folder import write_folder
    from .page import NotBuilt, page_files
    from .serve import server

__all__ = ["NotBuilt", "page_files", "server", "write_folder"]

__getattr__ = lazy_names(
    __name__,
    {"NotBuilt": "page", "page_files": "page", "server": "serve", "write_folder": "folder"},
)
