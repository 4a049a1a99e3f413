"""Band maps side by side, as one PNG: before and after an augmentation, or real, generated and target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .pictures import new_figure, png_bytes


def draw_spectrograms(
    title: str,
    maps: Mapping[str, np.ndarray],
    unit: str,
    curve: tuple[np.ndarray, np.ndarray] | None = None,
    duration_s: float | None = None,
) -> bytes:
    """PNG of maps (band, frame) under their titles, low bands at the bottom, all on one scale of colours.

    `curve` adds a panel of gains: frequencies in Hz and dB. `duration_s` is what the first map's frames last.
    """
    panels = len(maps) + (curve is not None)
    figure, ink, _ = new_figure(0.6 + 3.5 * panels, 3.3, dark=False)
    grid = figure.subplots(1, panels, squeeze=False, gridspec_kw={"wspace": 0.28})[0]
    values = np.concatenate([np.ravel(m) for m in maps.values()])
    low, high = np.percentile(values, [1, 99.8])
    n_first = next(iter(maps.values())).shape[1]
    image = None
    for axes, (name, one) in zip(grid, maps.items(), strict=False):
        end = one.shape[1] if duration_s is None else duration_s * one.shape[1] / n_first
        image = axes.imshow(
            one,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=low,
            vmax=max(high, low + 1e-6),
            extent=(0, end, 0, len(one)),
            interpolation="nearest",
        )
        axes.set_title(name, loc="left", color=ink, fontsize=10, parse_math=False)
        axes.set_xlabel("frame" if duration_s is None else "s", color=ink, fontsize=9)
        axes.tick_params(colors=ink, labelsize=8)
    grid[0].set_ylabel("band", color=ink, fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, ax=list(grid[: len(maps)]), fraction=0.025, pad=0.015)
        bar.set_label(unit, color=ink, fontsize=9)
        bar.ax.tick_params(colors=ink, labelsize=8)
    if curve is not None:
        axes = grid[-1]
        axes.plot(curve[0] / 1000, curve[1], color="#0b6a94", linewidth=0.8)
        axes.axhline(0, color=ink, linewidth=0.6)
        axes.set_title("drawn gains", loc="left", color=ink, fontsize=10)
        axes.set_xlabel("kHz", color=ink, fontsize=9)
        axes.set_ylabel("dB", color=ink, fontsize=9)
        axes.tick_params(colors=ink, labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.125, y=1.02, ha="left", color=ink, fontsize=11, parse_math=False)
    return png_bytes(figure)
