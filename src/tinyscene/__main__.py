"""`python -m tinyscene` is `tinyscene`."""

from .cli import main

main()
