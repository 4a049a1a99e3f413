"""CLOVA: attentive max feature maps and a residual network with squeeze and excitation, trained against devices.

Report 002 of five: Heo et al., DCASE 2021 Task 1A. Beside each number stands the section or table of the report it is
from, "code" for the group's public codes (shimhz/AMFM, Jungjee/DcaseNet) where the report is silent, or "ours" with the
reason.
"""

from torch.optim import Adam

from ..augment import BinGains, Codec, Mixup, Tempo
from ..data import TAU_CLASSES, TAU_GROUPS
from ..frontends import Deltas, FrontEnd, LogMel, PreEmphasis, StandardisedBands
from ..models import AMFM, ResNetSE
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit

REPORT = Report(
    title="CLOVA submission for the DCASE 2021 Challenge: acoustic scene classification using light architectures and "
    "device augmentation",
    authors="Hee-Soo Heo, Jee-weon Jung, Hye-jin Shim, Bong-Jin Lee",
    year=2021,
    challenge="DCASE 2021 Task 1A",
    code="shimhz/AMFM",
)

TASK = Task(
    classes=TAU_CLASSES,
    sample_rate_hz=44_100,  # the data's
    window_s=5.0,  # section 6.2
)

FRONTEND = Spec(
    FrontEnd,
    waveform=(Spec(PreEmphasis, coefficient=0.97),),  # section 2; coefficient: code
    spectral=Spec(
        LogMel,
        sample_rate_hz=44_100,
        n_fft=2_048,  # code: section 2 says 1,024 bins, one-sided they are 1,025
        win_length=1_764,  # section 2: 40 ms
        hop_length=882,  # section 2: 20 ms
        n_mels=128,  # section 2
        f_min=0.0,  # code
        f_max=22_050.0,  # code
        window="hamming",  # section 2
        mel_scale="htk",  # code
        mel_norm=None,  # code
        log="ln",  # ours: unsaid; DcaseNet takes one, AMFM none
        floor=1e-6,  # ours
    ),
    finish=(
        Spec(StandardisedBands, floor=1e-3),  # code
        Spec(Deltas, order=2, win_length=5, edges="padded", stack="band"),  # section 2: 1 x 384 x 251
    ),
)

AUGMENT = Augment(
    wave=(
        Spec(Tempo, factors=(0.75, 0.85, 1.15, 1.25), p=0.5),  # section 5; p ours: unsaid
        Spec(Codec, formats=("mp3", "aac"), low_kbps=32, high_kbps=128, p=0.5),  # section 5; rates, p ours
    ),
    spectrum=(Spec(BinGains, alpha=0.5, p=1.0),),  # sections 5 and 6.2
    bands=(Spec(Mixup, alpha=0.1),),  # section 5; alpha: code
)

FIT = Spec(
    Fit,
    name="fit",
    epochs=400,  # section 6.2
    batch_size=24,  # section 6.2
    optimizer=Spec(Adam, lr=1e-3),  # section 6.2
    schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=0.0),  # section 6.2: cosine; to 0: ours
    validation_share=0.1,  # ours: the report chooses on test clips
    select="best",  # ours
    pcgrad=False,  # section 4.1: losses are added
    reduction="mean",  # section 1: categorical cross-entropy
)

LIMITS = (
    "Section 3.1 says that AMFM shrinks to 63,547; abstract and table 1 say 65,424, and 63,547 of ResNetSE.",
    "The limit is read as 65,536 parameters of 16 bit, 131,072 bytes: AMFM's 130,848 pass it, and not 128,000.",
    "Section 2 speaks of 1,024 FFT bins: read as one-sided, since a transform of 1,024 is shorter than the window.",
    '"Spectrum augmentation, alpha 0.5" is read as random gains of the FFT bins.',
    "Distillation from averaged crops, weight averaging and half precision are stages to come; not in the recipe here.",
)

AMFM_SYSTEM = System(
    name="amfm",
    report=REPORT,
    task=TASK,
    frontend=FRONTEND,
    model=Spec(
        AMFM,
        n_classes=10,
        n_groups=0,  # section 4.1: the branch of the groups is dropped after training
        filters=(24, 32, 32, 24, 16),  # ours: 32 at most (section 3.1), the pattern of the code; gives table 1's count
        hidden=100,  # code
        reduction=16,  # code
        dropout=0.5,  # ours
        in_channels=1,  # section 2: deltas stacked on bands; which network took which is unsaid
    ),
    augment=AUGMENT,
    recipe=(FIT,),
    inference=Inference(average="probabilities"),  # section 2: segments of a clip are averaged
    claims={
        "parameters": Claim("65,424", 65_424, "table 1", "widths inferred; section 3.1 says 63,547"),
        "macs": Claim("none", 558_433_622, "not printed", "the rule of 2021 had no limit of MACs"),
        "KiB, half precision": Claim("below 128", 127.78, "section 3", "65,424 x 2 / 1024"),
        "accuracy": Claim("69.68 %", None, "table 1, distilled", "not run: needs the TAU 2020 Mobile audio"),
    },
    notes=LIMITS,
)

AMFM_MTL = AMFM_SYSTEM.but(
    name="amfm-mtl",
    task=Task(classes=TAU_CLASSES, groups=TAU_GROUPS, sample_rate_hz=44_100, window_s=5.0),  # section 4.1
    model=AMFM_SYSTEM.model.but(n_groups=3),  # section 4.1: a last block of its own for each task
    claims={
        "parameters": Claim("77,572", 77_572, "section 4.1", "in training; 65,424 without the branch"),
        "macs": Claim("none", 561_571_865, "not printed", "the rule of 2021 had no limit of MACs"),
        "accuracy": Claim("68.30 %", None, "table 1, initial", "not run: needs the TAU 2020 Mobile audio"),
    },
)

RESNET_SE = AMFM_SYSTEM.but(
    name="resnet-se",
    frontend=FRONTEND.but(
        finish=(
            Spec(StandardisedBands, floor=1e-3),  # code
            Spec(Deltas, order=2, win_length=5, edges="padded", stack="channel"),  # section 2: 3 x 128 x 251
        )
    ),
    model=Spec(
        ResNetSE,
        n_classes=10,
        in_channels=3,  # section 2: deltas as channels
        widths=(16, 24, 28, 32),  # section 3.2
        blocks=2,  # section 3.2: 17 convolutions
        reduction=8,  # ours: gives table 1's count
    ),
    claims={
        "parameters": Claim("63,547", 63_547, "table 1", "stem and head inferred"),
        "macs": Claim("none", 440_294_083, "not printed", "the rule of 2021 had no limit of MACs"),
        "KiB, half precision": Claim("below 128", 124.12, "section 3", "63,547 x 2 / 1024"),
        "accuracy": Claim("70.48 %", None, "table 1, distilled", "not run: needs the TAU 2020 Mobile audio"),
    },
)
