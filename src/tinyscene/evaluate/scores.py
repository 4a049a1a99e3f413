"""The scores that a year's ranking puts together out of others."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import SettingError

SPLITS = (5, 10, 25, 50, 100)


def score_2024(accuracies: Mapping[int, float]) -> float:
    """The score of 2024: mean of the macro accuracies after training on 5, 10, 25, 50 and 100 % of the clips.

    Raises:
        SettingError: another set of splits.
    """
    if sorted(accuracies) != list(SPLITS):
        raise SettingError(
            f"score_2024 takes a macro accuracy for each split {', '.join(map(str, SPLITS))}; "
            f"{', '.join(map(str, sorted(accuracies))) or 'none'} came."
        )
    return sum(accuracies.values()) / len(SPLITS)


def rank_2023(accuracy: float, memory: float, macs: float) -> float:
    """The weighted rank of 2023 out of three ranks, 1 the best: half accuracy, a quarter each memory and MACs.

    Report 001, equation 1.

    Raises:
        SettingError: a rank below 1.
    """
    if min(accuracy, memory, macs) < 1:
        raise SettingError(f"rank_2023 takes ranks from 1, the best; {accuracy:g}, {memory:g} and {macs:g} came.")
    return 0.5 * accuracy + 0.25 * memory + 0.25 * macs
