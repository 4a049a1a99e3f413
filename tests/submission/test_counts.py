"""Counts in 16 bits, of several networks, and in the number types of a year."""

from __future__ import annotations

import pytest
import torch

from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.submission import EDITIONS
from tinyscene.submission.counts import halved, is_taken, largest, other_types


def network(channels):
    return torch.nn.Sequential(torch.nn.Conv2d(1, channels, 3), torch.nn.BatchNorm2d(channels)).eval()


def counts(channels, half=False):
    return count_complexity(network(channels), torch.zeros(1, 1, 8, 8), 1.0, half=half)


def test_halved_is_what_is_counted_of_the_network_in_16_bits():
    keys = ("parameters", "bytes", "bytes_nonzero", "bytes_nonzero_2020", "bytes_by_type", "macs")
    wanted = counts(4, half=True)
    assert {key: halved(counts(4))[key] for key in keys} == {key: wanted[key] for key in keys}
    with pytest.raises(SettingError, match=r"stored as float16\. Leave --half out"):
        halved(wanted)


def test_largest_takes_each_count_by_itself():
    small, large = counts(4), counts(8)
    slow = small | {"macs": 10**6}
    found = largest([small, large, slow])
    assert (found["bytes"], found["macs"]) == (large["bytes"], 10**6)
    assert found["bytes_by_type"] == large["bytes_by_type"]


def test_number_types_of_2022():
    for form, good in (
        ({"float32": 400}, False),
        ({"float16": 400}, False),
        ({"int8": 300, "float32": 100}, True),
        ({"int8": 200, "float32": 200}, False),
        ({"int8": 360, "int32": 40}, True),
    ):
        own = {"bytes": 400, "bytes_by_type": form}
        assert is_taken(own, EDITIONS["2022"]) is good
        assert is_taken(own, EDITIONS["2023"])
        assert other_types(own, EDITIONS["2023"]) == {}
        assert set(other_types(own, EDITIONS["2022"])) == {key for key in form if key.startswith("float")}
