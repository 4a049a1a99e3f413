"""Magnitude pruning: the schedule is TF-MOT's, shares are exact, what is pruned stays so, a killed run is the same."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tinyscene.batch import Batch
from tinyscene.compress import fold, prepared
from tinyscene.compress.masking import KeepZeros, prunable, smallest
from tinyscene.compress.prune import Prune, polynomial_sparsity
from tinyscene.errors import SettingError
from tinyscene.evaluate import count_complexity
from tinyscene.models import PhamCNN
from tinyscene.spec import Spec
from tinyscene.train import CosineWarmup, Decision, Fit, Job, Machine, SceneAndGroupLoss, load, loop, read_journal

EVEN = Spec(CosineWarmup, lr_min=0.02)


def stage(**settings: object) -> Prune:
    numbers: dict = {
        "epochs": 4,
        "batch_size": 8,
        "optimizer": Spec(torch.optim.Adam, lr=0.02),
        "schedule": EVEN.build(),
        "sparsity": 0.5,
        "every": 3,
        "select": "last",
        "pcgrad": False,
        "loss": Spec(SceneAndGroupLoss, reduction="mean"),
    }
    return Prune(**(numbers | settings))


# ---- the schedule ----


def test_the_schedule_by_hand():
    """From 0 to 0.5 in 8 steps, cubic: what is left of the way is (7/8)^3, (1/2)^3, (1/4)^3 of it."""
    at = [polynomial_sparsity(step, 10, 18, 0.0, 0.5, 3) for step in (0, 10, 11, 14, 16, 18, 30)]
    assert at == [0, 0, 0.5 - 0.5 * 343 / 512, 0.5 - 0.5 / 8, 0.5 - 0.5 / 64, 0.5, 0.5]


def tf_mot(step: int, begin: int, end: int, initial: float, final: float, power: float) -> float:
    """PolynomialDecay of tensorflow_model_optimization, as its documentation prints it."""
    p = min(1.0, max(0.0, (step - begin) / (end - begin)))
    return final + (initial - final) * (1 - p) ** power


@pytest.mark.parametrize(("initial", "final", "power"), [(0.0, 0.5, 3), (0.2, 0.9, 3), (0.5, 0.8, 1), (0.3, 0.3, 2)])
def test_the_schedule_is_that_of_tf_mot(initial, final, power):
    ours = [polynomial_sparsity(step, 7, 40, initial, final, power) for step in range(60)]
    assert ours == pytest.approx([tf_mot(step, 7, 40, initial, final, power) for step in range(60)], abs=1e-15)
    assert all(before <= after for before, after in pairwise(ours))


def test_one_choice_holds_until_the_next_and_the_last_is_at_the_end():
    """TF-MOT chooses where (step - begin) is a multiple of the frequency; ours also at the end, to reach the share."""
    pruning = stage(sparsity=0.8, initial_sparsity=0.1, begin=0.1, end=0.6, every=7)
    for step in range(101):
        chosen = 10 + (step - 10) // 7 * 7
        expected = 0 if step < 10 else 0.8 if step >= 60 else tf_mot(chosen, 10, 60, 0.1, 0.8, 3)
        assert pruning.sparsity_at(step, 100) == pytest.approx(expected, abs=1e-15)
    assert stage(begin=1.0, end=1.0).sparsity_at(99, 100) == 0
    assert stage(begin=1.0, end=1.0).sparsity_at(100, 100) == 0.5


# ---- the choice ----


def test_the_smallest_are_taken_and_ties_go_by_order():
    weights = {"a": torch.tensor([[0.5, -0.1], [0.1, 0.1]]), "b": torch.tensor([3.0, -2.0, 0.2, 4.0, 0.0])}
    layer = smallest(weights, 0.5, "layer")
    assert layer["a"].tolist() == [[False, True], [True, False]]
    assert layer["b"].tolist() == [False, True, True, False, True]  # 2.5 of five, half up
    together = smallest(weights, 0.5, "global")
    assert together["a"].tolist() == [[False, True], [True, True]]
    assert together["b"].tolist() == [False, False, True, False, True]


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_every_layer_keeps_its_largest_weight(scope):
    weights = {"small": torch.tensor([1e-6, -2e-6, 0.0]), "large": torch.linspace(1, 2, 200)}
    masks = smallest(weights, 0.99, scope)
    assert masks["small"].tolist() == [True, False, True]
    assert [int(mask.sum()) for mask in masks.values()] == [2, 198] if scope == "layer" else [2, 199]


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.5, 0.75, 0.9])
def test_shares_are_exact_where_all_weights_are_equal(scope, share):
    weights = {"a": torch.ones(7, 11), "b": -torch.ones(3, 5, 2, 1), "c": torch.ones(40)}
    masks = smallest(weights, share, scope)
    wanted = [np.floor(share * n + 0.5) for n in ((147,) if scope == "global" else (77, 30, 40))]
    got = [int(mask.sum()) for mask in masks.values()]
    assert (got if scope == "layer" else [sum(got)]) == wanted


def test_weights_of_convolutions_and_linear_layers_only():
    shared = nn.Linear(4, 4)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), shared, nn.LayerNorm(4), nn.LSTM(4, 4))
    network.append(nn.Linear(4, 4))
    network[-1].weight = shared.weight
    assert list(prunable(network)) == ["0.weight", "3.weight"]
    assert list(prunable(nn.Linear(2, 2))) == ["weight"]


# ---- Pham's network: the published size ----


def test_pham_at_a_half_is_the_published_size():
    """Table 3 prints 122.8 KB, half of Keras's 62,855 numbers, 4 bytes each: 122.76 KiB.

    Of them 1,445 are biases and batch norms (and 962 running statistics, which the counter leaves out): they are not
    pruned, which halves to 483 biases x 2 bytes more than half of everything.
    """
    network = PhamCNN().eval()
    weights = prunable(network)
    assert sum(weight.numel() for weight in weights.values()) == 60_448
    with torch.no_grad():
        for name, mask in smallest(weights, 0.5, "layer").items():
            weights[name].masked_fill_(mask, 0)
        for name, parameter in network.named_parameters():
            if name not in weights:
                parameter.add_(1e-3)  # norms begin with shifts of 0, which no training leaves
    counts = count_complexity(network, torch.zeros(1, 1, 128, 428), 10.0)
    published = 62_855 * 4 / 2
    assert published / 1024 == pytest.approx(122.8, abs=0.05)
    assert counts["parameters_nonzero"] == 30_224 + 1_445
    assert counts["bytes_nonzero"] == published + 2 * 483
    assert counts["bytes_nonzero"] / 1024 == pytest.approx(122.8, rel=0.008)
    assert counts["bytes"] == 61_893 * 4


# ---- training with it ----


class Clips:
    """What a Job's crops are to the loop: batches of maps that tell three classes apart."""

    def __init__(self, n: int = 48):
        generator = torch.Generator().manual_seed(0)
        self.target = torch.arange(n) % 3
        self.x = 0.3 * torch.randn(n, 1, 8, 8, generator=generator) + self.target[:, None, None, None] / 2

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, rows: list[int]) -> Batch:
        return Batch(x=self.x[rows], target=torch.eye(3)[self.target[rows]])


