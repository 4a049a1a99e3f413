"""The mean spectrum of each device as a PNG, and how it differs from the first one's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .pictures import new_figure, png_bytes

MAX_DRAWN = 12  # more lines than this cannot be told apart


def draw_devices(description: Mapping[str, Any]) -> bytes:
    """PNG out of what `data.describe.describe` tells: mean spectra, and beside them their differences.

    Where more than one device sounds, the second panel shows each less the first in alphabetical order (a, in TAU
    sets). A set without devices is one line. A title says how many devices were left out.
    """
    every = {
        name or "all clips": np.asarray([np.nan if v is None else v for v in own["spectrum_db"]], dtype=np.float64)
        for name, own in description["devices"].items()
    }
    sounding = {name: line for name, line in every.items() if np.isfinite(line).any()}
    drawn = dict(list(sounding.items())[:MAX_DRAWN])
    two = len(drawn) > 1
    figure, ink, _ = new_figure(10.4 if two else 6.0, 3.7, dark=False)
    grid = figure.subplots(1, 2 if two else 1, squeeze=False, gridspec_kw={"wspace": 0.2})[0]
    band_hz = np.asarray(description["bands_hz"])
    first = next(iter(drawn), None)
    from matplotlib import colormaps

    colours = [ink, *colormaps["tab10"](range(10)), *colormaps["Dark2"](range(8))]
    for colour, (name, line) in zip(colours, drawn.items(), strict=False):
        style = {"color": colour, "linewidth": 2.2 if name == first else 1.3, "label": name}
        grid[0].plot(band_hz, line, **style)
        if two:
            grid[1].plot(band_hz, line - drawn[first], **style)
    left_out = len(sounding) - len(drawn)
    more = f" ({left_out} more devices are not drawn)" if left_out else ""
    grid[0].set_title(f"mean spectrum{more}", loc="left", color=ink, fontsize=10)
    grid[0].set_ylabel("dB re full scale² per Hz", color=ink, fontsize=9)
    if two:
        grid[1].set_title(f"less device {first}", loc="left", color=ink, fontsize=10, parse_math=False)
        grid[1].set_ylabel("dB", color=ink, fontsize=9)
    for axes in grid:
        axes.set_xscale("log")
        axes.set_xticks([50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000], _labels())
        axes.minorticks_off()
        axes.set_xlim(band_hz[0], band_hz[-1])
        axes.set_xlabel("Hz", color=ink, fontsize=9)
        axes.tick_params(colors=ink, labelsize=8.5)
        axes.grid(color=ink, alpha=0.15, linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(ink)
    if drawn:
        grid[-1].legend(frameon=False, labelcolor=ink, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    title = description["name"] + (" (SYNTHETIC data)" if description.get("synthetic") else "")
    figure.suptitle(title, x=0.125, y=1.0, ha="left", color=ink, fontsize=11, parse_math=False)
    return png_bytes(figure)


def _labels() -> list[str]:
    return ["50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k"]
