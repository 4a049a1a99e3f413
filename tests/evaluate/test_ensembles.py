"""Ensembles: closed forms, scikit-learn, optimality conditions, matching by name, and no file fitted on is reported."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import gmean
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tinyscene.errors import DataError, SettingError
from tinyscene.evaluate.ensembles import RULES, Ensemble, aligned, fit_ensemble
from tinyscene.evaluate.metrics import measure
from tinyscene.evaluate.predictions import Predictions

CLASSES = ("bus", "park", "tram")


def noisy(n: int, noise: float, seed: int, part: str = "test", classes: tuple[str, ...] = CLASSES) -> Predictions:
    """A system that sees labels through noise; files and labels hang on `part` only."""
    k = len(classes)
    target = np.random.default_rng(crc32(part.encode())).integers(0, k, n)
    logits = 2 * np.eye(k)[target] + np.random.default_rng([seed, crc32(part.encode())]).normal(0, noise, (n, k))
    files = [f"{part}/{i}.wav" for i in range(n)]
    return Predictions(
        classes, softmax(logits, axis=1), target, files, recordings=[f"{part}-{i // 4}" for i in range(n)]
    )


def three(part: str, n: int = 600) -> list[Predictions]:
    return [noisy(n, noise, seed, part) for seed, noise in enumerate((0.9, 1.2, 2.5))]


def loss_of(one: Predictions) -> float:
    return measure(one, n_bootstrap=1)["log_loss"]


def test_mean_by_hand() -> None:
    one = Predictions(("a", "b"), np.array([[0.8, 0.2], [3.0, 1.0]]), np.array([0, 1]), ["x", "y"])
    other = replace(one, probabilities=np.array([[0.4, 0.6], [0.25, 0.75]]))
    together = fit_ensemble("mean", [one, other]).apply([one, other])
    np.testing.assert_allclose(together.probabilities, [[0.6, 0.4], [0.5, 0.5]], rtol=1e-12)
    assert together.files == ("x", "y")


def test_weighted_has_the_closed_form_of_disjoint_experts() -> None:
    # each file is known to one system alone, surely: -mean ln w_of_file is least at the shares of files
    probabilities = np.full((2, 10, 2), 1e-15)
    probabilities[0, :7, 0] = probabilities[1, 7:, 0] = 1
    probabilities[:, :, 1] = 1 - probabilities[:, :, 0]
    files = [str(i) for i in range(10)]
    systems = [Predictions(("a", "b"), p, np.zeros(10, int), files) for p in probabilities]
    assert fit_ensemble("weighted", systems).weights == pytest.approx((0.7, 0.3), abs=1e-6)


def test_weighted_meets_the_optimality_conditions() -> None:
    held_out = three("held")
    weights = np.array(fit_ensemble("weighted", held_out).weights)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    at = np.stack([one.probabilities[np.arange(600), one.target] for one in held_out], axis=1)
    # Karush-Kuhn-Tucker on the simplex: mean(p_n / mix) is 1 where w_n > 0 and at most 1 elsewhere
    slope = (at / (at @ weights)[:, None]).mean(0)
    assert slope[weights > 0] == pytest.approx(1, abs=1e-4)
    assert slope.max() <= 1 + 1e-4
    assert (weights[:2] > weights[2]).all()


def test_weights_and_bias_are_logistic_regression_of_two_classes() -> None:
    # with 40,000 files the priors weigh little; the log odds of each system are the features
    systems = [noisy(40_000, noise, seed, "held", ("a", "b")) for seed, noise in enumerate((1.0, 1.6))]
    tilted = [replace(one, probabilities=one.probabilities * [3.0, 1.0]) for one in systems]
    fitted = fit_ensemble("weighted-bias", tilted)
    odds = np.stack([np.log(one.probabilities[:, 1] / one.probabilities[:, 0]) for one in tilted], axis=1)
    witness = LogisticRegression(C=np.inf, tol=1e-10).fit(odds, systems[0].target)
    assert fitted.weights == pytest.approx(tuple(witness.coef_[0]), abs=0.01)
    assert fitted.bias[1] - fitted.bias[0] == pytest.approx(witness.intercept_[0], abs=0.01)
    expected = witness.predict_proba(odds)
    test = [replace(one, files=[f"new/{i}" for i in range(40_000)], recordings=()) for one in tilted]
    np.testing.assert_allclose(fitted.apply(test).probabilities, expected, atol=2e-3)


def test_weights_and_bias_are_least_with_their_priors() -> None:
    held_out = three("held", 60)
    fitted = fit_ensemble("weighted-bias", held_out)
    logs = np.stack([np.log(one.probabilities) for one in held_out], axis=2)

    def objective(x: np.ndarray) -> float:  # written anew, by scikit-learn's loss
        p = softmax(logs @ x[:3] + x[3:], axis=1)
        prior = ((x[:3] - 1 / 3) ** 2).sum() + (x[3:] ** 2).sum()
        return log_loss(held_out[0].target, p, normalize=False) + prior / 2

    best = np.array([*fitted.weights, *fitted.bias])
    assert best[3:].sum() == pytest.approx(0, abs=1e-6)
    for i, step in ((i, step) for i in range(6) for step in (-1e-2, 1e-2)):
        aside = best + step * np.eye(6)[i]
        assert objective(aside) > objective(best) or aside[:3].min() < 0, i


def test_a_weight_is_never_negative() -> None:
    good, bad = noisy(300, 0.5, 0, "held"), noisy(300, 0.5, 1, "held")
    wrong = replace(bad, probabilities=np.roll(bad.probabilities, 1, axis=1))
    for rule in ("weighted", "weighted-bias"):
        weights = fit_ensemble(rule, [good, wrong]).weights
        assert weights[1] == pytest.approx(0, abs=0.02)
        assert weights[1] >= 0


def test_with_nothing_to_learn_weights_and_bias_are_the_geometric_mean() -> None:
    held_out = [replace(one, probabilities=np.ones((600, 3))) for one in three("held")]
    test = three("test")
    fitted = fit_ensemble("weighted-bias", held_out)
    expected = gmean([one.probabilities for one in test])
    got = replace(fitted, bias=(0.0, 0.0, 0.0)).apply(test).probabilities
    np.testing.assert_allclose(got, expected / expected.sum(1, keepdims=True), rtol=1e-6)


def test_a_class_missing_from_the_held_out_files_stays_possible() -> None:
    held_out = three("held")
    rows = np.flatnonzero(held_out[0].target != 2)
    part = [
        Predictions(CLASSES, one.probabilities[rows], one.target[rows], [one.files[i] for i in rows])
        for one in held_out
    ]
    fitted = fit_ensemble("weighted-bias", part)
    assert np.isfinite(fitted.bias).all()
    assert min(fitted.bias) > -10


def test_bayesian_is_the_formula_of_the_repository_on_centred_logits() -> None:
    rng = np.random.default_rng(3)
    held, test = rng.normal(0, 2, (2, 3, 40, 4))  # (part, system, file, class)
    held -= held.mean(-1, keepdims=True)
    test -= test.mean(-1, keepdims=True)

    def predictions(part: str, logits: np.ndarray) -> list[Predictions]:
        files = [f"{part}{i}" for i in range(40)]
        return [Predictions(tuple("abcd"), softmax(one, axis=1), np.full(40, -1), files) for one in logits]

    got = fit_ensemble("bayesian", predictions("h", held)).apply(predictions("t", test)).probabilities
    kappa = sum(one.var(0, ddof=1) for one in held) / 3
    np.testing.assert_allclose(got, softmax(test.mean(0) + kappa / 3, axis=1), rtol=1e-9)


def test_together_they_are_better_on_other_files() -> None:
    held_out, test = three("held"), three("test")
    alone = min(map(loss_of, test))
    reached = {rule: loss_of(fit_ensemble(rule, held_out).apply(test)) for rule in RULES}
    assert reached["weighted"] < min(alone, reached["mean"])
    assert reached["weighted-bias"] < alone
    learned, least = fit_ensemble("weighted", held_out), fit_ensemble("weighted", test)
    assert learned.weights != least.weights


@pytest.mark.parametrize("rule", RULES)
def test_json_gives_back_the_same_ensemble(rule: str) -> None:
    fitted = fit_ensemble(rule, three("held", 40))
    assert Ensemble.from_json(fitted.to_json()) == fitted
    for text in ("{", "[]", '{"rule": "mean"}', '{"rule": "mean", "classes": 3}'):
        with pytest.raises(DataError, match="no ensemble"):
            Ensemble.from_json(text)


@pytest.mark.parametrize("rule", RULES)
def test_rows_are_matched_by_file_name(rule: str) -> None:
    held_out, test = three("held", 40), three("test", 40)
    expected = fit_ensemble(rule, held_out).apply(test)
    order = np.random.default_rng(0).permutation(40)

    def shuffled(one: Predictions) -> Predictions:
        return Predictions(
            CLASSES, one.probabilities[order], one.target[order], [one.files[i] for i in order], recordings=()
        )

    got = fit_ensemble(rule, [held_out[0], *map(shuffled, held_out[1:])]).apply([test[0], *map(shuffled, test[1:])])
    np.testing.assert_allclose(got.probabilities, expected.probabilities, rtol=1e-9)
    assert got.files == expected.files
    assert got.recordings == expected.recordings


def test_files_and_recordings_fitted_on_are_refused() -> None:
    held_out, test = three("held"), three("test")
    fitted = fit_ensemble("weighted", held_out)
    with pytest.raises(DataError, match=r"fitted on 600 files .* first held/0\.wav"):
        fitted.apply(held_out)
    leaked = [replace(one, recordings=["held-3", *one.recordings[1:]]) for one in test]
    with pytest.raises(DataError, match=r"fitted on 1 recording .* first held-3"):
        fitted.apply(leaked)
    assert len(fitted.apply(test)) == 600
    assert len(fit_ensemble("mean", held_out).apply(held_out)) == 600  # it fits nothing


def test_refusals() -> None:
    one, other, _ = three("held", 12)
    with pytest.raises(SettingError, match="no rule 'median'; it takes mean, weighted"):
        fit_ensemble("median", [one])
    with pytest.raises(DataError, match="classes bus, tram, park"):
        aligned({"one": one, "other": replace(other, classes=("bus", "tram", "park"))})
    with pytest.raises(
        DataError,
        match=r"one and other are of different files: 1 only in one, first held/0\.wav; 1 only in other, first z",
    ):
        aligned({"one": one, "other": replace(other, files=["z", *other.files[1:]])})
    with pytest.raises(DataError, match=r"held/1\.wav more than once"):
        aligned({"one": replace(one, files=["held/1.wav", *one.files[1:]])})
    with pytest.raises(DataError, match="no file name in row 2"):
        aligned({"one": replace(one, files=[*one.files[:2], "", *one.files[3:]])})
    with pytest.raises(DataError, match=r"different labels for 12 files, first held/0\.wav"):
        aligned({"one": one, "other": replace(other, target=(other.target + 1) % 3)})
    with pytest.raises(DataError, match="none came"):
        aligned({})
    for rule in ("weighted", "weighted-bias"):
        unlabelled = replace(one, target=np.full(12, -1))
        with pytest.raises(DataError, match=r"labelled files; held/0\.wav has no label"):
            fit_ensemble(rule, [unlabelled])
    fitted = fit_ensemble("weighted", [one, other])
    with pytest.raises(DataError, match="for 2 systems; 1 came"):
        fitted.apply([one])
    with pytest.raises(DataError, match="in this order"):
        fitted.apply([replace(one, classes=("x", "y", "z"))] * 2)


def test_what_one_system_knows_of_a_file_all_know() -> None:
    one, other, _ = three("held", 12)
    blind = replace(other, target=np.full(12, -1), recordings=())
    first, second = aligned({"blind": blind, "one": one})
    assert first.recordings == second.recordings == one.recordings
    np.testing.assert_array_equal(first.target, one.target)
