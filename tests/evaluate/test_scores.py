"""The years' scores against figures that were published."""

from __future__ import annotations

import pytest

from tinyscene.errors import SettingError
from tinyscene.evaluate import rank_2023, score_2024


@pytest.mark.parametrize(
    ("accuracies", "published"),
    [((44.00, 46.95, 51.47, 54.40, 56.84), 50.73), ((49.21, 52.51, 55.49, 56.20, 58.34), 54.35)],
    ids=["baseline", "Werning_UPBNT"],
)
def test_the_score_of_2024_is_the_published_one(accuracies, published):
    assert score_2024(dict(zip((5, 10, 25, 50, 100), accuracies, strict=True))) == pytest.approx(published, abs=5e-3)


def test_the_rank_of_2023_weighs_accuracy_as_much_as_both_others():
    assert rank_2023(1, 1, 1) == 1
    assert rank_2023(3, 1, 1) == 2
    assert rank_2023(1, 3, 5) == rank_2023(4, 1, 1) == 2.5


def test_what_is_no_set_of_splits_or_no_rank_is_refused():
    with pytest.raises(SettingError, match="each split 5, 10, 25, 50, 100; 5, 10 came"):
        score_2024({5: 0.4, 10: 0.5})
    with pytest.raises(SettingError, match="ranks from 1"):
        rank_2023(0, 1, 1)
