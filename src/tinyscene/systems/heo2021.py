"""CLOVA: attentive max feature maps and a residual network with squeeze and excitation, trained against devices.

Report 002 of five: Heo et al., DCASE 2021 Task 1A. Beside each number stands the section or table of the report it is
from, "code" for the group's public codes (shimhz/AMFM, Jungjee/DcaseNet) where the report is silent, or "ours" with the
reason.
"""

from torch.optim import Adam

from ..augment import BinGains, Codec, Mixup, Tempo
from ..compress import Half
from ..data import TAU_CLASSES, TAU_GROUPS
from ..frontends import Deltas, FrontEnd, LogMel, PreEmphasis, StandardisedBands
from ..models import AMFM, ResNetSE
from ..reproduction import Column, Measure, Reproduction, Row, Run, Table
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss, SelfDistill

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
    loss=Spec(SceneAndGroupLoss, reduction="mean"),  # section 1: categorical cross-entropy
)

DISTIL = Spec(
    SelfDistill,
    name="distil",
    temperature=2.0,  # ours: unsaid; the group's earlier code
    weights=(1.0, 1.0, 1.0),  # section 4: the sum of three losses
    views=3,  # section 4
    views_of="clip",  # section 6.2: random locations of one scene's recording; "class" is the other reading
    epochs=130,  # section 6.2
    batch_size=24,  # section 6.2
    optimizer=Spec(Adam, lr=1e-4),  # ours: unsaid; the group's earlier code
    schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=0.0),  # section 6.2: cosine; to 0: ours
    loss=Spec(SceneAndGroupLoss, reduction="mean"),  # section 4: cross-entropy
    validation_share=0.1,  # ours: the same recordings as in "fit"; the report refreshes its teacher by test accuracy
    select="best",  # ours
    pcgrad=False,  # as in "fit"
)

HALF = Spec(Half, name="fp16")  # sections 1 and 3: 16 bits after training; section 4.1: the branch is dropped

# Section 6.3: trained on all recordings, so nothing is left to choose by: the mean of the last twenty epochs.
WHOLE = (
    FIT.but(validation_share=0.0, select="last"),
    DISTIL.but(validation_share=0.0, select="mean", mean_epochs=20),
    HALF,
)

LIMITS = (
    "Section 3.1 says that AMFM shrinks to 63,547; abstract and table 1 say 65,424, and 63,547 of ResNetSE.",
    "The limit is read as 65,536 parameters of 16 bit, 131,072 bytes: AMFM's 130,848 pass it, and not 128,000.",
    "Section 2 speaks of 1,024 FFT bins: read as one-sided, since a transform of 1,024 is shorter than the window.",
    '"Spectrum augmentation, alpha 0.5" is read as random gains of the FFT bins.',
    "The teacher takes the student's weights when held-out training clips say so, not the test clips of the report.",
    "Three segments of one scene at other locations are read as three crops of a recording; "
    "recipe.distil.views_of=class takes recordings of the same class elsewhere.",
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
    recipe=(FIT, DISTIL, HALF),
    inference=Inference(average="probabilities", hop_s=2.5),  # section 2: segments are averaged; three of them: code
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
    recipe=(
        FIT.but(loss=Spec(SceneAndGroupLoss, reduction="mean", scene_weight=5.0)),  # code: 5 to 1
        DISTIL.but(loss=Spec(SceneAndGroupLoss, reduction="mean", scene_weight=5.0)),
        HALF,
    ),
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

AMFM_WHOLE = AMFM_MTL.but(
    name="amfm-whole",
    whole=True,
    recipe=(
        WHOLE[0].but(loss=Spec(SceneAndGroupLoss, reduction="mean", scene_weight=5.0)),
        WHOLE[1].but(loss=Spec(SceneAndGroupLoss, reduction="mean", scene_weight=5.0)),
        HALF,
    ),
)

RESNET_SE_WHOLE = RESNET_SE.but(name="resnet-se-whole", whole=True, recipe=WHOLE)

REPRODUCTION = Reproduction(
    report_key="heo2021",
    data="TAU Urban Acoustic Scenes 2020 Mobile",
    runs=(Run("amfm", AMFM_MTL.name), Run("resnet-se", RESNET_SE.name)),
    tables=(
        Table(
            "Results of the AMFM and ResNetSE model after initial and KD training",
            "Table 1",
            columns=(
                Column("# params", Measure("parameters_nonzero", digits=0), stage="fp16"),  # the branch is dropped
                Column("A", Measure("accuracy", devices=("a",), scale=100)),
                Column("B&C", Measure("accuracy", devices=("b", "c"), scale=100)),
                Column("S1~S3", Measure("accuracy", devices=("s1", "s2", "s3"), scale=100)),
                Column("S4~S6", Measure("accuracy", devices=("s4", "s5", "s6"), scale=100)),
                Column("All", Measure("accuracy", scale=100)),
            ),
            rows=(
                Row("Official baseline", published=("46,233", "-", "-", "-", "-", "47.70")),
                Row("AMFM-initial", "amfm", "fit", ("65,424", "69.39", "68.39", "69.39", "66.77", "68.30")),
                Row("ResNetSE-initial", "resnet-se", "fit", ("63,547", "73.93", "68.84", "67.87", "66.96", "68.46")),
                Row("AMFM-KD", "amfm", "distil", ("65,424", "72.42", "68.39", "70.81", "68.48", "69.68")),
                Row("ResNetSE-KD", "resnet-se", "distil", ("63,547", "76.06", "70.51", "69.89", "69.19", "70.48")),
            ),
            notes=(
                "Accuracies in per cent. The report's are of the epoch that is best on the test clips; those reached "
                "are of the epoch that is best on held-out training recordings.",
            ),
            corner="Model",
        ),
    ),
)
