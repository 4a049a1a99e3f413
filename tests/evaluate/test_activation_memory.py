"""peak_bytes against a simulation that knows only what is alive when."""

from __future__ import annotations

import random

import pytest

from tinyscene.evaluate.activation_memory import Step, peak_bytes


def simulated(steps: list[Step], size: dict[str, int], kept: set[str]) -> int:
    """Step by step: make room for what is written, then free what nobody touches again."""
    alive, peak = {"in"}, size["in"]
    for i, step in enumerate(steps):
        later = {piece for other in steps[i + 1 :] for piece in (*other.reads, *other.writes)} | kept
        made = [piece for piece in step.writes if piece not in alive]
        alive |= set(step.writes)
        now = sum(size[piece] for piece in alive)
        dying = [size[piece] for piece in step.reads if piece not in later and piece not in step.writes]
        if step.elementwise and made and max(size[p] for p in made) <= max(dying, default=0):
            now -= max(size[p] for p in made)
        peak = max(peak, now)
        alive &= later
    return peak


@pytest.mark.parametrize("seed", range(40))
def test_peak_is_that_of_the_simulation(seed):
    rng = random.Random(seed)
    size, known, steps = {"in": rng.randint(1, 50)}, ["in"], []
    for i in range(rng.randint(1, 12)):
        reads = tuple({rng.choice(known[-4:]) for _ in range(rng.randint(1, 2))})
        size[f"t{i}"] = rng.choice([size[reads[0]], rng.randint(1, 50)])
        steps.append(Step(reads, (f"t{i}",), rng.random() < 0.5))
        known.append(f"t{i}")
    kept = {known[-1]}
    assert peak_bytes(steps, size, ["in"], kept) == simulated(steps, size, kept)


def test_writing_in_place_takes_no_room_only_where_nobody_reads_the_input_again():
    size = {"in": 10, "a": 10, "b": 10}
    relu = Step(("in",), ("a",), elementwise=True)
    assert peak_bytes([relu], size, ["in"], ["a"]) == 10
    assert peak_bytes([relu, Step(("in", "a"), ("b",))], size, ["in"], ["b"]) == 30
    assert peak_bytes([Step(("in",), ("a",))], size, ["in"], ["a"]) == 20
    assert peak_bytes([], {"in": 7}, ["in"], ["in"]) == 7
