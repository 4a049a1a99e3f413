"""Temperature: known ones recovered, closed forms, scikit-learn's logistic regression, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tinyscene.errors import DataError, SettingError
from tinyscene.evaluate.metrics import calibration_error
from tinyscene.evaluate.temperature import at_temperature, fit_temperature


def too_sure(t: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits t times those that the labels were drawn by."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 5))
    return logits * t, (softmax(logits, axis=1).cumsum(1) < rng.random((n, 1))).sum(1)


@pytest.mark.parametrize("t", [0.4, 1.0, 3.0])
def test_known_temperature_is_recovered(t: float) -> None:
    logits, target = too_sure(t)
    assert fit_temperature(logits, target) == pytest.approx(t, rel=0.03)
    assert fit_temperature(softmax(logits, axis=1), target) == pytest.approx(fit_temperature(logits, target), rel=1e-5)


def test_two_classes_equal_logistic_regression_without_intercept() -> None:
    rng = np.random.default_rng(1)
    margin = rng.normal(0, 3, 500)
    target = (rng.random(500) < 1 / (1 + np.exp(-0.6 * margin))).astype(int)
    logits = np.stack([-margin / 2, margin / 2], axis=1)
    slope = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(margin[:, None], target).coef_[0, 0]
    assert 1 / fit_temperature(logits, target) == pytest.approx(slope, rel=1e-5)


def test_closed_form_of_one_margin() -> None:
    # margin m everywhere, share s right: 1 / (1 + exp(-m / t)) = s, so t = m / ln(s / (1 - s))
    logits, target = np.tile([4.0, -1.0], (10, 1)), np.array([0] * 8 + [1] * 2)
    assert fit_temperature(logits, target) == pytest.approx(5 / np.log(4), rel=1e-5)


def test_it_calibrates_and_the_loss_is_least_there() -> None:
    logits, target = too_sure(3.0)
    raw = softmax(logits, axis=1)
    t = fit_temperature(raw[:10_000], target[:10_000])
    test, labels = raw[10_000:], target[10_000:]
    better = at_temperature(test, t)
    correct = test.argmax(1) == labels
    assert (better.argmax(1) == test.argmax(1)).all()
    assert calibration_error(better, correct) < 0.02 < 0.1 < calibration_error(test, correct)
    here, *around = (log_loss(target[:10_000], at_temperature(raw[:10_000], t * f)) for f in (1, 0.98, 1.02))
    assert here < min(around)


def test_at_temperature_by_hand() -> None:
    p = np.array([[0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_allclose(at_temperature(p, 1.0), p, rtol=1e-12)
    np.testing.assert_allclose(at_temperature(p, 0.5), [[16 / 17, 1 / 17], [0.5, 0.5]], rtol=1e-12)
    np.testing.assert_allclose(at_temperature(p, 2.0), [[2 / 3, 1 / 3], [0.5, 0.5]], rtol=1e-12)
    assert np.isfinite(at_temperature(np.array([[1.0, 0.0]]), 0.05)).all()
    np.testing.assert_allclose(at_temperature(10 * p, 1.0), p, rtol=1e-12)  # rows that do not sum to 1
    np.testing.assert_allclose(at_temperature(0 * p, 2.0), [[0.5, 0.5]] * 2, rtol=1e-12)


def test_ends_of_the_range() -> None:
    assert fit_temperature(np.array([[2.0, -1.0]]), np.array([0])) == 0.05
    assert fit_temperature(np.array([[2.0, -1.0]]), np.array([1])) == 20


@pytest.mark.parametrize(
    ("scores", "target", "says"),
    [
        ([[1.0, 2.0]], [0], "row 0 sums to 3, not to 1"),
        ([[-1.0, np.nan]], [0], "finite"),
        ([[0.4, 0.6]], [-1], "labelled files only"),
        ([[0.4, 0.6]], [2], "labels 0..1"),
        ([[0.4, 0.6]], [0, 1], "n labels"),
        (np.zeros((0, 2)), np.zeros(0, int), "n >= 1"),
    ],
)
def test_refusals(scores: object, target: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        fit_temperature(np.asarray(scores), np.asarray(target))


def test_at_temperature_refuses_zero() -> None:
    with pytest.raises(SettingError, match=r"0\.05 to 20"):
        at_temperature(np.array([[0.4, 0.6]]), 0.0)
