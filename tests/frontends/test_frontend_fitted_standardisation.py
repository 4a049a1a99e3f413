"""FittedStandardisation: numpy's mean and deviation of all frames, after which the training set has 0 and 1."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from tinyscene.batch import Batch
from tinyscene.errors import DataError, SettingError
from tinyscene.frontends import FittedStandardisation
from tinyscene.runtime.fitted_standardisation import FittedStandardisation as Twin
from tinyscene.spec import Spec

SCALES = torch.logspace(-2, 1, 6)[:, None]


def batches(offset: float = -8.0) -> list[Batch]:
    """Clips of two channels and six bands, in batches of other sizes and other numbers of frames."""
    made = []
    for i, (n_clips, n_frames) in enumerate([(4, 20), (1, 9), (7, 33)]):
        noise = torch.randn(n_clips, 2, 6, n_frames, generator=torch.Generator().manual_seed(i))
        x = (offset + i + noise * SCALES).float()
        made.append(Batch(x=x, target=torch.ones(n_clips, 1)))
    return made


def frames(given: list[Batch]) -> np.ndarray:
    """(frame of any clip, channel x band) float64."""
    return np.concatenate([batch.x.double().permute(0, 3, 1, 2).reshape(-1, 12).numpy() for batch in given])


@pytest.mark.parametrize("offset", [-8.0, 1000.0])
def test_it_learns_the_mean_and_deviation_of_all_frames_together(offset):
    numbers, together = FittedStandardisation().fit(iter(batches(offset))), frames(batches(offset))
    np.testing.assert_allclose(np.ravel(numbers["mean"]), together.mean(0), rtol=1e-6)
    np.testing.assert_allclose(np.ravel(numbers["deviation"]), together.std(0), rtol=1e-6)


def test_the_training_set_ends_at_mean_0_and_deviation_1():
    """By way of JSON and of the Spec, as a run does it."""
    numbers = json.loads(json.dumps(FittedStandardisation().fit(batches())))
    spec = Spec(FittedStandardisation).but(**numbers)
    done = frames([Batch(x=spec.build()(batch.x), target=batch.target) for batch in batches()])
    np.testing.assert_allclose(done.mean(0), 0, atol=2e-5)
    np.testing.assert_allclose(done.std(0), 1, atol=2e-5)


def test_a_second_fit_learns_0_and_1():
    step = FittedStandardisation(**FittedStandardisation().fit(batches()))
    again = step.fit([Batch(x=step(batch.x), target=batch.target) for batch in batches()])
    np.testing.assert_allclose(again["mean"], 0, atol=2e-5)
    np.testing.assert_allclose(again["deviation"], 1, atol=2e-5)


def test_how_clips_are_batched_does_not_matter():
    whole = batches()[2]
    parts = [Batch(x=whole.x[rows], target=whole.target[rows]) for rows in (slice(0, 1), slice(1, 6), slice(6, None))]
    assert FittedStandardisation().fit(parts) == FittedStandardisation().fit([whole])


def test_numbers_have_seven_digits():
    numbers = FittedStandardisation().fit(batches())
    for value in np.ravel([numbers["mean"], numbers["deviation"]]):
        assert float(f"{value:.7g}") == value


def test_a_band_that_is_always_the_same_is_divided_by_a_thousandth():
    x = batches()[0].x.clone()
    x[:, :, 0] = -10
    numbers = FittedStandardisation().fit([Batch(x=x, target=torch.ones(4, 1))])
    assert [row[0] for row in numbers["deviation"]] == [1e-3, 1e-3]
    made = FittedStandardisation(**numbers)(x)
    assert torch.equal(made[:, :, 0], torch.zeros_like(made[:, :, 0]))


def test_closed_form():
    step = FittedStandardisation(mean=((1.0, 2.0),), deviation=((0.5, 4.0),))
    made = step(torch.tensor([[[[2.0, 1.0], [2.0, 10.0]]]]))
    assert made.tolist() == [[[[2.0, 0.0], [0.0, 2.0]]]]


def test_features_pass_unchanged_until_it_is_fitted():
    x = batches()[0].x
    assert torch.equal(FittedStandardisation()(x), x)
    assert np.array_equal(Twin()(x.numpy()), x.numpy())


@pytest.mark.parametrize("part", [FittedStandardisation, Twin])
@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"mean": ((0.0,),)}, "FittedStandardisation.deviation takes rows of finite numbers, "),
        ({"deviation": ((1.0,),)}, "FittedStandardisation.mean takes rows of finite numbers, "),
        ({"mean": (0.0,), "deviation": (1.0,)}, "FittedStandardisation.mean takes rows of finite numbers, "),
        ({"mean": ((0.0,), (0.0, 1.0)), "deviation": ((1.0,),)}, "FittedStandardisation.mean takes rows of finite "),
        ({"mean": ((), ()), "deviation": ((), ())}, "FittedStandardisation.mean takes rows of finite numbers, "),
        ({"mean": ((float("nan"),),), "deviation": ((1.0,),)}, "FittedStandardisation.mean takes rows of finite "),
        ({"mean": (("a",),), "deviation": ((1.0,),)}, "FittedStandardisation.mean takes rows of finite numbers, "),
        (
            {"mean": ((0.0, 1.0),), "deviation": ((1.0,),)},
            "FittedStandardisation.deviation takes as many numbers (channel, band) as mean has, (1, 2); (1, 1) came.",
        ),
        (
            {"mean": ((0.0, 1.0),), "deviation": ((1.0, 0.0),)},
            "FittedStandardisation.deviation takes numbers above 0; 0 came among them.",
        ),
    ],
)
def test_numbers_that_do_not_fit_are_told_by_their_name(part, numbers, text):
    with pytest.raises(SettingError) as caught:
        part(**numbers)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("shape", [(1, 1, 3, 9), (1, 3, 2, 9), (1, 2, 2, 9)])
def test_maps_it_was_not_fitted_to_are_told(shape):
    numbers = {"mean": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), "deviation": ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))}
    came = f"was fitted to maps of (channel, band) (2, 3); {shape[1:3]} came."
    with pytest.raises(SettingError, match=re.escape(came)):
        FittedStandardisation(**numbers)(torch.zeros(shape))
    with pytest.raises(SettingError, match=re.escape(came)):
        Twin(**numbers)(np.zeros(shape, np.float32))


def test_batches_that_cannot_be_learnt_from_are_told():
    with pytest.raises(DataError, match=r"FittedStandardisation\.fit takes one frame or more; none came"):
        FittedStandardisation().fit([])
    other = Batch(x=torch.zeros(1, 2, 5, 4), target=torch.ones(1, 1))
    with pytest.raises(SettingError, match=r"FittedStandardisation\.fit takes maps of one .*\(2, 6\).*\(2, 5\) came"):
        FittedStandardisation().fit([*batches(), other])
