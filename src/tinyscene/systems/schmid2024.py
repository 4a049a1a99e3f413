"""The organisers' baseline of DCASE 2024 and 2025: a simplified CP-Mobile.

Network and front end are the organisers' (CPJKU/dcase2024_task1_baseline), and the three augmentations by their kind.
"ours" stands beside the rest: no figure of theirs is claimed to be reached with it.
"""

from torch.optim import AdamW

from ..augment import FreqMixStyle, SpecAugment, TimeShift
from ..data import TAU_CLASSES
from ..frontends import FrontEnd, LogMel
from ..models import CPMobile
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss

CP_MOBILE = System(
    name="cp-mobile",
    report=Report(
        title="Data-efficient low-complexity acoustic scene classification in the DCASE 2024 Challenge",
        authors="Florian Schmid, Paul Primus, Toni Heittola, Annamaria Mesaros, Irene Martin-Morato, Khaled Koutini, "
        "Gerhard Widmer",
        year=2024,
        challenge="DCASE 2024 Task 1, baseline",
        code="CPJKU/dcase2024_task1_baseline",
    ),
    task=Task(
        classes=TAU_CLASSES,
        sample_rate_hz=32_000,
        window_s=1.0,
    ),
    frontend=Spec(
        FrontEnd,
        spectral=Spec(
            LogMel,
            sample_rate_hz=32_000,
            n_fft=4_096,
            win_length=3_072,
            hop_length=500,
            n_mels=256,
            f_min=0.0,
            f_max=16_000.0,
            mel_scale="htk",
            mel_norm=None,
            log="ln",
            floor=1e-5,
        ),
    ),
    model=Spec(
        CPMobile,
        n_classes=10,
        in_channels=1,
        base_channels=32,
        channels_multiplier=1.8,
        expansion_rate=2.1,
        n_blocks=(3, 2, 1),
        strides=((1, 1), (1, 1), (1, 2), (2, 1), (1, 1), (1, 1)),
    ),
    augment=Augment(
        wave=(Spec(TimeShift, max_share=0.1, p=1.0),),  # "roll"; up to 0.1 s: ours
        features=(
            Spec(FreqMixStyle, alpha=0.3, p=0.4),  # Freq-MixStyle; numbers: ours
            Spec(SpecAugment, band_masks=1, band_width=47, frame_masks=0, frame_width=0, fill=0.0),  # below 48: ours
        ),
    ),
    recipe=(
        Spec(
            Fit,
            name="fit",
            epochs=150,  # ours
            batch_size=256,  # ours
            optimizer=Spec(AdamW, lr=5e-3, weight_decay=1e-4),  # ours
            schedule=Spec(CosineWarmup, warmup_epochs=14, warmup_lr=0.0, lr_min=0.0),  # ours
            validation_share=0.1,  # ours: it only measures
            select="last",  # the organisers take the last epoch
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean"),  # ours
        ),
    ),
    inference=Inference(average="probabilities"),
    claims={
        "parameters": Claim("61,148", 61_148, "task page"),
        "accuracy": Claim("56.99 %", None, "task page, all of the training split", "not run: needs the TAU 2022 audio"),
        "macs": Claim("29.42M", 29_419_156, "task page"),
    },
    notes=("Half precision (float16) brings its parameters to 122,296 bytes, below the 128 kB of 2024.",),
)
