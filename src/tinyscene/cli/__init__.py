"""The command line: verb -> function; parsing and printing only. Every verb ends by naming the next useful command."""

from .app import main

__all__ = ["main"]
