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
    panels = len(maps)
    widths = [*[1.0] * panels, 0.05, *([0.25, 1.0] if curve is not None else [])]  # the maps, their scale, the gains
    figure, ink, _ = new_figure(0.6 + 3.3 * sum(widths), 3.3, dark=False)
    places = figure.add_gridspec(1, len(widths), width_ratios=widths, wspace=0.16)
    grid = [figure.add_subplot(places[0, i]) for i in range(panels)]
    values = np.concatenate([np.ravel(m) for m in maps.values()])
    low, high = np.percentile(values, [3, 99.8])
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
        axes.tick_params(colors=ink, labelsize=8, labelleft=axes is grid[0])
    grid[0].set_ylabel("band", color=ink, fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, cax=figure.add_subplot(places[0, panels]))
        bar.set_label(unit, color=ink, fontsize=9)
        bar.ax.tick_params(colors=ink, labelsize=8)
    if curve is not None:
        axes = figure.add_subplot(places[0, -1])
        axes.plot(curve[0] / 1000, curve[1], color="#9cc3d5", linewidth=0.5, label="each bin")
        centres, means = _third_octaves(*curve)
        axes.plot(centres / 1000, means, color="#0b6a94", linewidth=1.6, label="mean of a third octave")
        axes.axhline(0, color=ink, linewidth=0.6)
        axes.set_xscale("log")
        axes.set_title("drawn gains", loc="left", color=ink, fontsize=10)
        axes.legend(frameon=False, labelcolor=ink, fontsize=7.5, loc="lower left")
        axes.set_xlabel("kHz", color=ink, fontsize=9)
        axes.set_ylabel("dB", color=ink, fontsize=9)
        axes.tick_params(colors=ink, labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.125, y=1.02, ha="left", color=ink, fontsize=11, parse_math=False)
    return png_bytes(figure)


def _third_octaves(f_hz: np.ndarray, gain_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres in Hz and mean gains in dB of the third octaves that hold a bin."""
    centres = 1000 * 2.0 ** (np.arange(-18, 15) / 3)
    power = 10 ** (gain_db / 10)
    within = [(f_hz >= centre * 2 ** (-1 / 6)) & (f_hz < centre * 2 ** (1 / 6)) for centre in centres]
    held = [i for i, mask in enumerate(within) if mask.any()]
    return centres[held], 10 * np.log10([power[within[i]].mean() for i in held])
