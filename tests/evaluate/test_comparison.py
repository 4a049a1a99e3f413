"""Comparison: scipy's permutation test, McNemar's exact test, closed forms, and names that are shown as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tinyscene.errors import DataError, SettingError
from tinyscene.evaluate.comparison import as_latex, as_markdown, as_text, compare
from tinyscene.evaluate.metrics import measure
from tinyscene.evaluate.predictions import Predictions

CLASSES = ("bus", "park", "tram")


def system(seed: int, n: int = 60, per_recording: int = 6, noise: float = 1.5) -> Predictions:
    """A system that sees the same labels as the others through noise of its own."""
    target = np.random.default_rng(7).integers(0, 3, n)
    logits = 2 * np.eye(3)[target] + np.random.default_rng(seed).normal(0, noise, (n, 3))
    odds = np.exp(logits)
    files = [f"{i}.wav" for i in range(n)]
    recordings = [f"r{i // per_recording}" for i in range(n)] if per_recording else ()
    return Predictions(CLASSES, odds / odds.sum(1, keepdims=True), target, files, recordings=recordings)


def answers(right: ArrayLike, recordings: Sequence[str] = ()) -> Predictions:
    """A system that says the one class of two that is right with 0.8, or the other one."""
    hit = np.asarray(right, dtype=bool)
    probabilities = np.where(hit[:, None], [0.8, 0.2], [0.2, 0.8])
    files = [f"{i}.wav" for i in range(len(hit))]
    return Predictions(("a", "b"), probabilities, np.zeros(len(hit), int), files, recordings=recordings)


def losses(one: Predictions) -> NDArray[np.float64]:
    return -np.log(one.probabilities[np.arange(len(one)), one.target])


def by_recording(one: Predictions, values: NDArray[Any]) -> NDArray[np.float64]:
    names = sorted(set(one.recordings))
    return np.array([values[np.asarray(one.recordings) == name].sum() for name in names], dtype=np.float64)


def p_values(first: Predictions, second: Predictions, **more: Any) -> dict[str, float]:
    return compare({"x": first, "y": second}, n_bootstrap=10, **more)["pairs"][0]["p_value"]


def test_figures_are_those_of_measure() -> None:
    one, other = system(1), system(2)
    found = compare({"x": one, "y": other}, n_bootstrap=10)
    for name, predictions in (("x", one), ("y", other)):
        figures = measure(predictions, n_bootstrap=1)
        for key in ("accuracy", "macro_accuracy", "log_loss"):
            assert found["systems"][name][key] == pytest.approx(figures[key], abs=1e-12)
    difference = found["pairs"][0]["difference"]
    assert difference["log_loss"] == pytest.approx(losses(one).mean() - losses(other).mean())
    assert (found["n"], found["unit"], found["n_units"], found["exact"]) == (60, "recording", 10, True)
    assert json.loads(json.dumps(found)) == found


def test_exact_p_values_are_scipys() -> None:
    """Of paired samples of one value a recording, scipy's own exact two-sided permutation test."""
    one, other = system(1), system(2)
    for figure, values in (("accuracy", lambda x: x.predicted == x.target), ("log_loss", losses)):
        pair = tuple(by_recording(x, values(x)) for x in (one, other))
        known = stats.permutation_test(
            pair, lambda x, y, axis: (x - y).sum(axis), permutation_type="samples", vectorized=True, n_resamples=2**10
        )
        assert p_values(one, other)[figure] == pytest.approx(known.pvalue, abs=1e-12), figure


def test_macro_p_value_by_swapping_every_way() -> None:
    one, other = system(3, 24), system(4, 24)
    found = p_values(one, other)["macro_accuracy"]
    names = sorted(set(one.recordings))
    differences = []
    for ways in product((False, True), repeat=len(names)):
        swap = np.isin(one.recordings, [name for name, way in zip(names, ways, strict=True) if way])[:, None]
        x = replace(one, probabilities=np.where(swap, other.probabilities, one.probabilities))
        y = replace(one, probabilities=np.where(swap, one.probabilities, other.probabilities))
        macro = [measure(each, n_bootstrap=1)["macro_accuracy"] for each in (x, y)]
        differences.append(abs(macro[0] - macro[1]))
    assert found == pytest.approx(np.mean(np.array(differences) >= differences[0] - 1e-12))