class FrontEndOfNothing(nn.Module):
    """Clips are features already."""

    def bands(self, x: Tensor) -> Tensor:
        return x

    def finish(self, x: Tensor) -> Tensor:
        return x


class Network(nn.Module):
    """Two convolutions with norms and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


@pytest.fixture(autouse=True)
def loader_in_order(monkeypatch):
    """The loop's own loader draws crops of a store; here batches come in their order."""
    monkeypatch.setattr(loop, "training_loader", lambda crops, n: DataLoader(crops, n, collate_fn=lambda batch: batch))


def job(resume: bool = False, validation: int = 0) -> Job:
    nothing = dict.fromkeys(("spectrum", "bands", "features", "hidden"), ())
    clips = Clips()
    return Job(
        front_end=FrontEndOfNothing(),  # type: ignore[arg-type]
        augment=nothing,
        crops=clips,  # type: ignore[arg-type]
        windows=None,  # type: ignore[arg-type]
        validation=np.arange(validation),
        decide=Decision(3),
        membership=None,
        example=clips.x[:2],
        seed=0,
        machine=Machine("cpu", "32-true"),
        resume=resume,
    )


def zeros(network: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach() == 0 for name, weight in prunable(network).items()}


class Watch(pl.Callback):
    """The zeros after each step, and a kill in the epoch `stop`."""

    def __init__(self, stop: int = -1):
        self.stop, self.zeros = stop, list[dict[str, Tensor]]()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.stop and batch_idx == 4:
            raise KeyboardInterrupt
        self.zeros.append(zeros(pl_module.network))


