"""Fills the tables of README and docs from what the benchmarks have written: python docs/figures.py

A table stands between `<!-- figures: NAME -->` and `<!-- /figures -->` and is benchmarks/NAME.md, word for word.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- /figures -->)", re.S)


def main() -> None:
    """Rewrite every page whose tables have changed."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        filled = BLOCK.sub(lambda m: m[1] + (ROOT / "benchmarks" / f"{m[2]}.md").read_text("utf-8") + m[3], text)
        if filled != text:
            page.write_text(filled, encoding="utf-8")
            print(f"filled {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
