"""measure: witnesses are scikit-learn, figures made by hand, and the laws the intervals must obey."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, log_loss

from tinyscene.errors import DataError, SettingError
from tinyscene.evaluate import Predictions, measure
from tinyscene.evaluate.metrics import device_group, wilson


def random_predictions(n: int = 400, n_classes: int = 5, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    target = rng.choice(n_classes, n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), target] += 1.5
    probabilities = np.exp(logits)
    return Predictions(
        tuple(f"class{i}" for i in range(n_classes)),
        probabilities / probabilities.sum(axis=1, keepdims=True),
        target,
        devices=rng.choice(["a", "b", "s1", "s4", "s10", "phone"], n).tolist(),
        cities=rng.choice(["lyon", "paris", ""], n).tolist(),
        recordings=[str(i // 4) for i in range(n)],
    )


def by_hand() -> Predictions:
    """Four files: class 0 once right of two, class 1 right, class 1 wrong; class 2 has none."""
    probabilities = np.array([[0.5, 0.25, 0.25], [0.2, 0.4, 0.4], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
    return Predictions(("x", "y", "z"), probabilities, np.array([0, 0, 1, 1]))


def test_figures_equal_scikit_learn() -> None:
    predictions = random_predictions()
    figures = measure(predictions)
    target, predicted = predictions.target, predictions.predicted
    assert figures["accuracy"] == pytest.approx((target == predicted).mean())
    assert figures["macro_accuracy"] == pytest.approx(balanced_accuracy_score(target, predicted))
    assert figures["log_loss"] == pytest.approx(log_loss(target, predictions.probabilities, labels=range(5)))
    assert figures["confusion"]["matrix"] == confusion_matrix(target, predicted, labels=range(5)).tolist()


def test_figures_of_a_case_made_by_hand() -> None:
    figures = measure(by_hand())
    assert figures["n"] == 4
    assert figures["accuracy"] == 0.5
    assert figures["macro_accuracy"] == 0.5
    assert figures["log_loss"] == pytest.approx(-(math.log(0.5) + math.log(0.2) + math.log(0.8) + math.log(0.2)) / 4)
    assert figures["confusion"] == {"labels": ["x", "y", "z"], "matrix": [[1, 1, 0], [1, 1, 0], [0, 0, 0]]}
    assert list(figures["per_class"]) == ["x", "y"]  # z has no file, so it has no recall


def test_macro_log_loss_is_the_mean_over_classes_not_over_files() -> None:
    probabilities = np.array([[0.5, 0.5]] * 3 + [[0.75, 0.25]])
    figures = measure(Predictions(("x", "y"), probabilities, np.array([0, 0, 0, 1])))
    assert figures["log_loss"] == pytest.approx((3 * math.log(2) + math.log(4)) / 4)
    assert figures["macro_log_loss"] == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert figures["per_class"]["y"]["log_loss"] == pytest.approx(math.log(4))


def test_probability_zero_costs_what_the_challenge_charged() -> None:
    figures = measure(Predictions(("x", "y"), np.array([[0.0, 1.0]]), np.array([0])))
    assert figures["log_loss"] == pytest.approx(-math.log(1e-15), rel=1e-12)  # 34.54 nats a file


def test_rows_are_renormalised_before_the_logarithm() -> None:
    figures = measure(Predictions(("x", "y"), np.array([[0.6, 0.2]]), np.array([0])))
    assert figures["log_loss"] == pytest.approx(-math.log(0.75))


def test_calibration_error_of_a_case_made_by_hand() -> None:
    # ten files at confidence 0.8, six right: |0.6 - 0.8|; ten at 0.65, all right: |1 - 0.65|
    probabilities = np.array([[0.8, 0.2]] * 10 + [[0.65, 0.35]] * 10)
    target = np.array([0] * 6 + [1] * 4 + [0] * 10)
    figures = measure(Predictions(("x", "y"), probabilities, target))
    assert figures["calibration_error"] == pytest.approx((0.2 + 0.35) / 2)


def test_calibrated_probabilities_have_a_small_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    target = (rng.uniform(size=p.size) > p).astype(np.int64)
    assert measure(Predictions(("x", "y"), np.stack([p, 1 - p], 1), target))["calibration_error"] < 0.015


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 10), (250, 1000)])
def test_wilson_interval_equals_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx([expected.low, expected.high], abs=1e-9)


def test_devices_cities_and_groups_are_split() -> None:
    predictions = random_predictions()
    figures = measure(predictions)
    assert list(figures["per_device"]) == ["a", "b", "phone", "s1", "s4", "s10"]  # s10 after s4
    assert list(figures["per_city"]) == ["lyon", "paris"]  # unknown cities stand in no row
    assert list(figures["per_device_group"]) == ["real", "seen", "unseen"]
    rows = np.array(predictions.devices) == "s4"
    target, predicted = predictions.target[rows], predictions.predicted[rows]
    s4 = figures["per_device"]["s4"]
    assert s4["n"] == rows.sum()
    assert s4["accuracy"] == pytest.approx((target == predicted).mean())
    assert s4["macro_accuracy"] == pytest.approx(balanced_accuracy_score(target, predicted))
    assert s4["log_loss"] == pytest.approx(log_loss(target, predictions.probabilities[rows], labels=range(5)))
    assert figures["per_device_group"]["unseen"]["n"] == s4["n"] + figures["per_device"]["s10"]["n"]


def test_unknown_devices_and_cities_give_empty_tables() -> None:
    figures = measure(by_hand())
    assert figures["per_device"] == figures["per_city"] == figures["per_device_group"] == {}


@pytest.mark.parametrize(
    ("device", "group"),
    [("a", "real"), ("c", "real"), ("s3", "seen"), ("s4", "unseen"), ("s10", "unseen"), ("d", "unseen"), ("s0", "")],
)
def test_devices_belong_to_the_groups_of_the_task(device: str, group: str) -> None:
    assert device_group(device) == group


def test_result_is_plain_json_and_depends_on_nothing_but_the_seed() -> None:
    first, again, other = (measure(random_predictions(), seed=seed) for seed in (3, 3, 4))
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert first == again
    assert first["confidence_interval"] != other["confidence_interval"]
    assert {k: v for k, v in first.items() if k != "confidence_interval"} == {
        k: v for k, v in other.items() if k != "confidence_interval"
    }


def clustered(recordings: bool) -> Predictions:
    """100 recordings of 10 clips; all clips of a recording are right or wrong together."""
    right = np.repeat(np.random.default_rng(0).uniform(size=100) < 0.6, 10)
    target = np.repeat(np.arange(100) % 2, 10)
    answer = np.where(right, target, 1 - target)
    names = [f"r{i // 10}" for i in range(1000)] if recordings else []
    return Predictions(("x", "y"), np.eye(2)[answer], target, recordings=names)


@pytest.mark.parametrize("key", ["accuracy", "macro_accuracy"])
def test_resampling_recordings_widens_the_interval_of_clustered_clips_by_the_root_of_their_number(key: str) -> None:
    (low, high), (low_clip, high_clip) = (
        measure(clustered(known), n_bootstrap=4000)["confidence_interval"][key] for known in (True, False)
    )
    assert (high - low) / (high_clip - low_clip) == pytest.approx(math.sqrt(10), rel=0.1)


def test_interval_over_clips_equals_the_binomial_one() -> None:
    figures = measure(clustered(False), n_bootstrap=8000)
    share, n = figures["accuracy"], 1000
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    assert figures["confidence_interval"]["accuracy"] == pytest.approx([share - half, share + half], abs=0.003)


def test_interval_equals_a_plain_bootstrap_loop() -> None:
    predictions = random_predictions(200, 3)
    correct = predictions.target == predictions.predicted
    rng = np.random.default_rng(9)
    macro = []
    for _ in range(3000):
        rows = (rng.integers(0, 50, 50)[:, None] * 4 + np.arange(4)).ravel()  # recordings are runs of four clips
        macro.append(np.mean([correct[rows][predictions.target[rows] == c].mean() for c in range(3)]))
    got = measure(predictions, n_bootstrap=3000)["confidence_interval"]["macro_accuracy"]
    assert got == pytest.approx(np.quantile(macro, [0.025, 0.975]).tolist(), abs=0.012)


def test_clips_of_unknown_recording_stand_alone() -> None:
    named = Predictions(("x", "y"), np.eye(2)[[0, 1, 0]], np.array([0, 0, 0]), recordings=["r", "", ""])
    assert measure(named)["bootstrap"] == {"unit": "recording", "n_units": 3, "n_resamples": 1000}


def test_one_recording_claims_nothing() -> None:
    one = Predictions(("x", "y"), np.eye(2)[[0, 1]], np.array([0, 1]), recordings=["r", "r"])
    assert measure(one)["confidence_interval"]["accuracy"] == [0.0, 1.0]


@pytest.mark.parametrize("clips_per_recording", [1, 60])
def test_thirty_thousand_clips_take_less_than_two_seconds(clips_per_recording: int) -> None:
    rng = np.random.default_rng(0)
    n = 30_000
    target = rng.integers(0, 10, n)
    names = [str(i // clips_per_recording) for i in range(n)]
    devices = rng.choice(["a", "b", "s1", "s4"], n).tolist()
    predictions = Predictions(
        tuple("abcdefghij"), rng.dirichlet(np.ones(10), n), target, devices=devices, recordings=names
    )
    start = time.process_time()
    measure(predictions)
    assert time.process_time() - start < 2


def test_predictions_that_cannot_be_measured_are_refused() -> None:
    with pytest.raises(DataError, match="one file or more; got none"):
        measure(Predictions(("x", "y"), np.zeros((0, 2)), np.zeros(0, dtype=np.int64)))
    with pytest.raises(DataError, match=r"row 1 \(b.wav\) has no label"):
        measure(Predictions(("x", "y"), np.ones((2, 2)), np.array([0, -1]), files=["a.wav", "b.wav"]))
    with pytest.raises(SettingError, match="n_bootstrap of 1 or more; got 0"):
        measure(by_hand(), n_bootstrap=0)
