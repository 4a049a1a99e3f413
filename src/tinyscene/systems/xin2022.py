"""CNN6 taken apart, with coordinate attention: masks inside the network, and thirty looks at a clip.

Report 004 of five: Xin et al., DCASE 2022 Task 1. Beside each number stands the section or table of the report it is
from, "SP4ASC" for the code it is built on (valeoai/SP4ASC) where the report is silent, or "ours" with the reason.
"""

from torch.optim import AdamW

from ..augment import SpecAugment, SpecAugmentPlusPlus, TimeRoll
from ..data import TAU_CLASSES
from ..frontends import FrontEnd, LogMel
from ..models import CNN6CA
from ..reproduction import Column, Measure, Reproduction, Row, Run, Table
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss

FRONTEND = Spec(
    FrontEnd,
    spectral=Spec(
        LogMel,
        sample_rate_hz=44_100,
        n_fft=2_048,  # SP4ASC
        win_length=2_048,  # SP4ASC
        hop_length=1_024,  # SP4ASC
        n_mels=256,  # SP4ASC: 64 of "the pipeline of PANNs" would make 75,178 parameters
        f_min=0.0,  # SP4ASC
        f_max=22_050.0,  # SP4ASC
        mel_scale="slaney",  # SP4ASC
        mel_norm="slaney",  # SP4ASC
        log="db",  # SP4ASC
        floor=1e-10,  # SP4ASC
    ),
)

CNN6_CA = System(
    name="cnn6-ca",
    report=Report(
        title="Low-complexity acoustic scene classification with mismatch-devices using separable convolutions and "
        "coordinate attention",
        authors="Yifei Xin, Yuexian Zou, Fan Cui, Yujun Wang",
        year=2022,
        challenge="DCASE 2022 Task 1",
    ),
    task=Task(
        classes=TAU_CLASSES,
        sample_rate_hz=44_100,  # the data's
        window_s=1.0,  # the task's clips
    ),
    frontend=FRONTEND,
    model=Spec(
        CNN6CA,
        n_classes=10,
        n_mels=256,  # as the front end
        widths=(64, 128, 128, 128),  # section 2, settled by the count
        reduction=32,  # section 2.2, settled by the count
        hidden=128,  # SP4ASC
        dropout=0.1,  # section 4.1
    ),
    augment=Augment(
        features=(Spec(TimeRoll, deviation=10.0),),  # section 3.2: N(0, 10)
        hidden=(
            Spec(
                SpecAugmentPlusPlus,
                at=("input", "layers.0", "layers.1"),  # section 3.1: "input and hidden"; which layers: ours
                band_masks=2,  # ours: unsaid
                band_share=32 / 256,  # ours: SP4ASC's share
                frame_masks=2,  # ours: unsaid
                frame_share=8 / 44,  # ours: SP4ASC's share
                mode="mixture",  # section 3.1
                p=0.5,  # ours: unsaid
            ),
        ),
    ),
    recipe=(
        Spec(
            Fit,
            name="fit",
            epochs=150,  # section 4.1
            batch_size=32,  # section 4.1
            optimizer=Spec(AdamW, lr=1e-3, weight_decay=1e-5),  # section 4.1; decay: SP4ASC
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-5),  # section 4.1
            validation_share=0.1,  # ours: the report does not say how it chose
            select="best",  # ours
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean"),  # section 4.1: cross-entropy
        ),
    ),
    inference=Inference(
        average="probabilities",
        augment=(
            Spec(TimeRoll, deviation=10.0),  # ours: as in training; the report does not say which thirty
            Spec(
                SpecAugment,
                band_masks=2,  # ours, and below: the shares of training, silenced and not mixed with other clips
                band_width=32,
                frame_masks=2,
                frame_width=8,
                fill="mean",
            ),
        ),
        repeats=30,  # section 4.1
    ),
    claims={
        "parameters": Claim("75.562 KB", 75_562, "table 1", "1 byte each, 1000-based: int8"),
        "macs": Claim("none", 46_018_138, "not printed", "at 44 frames: over the limit of 30 MMACs it says it meets"),
        "accuracy": Claim("60.3 %", None, "table 1", "not run: needs the TAU 2022 audio"),
        "log loss": Claim("1.295", None, "table 1", "not run: needs the TAU 2022 audio"),
    },
    notes=(
        "No MACs are printed. 44 frames cost 46 M, over the 30 M of the rules; 29 frames fit: cnn6-ca-30m.",
        "Log-mel numbers are unsaid; those of SP4ASC alone give the count (a norm for each of 256 bands).",
        "Where the two batch norms of a layer stand is unsaid: one behind each depthwise convolution.",
        "N(0, 10) is read as a standard deviation of 10 frames.",
        "What the thirty looks of test-time augmentation are is unsaid: roll and masks. Mixture masks are not used, "
        "since an answer would hang on the other clips of its batch.",
        "A log loss of 1.295 at 60.3 % is over-confident for the mean of thirty looks.",
    ),
)

CNN6_CA_30M = CNN6_CA.but(
    name="cnn6-ca-30m",
    frontend=FRONTEND.but(spectral=FRONTEND.numbers["spectral"].but(hop_length=1_536)),  # ours: 29 frames
    claims={
        "parameters": Claim("75.562 KB", 75_562, "table 1", "1 byte each, 1000-based: int8"),
        "macs": Claim("none", 29_587_122, "not printed", "ours: the hop at which the limit of 30 MMACs is met"),
        "accuracy": Claim("60.3 %", None, "table 1", "of the system as published; not run"),
    },
)

REPRODUCTION = Reproduction(
    report_key="xin2022",
    data="TAU Urban Acoustic Scenes 2022 Mobile",
    runs=(Run("cnn6-ca", CNN6_CA.name),),
    tables=(
        Table(
            "Our results compared with the challenge baseline",
            "Table 1",
            columns=(
                Column("Model size (KB)", Measure("parameters", scale=1e-3, digits=3)),
                Column("Log Loss", Measure("log_loss", digits=3)),
                Column("Accuracy", Measure("accuracy", digits=3)),
            ),
            rows=(
                Row("Challenge Baseline", published=("46.512", "1.575", "0.429")),
                Row("Ours", "cnn6-ca", "fit+tta", ("75.562", "1.295", "0.603")),
                Row("Ours, one look", "cnn6-ca", "fit", ("", "", "")),
            ),
            notes=(
                "Ours: the report's word for its system. KB: 1,000 parameters of one byte. One look: without the "
                "thirty of test-time augmentation, not in the report.",
            ),
            corner="Method",
        ),
    ),
)