def test_single_files_give_mcnemars_exact_test() -> None:
    """Where each file stands alone only those count that one alone has right: a sign test."""
    one, other = answers([1] * 9 + [0] * 2 + [1]), answers([1] * 2 + [0] * 7 + [1] * 2 + [1])
    found = compare({"x": one, "y": other})
    assert (found["unit"], found["n_units"]) == ("file", 12)
    known = stats.binomtest(2, 9).pvalue
    assert found["pairs"][0]["p_value"] == pytest.approx(
        {"accuracy": known, "macro_accuracy": known, "log_loss": known}
    )


def test_files_of_one_recording_count_once() -> None:
    """Ten files of one recording are one witness: only the two ways of one swap, which are alike far from 0."""
    right, wrong = [1] * 10, [0] * 10
    alone = compare({"x": answers(right, ["r"] * 10), "y": answers(wrong, ["r"] * 10)})
    assert alone["pairs"][0]["p_value"]["accuracy"] == 1
    assert alone["pairs"][0]["confidence_interval"]["accuracy"] is None
    assert p_values(answers(right), answers(wrong))["accuracy"] == 2 / 2**10


def test_equal_systems_do_not_differ() -> None:
    one = system(1)
    (pair,) = compare({"x": one, "y": replace(one)}, n_bootstrap=50)["pairs"]
    assert set(pair["p_value"].values()) == {1.0}
    assert pair["confidence_interval"]["accuracy"] == [0, 0]


def test_drawn_p_values_are_near_the_exact_ones() -> None:
    one, other = system(1, 84, 6), system(5, 84, 6, noise=2.5)
    exact, drawn = (p_values(one, other, n_permutations=n) for n in (2**14, 2**14 - 1))
    assert exact != drawn
    for figure, value in exact.items():
        assert drawn[figure] == pytest.approx(value, abs=4 * np.sqrt(value * (1 - value) / 2**14) + 1e-4)


def test_drawn_p_values_are_never_0_and_hang_on_the_seed() -> None:
    many, none = answers([1] * 80), answers([0] * 80)
    assert p_values(many, none, n_permutations=99)["accuracy"] == 1 / 100
    one, other = system(1, 90, 1), system(2, 90, 1)
    assert p_values(one, other, seed=1) == p_values(one, other, seed=1)
    assert p_values(one, other, seed=1) != p_values(one, other, seed=2)


def test_intervals_are_those_of_the_binomial() -> None:
    """Of files that stand alone the bootstrap of a mean is binomial; of k files a recording, of recordings."""
    n, right = 200, 130
    one, other = answers([1] * right + [0] * (n - right)), answers([1] * n)
    found = compare({"x": one, "y": other}, n_bootstrap=20_000)
    known = np.array(stats.binom(n, right / n).ppf([0.025, 0.975])) / n
    np.testing.assert_allclose(found["systems"]["x"]["confidence_interval"]["accuracy"], known, atol=0.006)
    np.testing.assert_allclose(found["pairs"][0]["confidence_interval"]["accuracy"], known - 1, atol=0.006)
    names = [f"r{i // 10}" for i in range(n)]
    wide = compare({"x": answers([1] * right + [0] * (n - right), names), "y": other}, n_bootstrap=20_000)
    known = np.array(stats.binom(20, right / n).ppf([0.025, 0.975])) / 20
    np.testing.assert_allclose(wide["systems"]["x"]["confidence_interval"]["accuracy"], known, atol=0.006)


def test_the_difference_of_pairs_is_narrower_than_of_strangers() -> None:
    """The same recordings are drawn for all systems: what is hard for all does not blur who is better."""
    hard = np.random.default_rng(0).random(300) < 0.5
    one, other = answers(hard), answers(hard & (np.arange(300) % 10 > 0))
    low, high = compare({"x": one, "y": other})["pairs"][0]["confidence_interval"]["accuracy"]
    assert high - low < 0.08  # of independent draws: 2 * 1.96 * sqrt(2 * 0.25 / 300) = 0.16
    assert low > 0


def test_order_of_files_says_nothing_and_recordings_may_be_known_to_one_alone() -> None:
    one, other = system(1), system(2)
    order = np.random.default_rng(0).permutation(len(other))
    shuffled = Predictions(
        CLASSES, other.probabilities[order], other.target[order], [str(other.files[i]) for i in order]
    )
    assert compare({"x": one, "y": shuffled}) == compare({"x": one, "y": other})


