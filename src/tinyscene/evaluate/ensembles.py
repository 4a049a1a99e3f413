"""Several systems that decide together on the same files: rules, fitted where nothing is reported.

    mean           probabilities averaged
    weighted       sum over systems of w_n * p_n, w >= 0 of sum 1, fitted: least log loss
    weighted-bias  softmax(sum of w_n * ln p_n + k), w_n >= 0 a system, k a class, fitted: least log loss plus priors
    bayesian       softmax(mean of ln p_n + k), k a class: the variance of its scores over the files that were fitted on

Report 000, below table 3, says y = sum of w_n * y_n + k ("linear combination", "k" in the formula and "b" in the text)
of the "output score of each subsystem", and no more. Ours: that k has a number for each class (one for all could change
no answer), that scores are log probabilities, w >= 0, how both are fitted, and the rule without k. `bayesian` is in
none of the five reports: it is the "BEA" of the public DCASE 2024 task 1 repository SchilcherPatrick/DCASE24_Task1,
logits' mean over systems + (variance over the files of a batch, its mean over systems) / number of systems. Ours: ln p,
centred over classes, for logits, and held-out files for the batch, so that an answer hangs on no other test file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ..errors import DataError, unknown
from .predictions import Predictions
from .temperature import log_of

RULES = ("mean", "weighted", "weighted-bias", "bayesian")
LOGARITHMIC = ("weighted-bias", "bayesian")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """A rule ready for use.

    classes     names in the order of `bias` and of the predictions it takes
    weights     one a system, in the order of fitting
    bias        one a class, in nats; zeros for the rules without
    files, recordings
                what was fitted on, sorted: `apply` refuses them

    Raises DataError for anything else.
    """

    rule: str
    classes: tuple[str, ...]
    weights: tuple[float, ...]
    bias: tuple[float, ...]
    files: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_rule(self.rule)
        if not self.weights or len(self.bias) != len(self.classes):
            raise DataError(
                f"Ensemble takes a weight for each system and a bias for each of {len(self.classes)} classes; "
                f"{len(self.weights)} and {len(self.bias)} came."
            )
        if not np.isfinite((*self.weights, *self.bias)).all() or min(self.weights) < 0:
            raise DataError(f"Ensemble takes weights >= 0 and finite biases; {self.weights} and {self.bias} came.")

    def apply(self, systems: Sequence[Predictions]) -> Predictions:
        """What they say together: the first one's files in its order, rows that sum to 1.

        Raises:
            DataError: another number of systems or other classes than fitted, systems on different files, or a file or
                recording that was fitted on.
        """
        if len(systems) != len(self.weights):
            raise DataError(f"this ensemble was fitted for {len(self.weights)} systems; {len(systems)} came.")
        matched = aligned({f"system {i}": one for i, one in enumerate(systems, 1)})
        first = matched[0]
        if first.classes != self.classes:
            raise DataError(
                f"this ensemble was fitted for the classes {', '.join(self.classes)}, in this order; "
                f"{', '.join(first.classes)} came."
            )
        for kind, seen, came in (("file", self.files, first.files), ("recording", self.recordings, first.recordings)):
            both = sorted(set(seen) & set(came))
            if both:
                raise DataError(
                    f"this ensemble was fitted on {len(both):,} {kind}{'s' * (len(both) > 1)} it is applied to, first "
                    f"{both[0]}: its figures would be too good. Fit it on other recordings."
                )
        weights = np.asarray(self.weights)
        if self.rule in LOGARITHMIC:
            together = softmax(_log_scores(matched) @ weights + np.asarray(self.bias), axis=1)
        else:
            together = np.exp(_log_p(matched)) @ (weights / weights.sum())
        return replace(first, probabilities=together)

    def to_json(self) -> str:
        """One line, floats in full: `from_json` gives back an equal ensemble."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Ensemble:
        """Reads what `to_json` wrote.

        Raises:
            DataError: anything else.
        """
        try:
            facts = json.loads(text)
            return cls(facts.pop("rule"), **{key: tuple(value) for key, value in facts.items()})
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise DataError(f"this is no ensemble as `Ensemble.to_json` writes it: {error}.") from None


def fit_ensemble(rule: str, held_out: Sequence[Predictions]) -> Ensemble:
    """A rule's numbers from predictions of files that nothing will be reported on; `mean` takes only classes from them.

    held_out  one a system, on the same files (matched by name); labelled for the rules with weights

    Raises:
        SettingError: an unknown rule.
        DataError: systems on different files or with other classes, files without label, too few files.
    """
    _check_rule(rule)
    matched = aligned({f"system {i}": one for i, one in enumerate(held_out, 1)})
    first, n_systems = matched[0], len(matched)
    weights, bias = np.full(n_systems, 1 / n_systems), np.zeros(len(first.classes))
    if rule == "mean":
        return Ensemble(rule, first.classes, tuple(weights.tolist()), tuple(bias.tolist()))
    if len(first) < 2:
        raise DataError(f"the rule '{rule}' is fitted on 2 files or more; {len(first)} came.")
    if rule == "bayesian":
        bias = _log_scores(matched).var(axis=0, ddof=1).mean(axis=1) / n_systems
    else:
        if first.target.min() < 0:
            row = int(first.target.argmin())
            raise DataError(f"the rule '{rule}' is fitted on labelled files; {first.files[row]} has no label.")
        if rule == "weighted":
            weights = _simplex_weights(np.exp(_log_p(matched)[np.arange(len(first)), first.target]))
        else:
            weights, bias = _weights_and_bias(_log_scores(matched), first.target)
    return Ensemble(
        rule,
        first.classes,
        tuple(weights.tolist()),
        tuple(bias.tolist()),
        tuple(sorted(set(first.files))),
        tuple(sorted(set(first.recordings) - {""})),
    )


