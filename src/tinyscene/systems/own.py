"""TinyVGG: tinyscene's own system, for sounds of one's own; made on ESC-10, from nothing else.

All numbers are ours: "nested" beside one says that it was chosen by nested cross-validation, see
benchmarks/esc10_choice.md, "probe" by trials on fold 1, on other code, before. docs/esc10.md holds the evidence.
"""

from torch.optim import AdamW

from ..augment import BandGains, RandomResponse
from ..compress import Int8
from ..frontends import FittedStandardisation, FrontEnd, LogMel
from ..models import TinyVGG
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss

FLOOR = 1e-7  # the level is kept: what is softer than this is silence

TINY_VGG = System(
    name="tiny-vgg",
    report=Report(
        title="A plain convolutional network that keeps the level",
        authors="the tinyscene developers",
        year=2026,
        challenge="no challenge",
    ),
    task=Task(
        classes=(
            "baby_cry",
            "chainsaw",
            "clock_tick",
            "dog_bark",
            "fire_crackling",
            "helicopter",
            "person_sneeze",
            "rain",
            "rooster",
            "sea_waves",
        ),
        sample_rate_hz=44_100,
        window_s=1.5,
    ),
    frontend=Spec(
        FrontEnd,
        spectral=Spec(
            LogMel,
            sample_rate_hz=44_100,
            n_fft=2_048,
            win_length=2_048,
            hop_length=882,  # 20 ms
            n_mels=128,
            f_min=40.0,
            f_max=16_000.0,
            mel_scale="slaney",
            mel_norm="slaney",
            log="log10",
            floor=FLOOR,
        ),
        finish=(Spec(FittedStandardisation),),  # not a window by itself: level and spectrum tell rain from fire (probe)
    ),
    model=Spec(
        TinyVGG,
        n_classes=10,
        in_channels=1,
        n_bands=128,
        widths=(24, 40, 64, 64, 72),  # nested
        dropout=0.2,
    ),
    augment=Augment(
        spectrum=(Spec(RandomResponse, depth_db=8.0, octaves=1.0, f_min=40.0, p=0.6),),  # nested; p as --robust has it
        bands=(Spec(BandGains, gain_db=10.0, curve_db=0.0, nodes=5, log="log10", floor=FLOOR, p=1.0),),  # probe
    ),
    recipe=(
        Spec(
            Fit,
            name="fit",
            epochs=40,  # nested
            batch_size=32,
            optimizer=Spec(AdamW, lr=3e-3, weight_decay=0.05),  # probe
            schedule=Spec(CosineWarmup, warmup_epochs=2, warmup_lr=0.0, lr_min=0.0),
            validation_share=0.0,  # nothing is chosen by it: all clips train
            select="last",
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean"),
        ),
        Spec(
            Int8,
            name="int8",
            epochs=5,
            batch_size=32,
            optimizer=Spec(AdamW, lr=1e-4, weight_decay=0.0),
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-6),
            validation_share=0.0,
            select="last",
            pcgrad=False,
            loss=Spec(SceneAndGroupLoss, reduction="mean"),
        ),
    ),
    inference=Inference(average="probabilities", quiet_db=30.0),  # probe
    claims={
        "parameters": Claim("none", 112_858, "ours"),
        "macs": Claim("none", 42_186_202, "ours: a window of 1.5 s; 28.12 M a second"),
    },
    notes=(
        "One window after the other: overlap costs MACs and gave nothing (probe).",
        "Cosine without early stopping: the weights are those of the last epoch.",
    ),
)

TINY_VGG_WHOLE = TINY_VGG.but(
    name="tiny-vgg-whole",
    whole=True,
    notes=(
        *TINY_VGG.notes,
        "All labelled clips train: the recipe is tiny-vgg's, and its figures are the ones to quote.",
    ),
)