@pytest.mark.parametrize(("scope", "sparsity"), [("layer", 0.5), ("global", 0.8)])
def test_what_is_pruned_stays_pruned_and_the_share_is_exact(tmp_path, scope, sparsity):
    watch, network = Watch(), Network()
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    keys = list(network.state_dict())
    pruned = stage(sparsity=sparsity, scope=scope, end=0.75).run(network, job(), tmp_path, [watch])
    assert list(pruned.state_dict()) == keys == list(load(tmp_path / "weights.pt"))
    for earlier, later in pairwise(watch.zeros):
        assert all(bool((later[name] >= earlier[name]).all()) for name in later)
    sizes = [54, 432, 24]
    final = [int(mask.sum()) for mask in zeros(pruned).values()]
    if scope == "layer":
        assert final == [sparsity * n for n in sizes]
    else:
        assert sum(final) == sparsity * sum(sizes)
    for name, parameter in pruned.named_parameters():
        if name not in zeros(pruned):
            assert (parameter != 0).all(), f"{name} was pruned"
            assert not torch.equal(parameter, before[name])
    assert not pruned.training


def test_the_network_learns_on_under_its_masks(tmp_path):
    network = Network()
    pruned = stage(epochs=8, sparsity=0.7, initial_sparsity=0.7, end=0.0).run(network, job(), tmp_path)
    journal = read_journal(tmp_path / "journal.jsonl")
    assert journal[-1]["loss"] < 0.6 * journal[0]["loss"]
    assert {row["sparsity"] for row in journal} == {0.7}
    clips = Clips()
    assert (pruned(clips.x).argmax(1) == clips.target).float().mean() > 0.8


def test_a_run_that_was_killed_ends_with_the_same_masks_and_weights(tmp_path):
    whole = stage().run(Network(), job(), tmp_path / "whole")
    for epoch in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            stage().run(Network(), job(resume=epoch > 1), tmp_path / "cut", [Watch(stop=epoch)])
    assert not (tmp_path / "cut" / "weights.pt").exists()
    again = stage().run(Network(), job(resume=True), tmp_path / "cut")
    for (key, one), other in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), key
    one, other = (read_journal(tmp_path / run / "journal.jsonl") for run in ("whole", "cut"))
    assert [row["sparsity"] for row in one] == [row["sparsity"] for row in other]


def test_the_best_epoch_is_one_with_all_the_zeros(tmp_path, monkeypatch):
    """Validation that is best in the first epochs, when too few weights are pruned, and never so good again."""
    scores = iter((0.9, 0.8, 0.4, 0.7, 0.5))
    measured = lambda module: {"validation_accuracy": next(scores), "validation_log_loss": 1.0}  # noqa: E731
    monkeypatch.setattr("tinyscene.train.module.SceneModule.validated", measured)
    kept = []
    monkeypatch.setattr("tinyscene.train.keeper.save", lambda state, path: (kept.append(1), torch.save(state, path)))
    pruned = stage(epochs=5, select="best", end=0.5).run(Network(), job(validation=3), tmp_path)
    assert [int(mask.sum()) for mask in zeros(pruned).values()] == [27, 216, 12]
    assert len(kept) == 4  # epochs 0 and 1, of which too few zeros, 2 because it has them all, 3 as the best


def test_a_layer_that_begins_with_zeros_is_not_frozen(tmp_path):
    network = Network()
    nn.init.zeros_(network.head.weight)
    pruned = stage().run(network, job(), tmp_path)
    assert int((network.head.weight == 0).sum()) == 12
    assert pruned is network


def test_zeros_are_held_in_an_int8_graph_that_trains(tmp_path):
    network = stage().run(Network(), job(), tmp_path / "prune")
    graph = prepared(network, Clips().x[:2])
    pruned = {name: mask.flatten() for name, mask in zeros(fold(network)).items()}
    fine = Fit(2, 8, Spec(torch.optim.Adam, lr=0.01), EVEN.build(), validation_share=0.0, select="last", pcgrad=False)
    fine.run(graph, job(), tmp_path / "int8", [KeepZeros(graph)])
    weights = dict(graph.named_parameters())
    for name, mask in pruned.items():
        assert (weights[name].flatten()[mask] == 0).all()
        assert (weights[name].flatten()[~mask] != 0).all()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"sparsity": 1.0}, "prune.sparsity takes 0 up to below 1; 1.0 came."),
        ({"initial_sparsity": 0.6}, "prune.initial_sparsity takes 0 to 0.5; 0.6 came."),
        ({"begin": 0.6}, "prune.end takes 0.6 to 1; 0.5 came."),
        ({"every": 0}, "prune.every takes 1 or more; 0 came."),
        ({"power": 0}, "prune.power takes a number above 0; 0 came."),
        ({"scope": "net"}, "prune.scope takes 'layer' or 'global'; 'net' came."),
    ],
)
def test_bad_settings_name_the_field(setting, words):
    with pytest.raises(SettingError, match=f"^{re.escape(words)}$"):
        stage(**setting)


def test_it_belongs_to_compress_and_leaves_a_float_network():
    assert Prune.compresses
    assert isinstance(stage(), Fit)
    assert Path(stage().name) == Path("prune")