def test_each_two_of_several() -> None:
    found = compare({"x": system(1), "y": system(2), "z": system(3)}, n_bootstrap=10)
    assert [(pair["first"], pair["second"]) for pair in found["pairs"]] == [("x", "y"), ("x", "z"), ("y", "z")]
    alone = compare({"x": system(1), "z": system(3)}, n_bootstrap=10)
    assert found["pairs"][1]["p_value"] == alone["pairs"][0]["p_value"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (system(2, 59), r"x and y are of different files: 1 only in x, first 59\.wav"),
        (replace(system(2), classes=("bus", "tram", "park")), r"y has the classes bus, tram, park, x has"),
        (replace(system(2), target=(system(2).target + 1) % 3), r"different labels for 60 files, first 0\.wav"),
        (replace(system(2), files=["0.wav"] * 60), r"y has the file 0\.wav more than once"),
    ],
)
def test_what_cannot_be_set_side_by_side_is_refused(other: Predictions, told: str) -> None:
    with pytest.raises(DataError, match=told):
        compare({"x": system(1), "y": other})


def test_one_system_no_labels_and_bad_numbers_are_refused() -> None:
    one = system(1)
    with pytest.raises(DataError, match="takes two systems or more; 1 came"):
        compare({"x": one})
    unknown = replace(one, target=np.full(60, -1))
    with pytest.raises(DataError, match=r"takes labelled files; 0\.wav has no label"):
        compare({"x": unknown, "y": unknown})
    assert compare({"x": unknown, "y": one}, n_bootstrap=1)["n"] == 60  # what one knows, all know
    for wrong in ({"seed": -1}, {"n_bootstrap": 0}, {"n_permutations": 0}):
        with pytest.raises(SettingError, match=f"compare.{next(iter(wrong))} takes"):
            compare({"x": one, "y": system(2)}, **wrong)  # type: ignore[arg-type]


HOSTILE = "a|b_c*\\|`<x>\n&50%#$^~{[1]} --9"


def tables(name: str) -> dict[str, Any]:
    return compare({name: system(1), "[*] plain": system(2)}, n_bootstrap=10)


def test_markdown_shows_names_as_they_are() -> None:
    html = MarkdownIt("commonmark").enable("table").render(as_markdown(tables(HOSTILE)))
    assert html.count("<table>") == 2
    assert html.count("<td") == 2 * 7 + 10
    shown = HOSTILE.replace("\n", "\\n").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<td>{shown}</td>" in html
    assert f"<td>{shown} - [*] plain</td>" in html


def test_latex_shows_names_as_they_are() -> None:
    written = as_latex(tables(HOSTILE))
    name = (
        r"a\textbar{}b\_c{*}\textbackslash{}\textbar{}\`{}\textless{}x\textgreater{}\textbackslash{}n\&50\%\#\$"
        r"\textasciicircum{}\textasciitilde{}\{{[}1]\} -{}-9"
    )
    lines = written.splitlines()
    assert lines[4].startswith(f"{name} & ")
    assert written.count(r"\begin{tabular}") == written.count(r"\end{tabular}") == 2
    for line in lines:
        assert not line.startswith(("[", "*")), "after a row's end LaTeX takes it for that command's"
        if line.endswith(r"\\"):
            assert line.count(" & ") in (6, 9)
    assert "$-$" in written  # figures below 0 have a minus, not a hyphen


def test_text_has_a_line_a_system_and_says_how() -> None:
    written = as_text(tables("bad\nname\x1b[31m"))
    assert "\x1b" not in written
    assert written.splitlines()[1].startswith(r"bad\nname\x1b[31m  ")
    assert "60 files, 10 recordings. 95 %: 10 bootstrap resamples by recording" in written
    assert "(all 1,024 ways), not corrected" in written


def test_a_percent_is_a_hundredth() -> None:
    comparison = compare({"x": answers([1] * 3 + [0]), "y": answers([1] * 4)}, n_bootstrap=10)
    rows = [line.split() for line in as_text(comparison).splitlines()]
    assert rows[1][:2] == ["x", "75.0"]
    assert rows[5][:4] == ["x", "-", "y", "-25.0"]
    assert f"{-np.log(0.8) * 0.75 - np.log(0.2) * 0.25:.3f}" in rows[1]