def aligned(systems: Mapping[str, Predictions]) -> list[Predictions]:
    """The same files in the same order, the first one's, matched by name; what one knows of a file, all know.

    Raises:
        DataError: no system, files without name or named twice, different files, class orders or labels.
    """
    if not systems:
        raise DataError("predictions of one system or more are needed; none came.")
    (first_name, first), *others = systems.items()
    columns = {key: list(getattr(first, key)) for key in ("devices", "cities", "recordings")}
    target, orders = first.target.copy(), [np.arange(len(first))]
    row_of = _rows_by_file(first_name, first)
    for name, one in others:
        if one.classes != first.classes:
            raise DataError(
                f"{name} has the classes {', '.join(one.classes)}, {first_name} has {', '.join(first.classes)}: "
                "systems are put together only with the same classes in the same order."
            )
        own = _rows_by_file(name, one)
        if own.keys() != row_of.keys():
            extra, missing = sorted(own.keys() - row_of.keys()), sorted(row_of.keys() - own.keys())
            told = [
                f"{len(files):,} only in {whose}, first {files[0]}"
                for files, whose in ((missing, first_name), (extra, name))
                if files
            ]
            raise DataError(f"{first_name} and {name} are of different files: {'; '.join(told)}.")
        order = np.array([own[file] for file in first.files], dtype=np.int64)
        orders.append(order)
        labels = one.target[order]
        wrong = np.flatnonzero((labels != target) & (labels >= 0) & (target >= 0))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"{first_name} and {name} have different labels for {len(wrong):,} files, first {first.files[row]}: "
                f"{first.classes[target[row]]} and {first.classes[labels[row]]}."
            )
        target = np.where(target >= 0, target, labels)
        for key, known in columns.items():
            values = getattr(one, key)
            columns[key] = [old or values[row] for old, row in zip(known, order.tolist(), strict=True)]
    return [
        Predictions(first.classes, one.probabilities[order], target, first.files, **columns)
        for one, order in zip(systems.values(), orders, strict=True)
    ]


def _rows_by_file(name: str, one: Predictions) -> dict[str, int]:
    if not len(one):
        raise DataError(f"{name} holds predictions of no file.")
    rows = {file: row for row, file in enumerate(one.files)}
    if "" in rows:
        raise DataError(f"{name} has no file name in row {rows['']}; systems are matched by file name.")
    if len(rows) < len(one):
        twice = next(file for row, file in enumerate(one.files) if rows[file] != row)
        raise DataError(f"{name} has the file {twice} more than once; systems are matched by file name.")
    return rows


def _check_rule(rule: str) -> None:
    if rule not in RULES:
        raise unknown("an ensemble", "rule", rule, RULES)


def _log_p(systems: Sequence[Predictions]) -> Floats:
    """(n, class, system) ln p"""
    return np.stack([log_of(one.probabilities) for one in systems], axis=2)


def _log_scores(systems: Sequence[Predictions]) -> Floats:
    """(n, class, system) ln p of mean 0 over classes: logits, which training leaves near this mean, but for a constant
    that the softmax does not see and a variance over files would."""
    scores = _log_p(systems)
    return scores - scores.mean(axis=1, keepdims=True)


def _simplex_weights(of_target: Floats) -> Floats:
    """w >= 0 of sum 1 that makes mean(-ln(of_target @ w)) least; of_target (n, system). Convex."""
    n, n_systems = of_target.shape

    def loss(w: Floats) -> tuple[float, Floats]:
        mixed = of_target @ w
        return -float(np.log(mixed).mean()), -(of_target / mixed[:, None]).sum(axis=0) / n

    weights = np.full(n_systems, 1 / n_systems)
    found = minimize(
        loss,
        weights,
        jac=True,
        method="SLSQP",
        bounds=[(1e-12, 1.0)] * n_systems,  # the logarithm stays finite
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    best = np.where(found.x > 1e-9, found.x, 0.0)
    return best / best.sum()


def _weights_and_bias(scores: Floats, target: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Multinomial logistic regression with one weight a system, >= 0, and one bias a class, of sum 0. Convex.

    Normal priors of variance 1 about weights of 1 / systems and a bias of 0: held-out files that are all told right, or
    lack a class, leave the numbers finite, and with nothing to learn from the rule is the geometric mean.
    """
    n, n_classes, n_systems = scores.shape
    start = np.concatenate([np.full(n_systems, 1 / n_systems), np.zeros(n_classes)])
    truth = np.eye(n_classes)[target]

    def loss(x: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(scores @ x[:n_systems] + x[n_systems:], axis=1)
        off = np.exp(log_p) - truth
        gradient = np.concatenate([np.tensordot(off, scores, 2), off.sum(axis=0)])
        prior = x - start
        return (float(-(log_p * truth).sum() + prior @ prior / 2)) / n, (gradient + prior) / n

    bounds = [(0, None)] * n_systems + [(None, None)] * n_classes
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000}
    )
    return found.x[:n_systems], found.x[n_systems:]
