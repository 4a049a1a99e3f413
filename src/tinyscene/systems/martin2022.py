"""The organisers' baseline of DCASE 2022 and 2023: what every report of those years compares itself with.

Network and sizes of the front end are the organisers' (marmoi/dcase2022_task1_baseline). "ours" stands beside the rest:
the task page says nothing of it, and no figure of theirs is claimed to be reached with it.
"""

from torch.optim import Adam

from ..compress import Int8
from ..data import TAU_CLASSES
from ..frontends import FrontEnd, LogMel
from ..models import Dcase2022Baseline
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss

DCASE2022_BASELINE = System(
    name="dcase2022-baseline",
    report=Report(
        title="Low-complexity acoustic scene classification in DCASE 2022 Challenge",
        authors="Irene Martin-Morato, Francesco Paissan, Alberto Ancilotto, Toni Heittola, Annamaria Mesaros, "
        "Elisabetta Farella, Alessio Brutti, Tuomas Virtanen",
        year=2022,
        challenge="DCASE 2022 Task 1, baseline",
        code="marmoi/dcase2022_task1_baseline",
    ),
    task=Task(
        classes=TAU_CLASSES,
        sample_rate_hz=44_100,
        window_s=1.0,
    ),
    frontend=Spec(
        FrontEnd,
        spectral=Spec(
            LogMel,
            sample_rate_hz=44_100,
            n_fft=2_048,  # ours: the next power of two
            win_length=1_764,  # 40 ms
            hop_length=882,  # 50 %
            n_mels=40,  # task page
            f_min=0.0,  # ours
            f_max=22_050.0,  # ours
            window="hamming",  # ours
            mel_scale="slaney",  # ours: librosa's default
            mel_norm="slaney",  # ours: librosa's default
            log="ln",  # "log-mel"
            floor=1e-10,  # ours
        ),
    ),
    model=Spec(
        Dcase2022Baseline,
        n_classes=10,
        in_channels=1,
        widths=(16, 16, 32),
        hidden=100,
        dropout=0.3,
        n_bands=40,
        n_frames=51,
    ),
    augment=Augment(),
    recipe=(
        Spec(
            Fit,
            name="fit",
            epochs=200,  # ours
            batch_size=16,  # ours
            optimizer=Spec(Adam, lr=1e-3),  # ours
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-3),  # ours: the rate stays
            validation_share=0.3,  # ours
            select="best",  # ours
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean"),  # ours
        ),
        Spec(
            Int8,
            name="int8",
            epochs=5,  # ours: the organisers quantise after training
            batch_size=16,  # ours
            optimizer=Spec(Adam, lr=1e-5),  # ours
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-5),  # ours
            validation_share=0.3,  # ours
            select="last",  # ours
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean"),  # ours
        ),
    ),
    inference=Inference(average="probabilities"),
    claims={
        "parameters": Claim(
            "46,512", 46_118, "task page", "published are bytes of the int8 file; 45,990 without norms"
        ),
        "bytes": Claim("46,512", 46_512, "task page", "int8: 45,816 weights and 174 biases of 4 bytes"),
        "macs": Claim("29.23M", 29_271_638, "task page", "torch's rule; 29,234,920 by the rule for TFLite files"),
        "accuracy": Claim("42.9 %", None, "task page", "not run: needs the TAU 2022 audio"),
        "log loss": Claim("1.575", None, "task page", "not run: needs the TAU 2022 audio"),
    },
    notes=(
        "The official counter has three back ends: 29.23 MMACs for the TFLite file, 29.27 for torch, 29.30 for Keras.",
    ),
)
