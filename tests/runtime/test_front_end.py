"""The front end a model file describes is the one its parts make."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from tinyscene.errors import ModelError
from tinyscene.runtime import LogMel, StandardisedDeltas
from tinyscene.runtime.front_end import front_end


@pytest.fixture
def constants(card):
    return copy.deepcopy(card().frontend)


def test_front_end_is_its_two_steps(constants):
    sound = np.random.default_rng(0).standard_normal((2, 8_000)).astype(np.float32)
    spectral = {key: value for key, value in constants["spectral"].items() if key != "class"}
    expected = StandardisedDeltas(5, 1e-3)(LogMel(**spectral)(sound))
    assert np.array_equal(front_end(constants)(sound), expected)


def test_finishing_steps_come_in_their_order(constants):
    sound = np.random.default_rng(0).standard_normal((2, 8_000)).astype(np.float32)
    level = front_end(constants | {"finish": []})(sound)
    doubled, cut = {"class": "Doubled", "times": 2}, {"class": "Crop", "n_frames": 40, "start": 0}
    assert level.shape == (2, 1, 16, 63)
    assert np.array_equal(front_end(constants | {"finish": [doubled, cut]})(sound), level[..., :40])
    assert np.array_equal(front_end(constants | {"finish": [cut, doubled]})(sound), np.tile(level[..., :40], 2))


@pytest.mark.parametrize("step", ["spectral", "finish"])
@pytest.mark.parametrize("name", ["Cochlea", None, 3])
def test_unknown_step_is_told(constants, step, name):
    part = constants[step] if step == "spectral" else constants[step][0]
    part["class"] = name
    with pytest.raises(ModelError, match=f"the {step} step .* takes .*; {name!r} came.*upgrade tinyscene"):
        front_end(constants)


def test_missing_step_is_told(constants):
    del constants["spectral"]
    with pytest.raises(ModelError, match=r"the spectral step .* None came"):
        front_end(constants)


def test_number_this_version_does_not_know_is_told(constants):
    constants["spectral"]["warp"] = 2
    with pytest.raises(ModelError, match=r"the spectral step .* unexpected keyword argument 'warp'"):
        front_end(constants)


def test_other_kind_of_front_end_is_told():
    with pytest.raises(ModelError, match="takes the class FrontEnd; 'Ears' came"):
        front_end({"class": "Ears"})
