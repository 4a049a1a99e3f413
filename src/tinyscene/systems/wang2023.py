"""DSMN: low-complexity scene classification by deep space separable distillation and multi-task learning.

Report 001 of five: Wang, Wu, Li, DCASE 2023 Task 1. Beside each number stands the section or table of the report it
is from, "code" for the authors' published code where the report is silent, or "ours" with the reason.
"""

from torch.optim import SGD, RAdam

from ..augment import Mixup, SpecAugment, SpectrumCorrection
from ..compress import Int8
from ..data import TAU_CLASSES, TAU_GROUPS
from ..frontends import FrontEnd, LogMel, StandardisedDeltas
from ..models import DSMN
from ..reproduction import Column, Confusion, Measure, Reproduction, Row, Run, Table
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss

REPORT = Report(
    title="Low-complexity acoustic scene classification using deep space separable distillation "
    "and multi-task learning",
    authors="Kangli Wang, Yiling Wu, Yanxiong Li",
    year=2023,
    challenge="DCASE 2023 Task 1",
    code="Wangkkklll/DSMN_dcase2023",
)

TASK = Task(
    classes=TAU_CLASSES,
    groups=TAU_GROUPS,  # table 1; its "Street, Pedestrian" is the one class street_pedestrian
    sample_rate_hz=44_100,  # section 2.1
    window_s=1.0,  # the task's clips
)

FRONTEND = Spec(
    FrontEnd,
    spectral=Spec(
        LogMel,
        sample_rate_hz=44_100,
        n_fft=4096,  # section 2.1
        win_length=4096,
        hop_length=1024,  # "overlap 25 %": a hop of 25 %, the only reading that gives 44 frames
        n_mels=256,  # section 2.1
        f_min=0.0,  # code
        f_max=22_050.0,  # code
        mel_scale="htk",  # code
        mel_norm="slaney",  # code
        log="log10",  # code
        floor=1e-10,  # code
    ),
    finish=(Spec(StandardisedDeltas, win_length=5, floor=1e-3),),  # code; floor ours: keeps silence finite
)

AUGMENT = Augment(
    bands=(  # in this order: code
        Spec(Mixup, alpha=0.4, full_epochs=60),  # section 2.2; the switch at epoch 60: code
        Spec(SpectrumCorrection, p=0.5, main="a"),  # section 2.2; p ours: as many corrected clips as plain ones
    ),
    features=(
        Spec(SpecAugment, band_masks=2, band_width=2, frame_masks=2, frame_width=2, fill=0.0),  # section 2.2
    ),
)

FIT = Spec(
    Fit,
    name="fit",
    epochs=100,  # section 4
    batch_size=32,  # section 4
    optimizer=Spec(RAdam, lr=1e-3),  # rate: section 4; optimiser: code (the report says SGD: dsmn-1-sgd)
    schedule=Spec(CosineWarmup, warmup_epochs=5, warmup_lr=5e-5, lr_min=1e-6),  # section 4; numbers: code
    validation_share=0.1,  # ours: the report selects on its test clips, we on held-out recordings
    select="best",  # section 4: highest validation accuracy
    pcgrad=True,  # section 3.3, equation 2
    loss=Spec(SceneAndGroupLoss, reduction="sum"),  # code
)

INT8 = Spec(
    Int8,
    name="int8",
    epochs=10,  # ours: fine-tuning; the code trains with fake quantisation from epoch 0
    batch_size=32,  # section 4
    optimizer=Spec(RAdam, lr=1e-4),  # ours: a tenth of the training rate
    schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-6),  # ours
    validation_share=0.1,  # the same recordings as in "fit"
    select="last",  # ours: with observers frozen at the end, later is better
    pcgrad=True,  # section 3.3
    loss=Spec(SceneAndGroupLoss, reduction="sum"),  # code
)

DSMN_1 = System(
    name="dsmn-1",
    report=REPORT,
    task=TASK,
    frontend=FRONTEND,
    model=Spec(
        DSMN,
        n_classes=10,  # section 3.3
        n_groups=3,  # table 1
        widths=(24, 32, 64, 64, 64),  # code
        segmented=(True, True, True, True, True),  # table 2: 5*DSSDB_SEG
        in_channels=2,  # section 2.1
        stem=16,  # code
        hidden=100,  # code
        dropout=0.3,  # code
    ),
    augment=AUGMENT,
    recipe=(FIT, INT8),
    inference=Inference(average="probabilities", group_weight=0.2),  # section 3.1 "combined"; 0.8 / 0.2: code
    claims={
        "parameters": Claim("45.1k", 45_164, "table 3"),
        "macs": Claim("8.64M", 8_645_641, "table 3"),
        "accuracy, float": Claim("53.4 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "accuracy, int8": Claim("53.3 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "log loss": Claim("1.287", None, "section 6, mean of table 4", "not run: needs the TAU 2022 audio"),
    },
    notes=(
        'The report says "overlap 25 %"; only a hop of 25 % (1,024 samples) gives its 44 frames.',
        "The report trains with SGD, its code with RAdam; RAdam is taken, dsmn-1-sgd is the report's word.",
        "Mixup: the report says alpha 0.4, its code 0.2; the report's is taken.",
        "Spectrum correction: the code's device index is another loop's leftover; the report's idea is taken.",
        "The published model is chosen on the test clips; here on held-out training recordings.",
        "How the 10-class and the 3-class outputs are combined is not said; 0.8 and 0.2: an unused line of the code.",
    ),
)

DSMN_1_SGD = DSMN_1.but(
    name="dsmn-1-sgd",
    recipe=(FIT.but(optimizer=Spec(SGD, lr=1e-3, momentum=0.0)), INT8),  # section 4; momentum unsaid: none
)

ROWS_SWAPPED = (
    "Table 3 has the parameters and MACs of its rows 2 and 3 swapped: table 2 and the code say that model 2 is five "
    "DSSDB and model 3 one DSSDB_SEG with four DSSDB. Accuracies stay with the names; whose they are is not provable.",
)

DSMN_2 = DSMN_1.but(
    name="dsmn-2",
    model=DSMN_1.model.but(segmented=(False, False, False, False, False)),  # table 2: 5*DSSDB
    claims={
        "parameters": Claim("56.5k", 56_556, "table 3, printed as model 3", "rows 2 and 3 are swapped"),
        "macs": Claim("25.44M", 25_441_889, "table 3, printed as model 3", "rows 2 and 3 are swapped"),
        "accuracy, float": Claim("59.2 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "accuracy, int8": Claim("56.4 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "log loss": Claim("1.191", None, "mean of table 4", "not run: needs the TAU 2022 audio"),
    },
    notes=(*DSMN_1.notes, *ROWS_SWAPPED),
)

DSMN_3 = DSMN_1.but(
    name="dsmn-3",
    model=DSMN_1.model.but(segmented=(True, False, False, False, False)),  # table 2: DSSDB_SEG + 4*DSSDB
    claims={
        "parameters": Claim("56.1k", 56_172, "table 3, printed as model 2", "rows 2 and 3 are swapped"),
        "macs": Claim("16.74M", 16_746_033, "table 3, printed as model 2", "rows 2 and 3 are swapped"),
        "accuracy, float": Claim("53.4 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "accuracy, int8": Claim("50.8 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "log loss": Claim("1.477", None, "mean of table 4", "not run: needs the TAU 2022 audio"),
    },
    notes=(*DSMN_1.notes, *ROWS_SWAPPED),
)

DSMN_4 = DSMN_1.but(
    name="dsmn-4",
    model=DSMN_1.model.but(
        widths=(24, 128, 128, 128, 128),  # code
        hidden=64,  # ours: the one whole number that gives 121.8k; the code as committed does not run
    ),
    claims={
        "parameters": Claim("121.8k", 121_812, "table 3"),
        "macs": Claim(
            "20.92M", 20_901_505, "table 3", "20.92 M is a head of 100, whose 140,748 parameters exceed 128k"
        ),
        "accuracy, float": Claim("54.7 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "accuracy, int8": Claim("52.4 %", None, "table 3", "not run: needs the TAU 2022 audio"),
        "log loss": Claim("1.368", None, "mean of table 4", "not run: needs the TAU 2022 audio"),
    },
    notes=(
        *DSMN_1.notes,
        "Model 4 as committed does not run (a sixth width, a head of 224 inputs where 512 come); hidden 64 gives table "
        "3's parameters, hidden 100 (20,920,441 MACs, 140,748 parameters) its MACs: measured before the head shrank.",
    ),
)

REPRODUCTION = Reproduction(
    report_key="wang2023",
    data="TAU Urban Acoustic Scenes 2022 Mobile",
    runs=(
        Run("dsmn-1", DSMN_1.name),
        Run("dsmn-2", DSMN_2.name),
        Run("dsmn-3", DSMN_3.name),
        Run("dsmn-4", DSMN_4.name),
    ),
    tables=(
        Table(
            "Experimental results of the experiment",
            "Table 3",
            columns=(
                Column("Parms", Measure("parameters", scale=1e-3, digits=1, unit="k"), stage="fit"),
                Column("MACs", Measure("macs", scale=1e-6, unit="M"), stage="fit"),
                Column("Acc (Float32)", Measure("accuracy", scale=100, digits=1), stage="fit"),
                Column("Acc (Int8)", Measure("accuracy", scale=100, digits=1), stage="int8"),
            ),
            rows=(
                Row("Model1", "dsmn-1", published=("45.1k", "8.64M", "53.4", "53.3")),
                Row("Model2", "dsmn-2", published=("56.1k", "16.74M", "59.2", "56.4")),
                Row("Model3", "dsmn-3", published=("56.5k", "25.44M", "53.4", "50.8")),
                Row("Model4", "dsmn-4", published=("121.8k", "20.92M", "54.7", "52.4")),
            ),
            notes=(
                "As printed: parameters and MACs of Model2 and Model3 are swapped, by table 2 and the code. Whose the "
                "accuracies are is not provable; they stay with the names.",
            ),
        ),
        Table(
            "Logloss scores of the submitted models",
            "Table 4",
            columns=(
                Column("A", Measure("log_loss", devices=("a",), digits=3), stage="int8"),
                Column("B", Measure("log_loss", devices=("b",), digits=3), stage="int8"),
                Column("C", Measure("log_loss", devices=("c",), digits=3), stage="int8"),
                Column("S1", Measure("log_loss", devices=("s1",), digits=3), stage="int8"),
                Column("S2", Measure("log_loss", devices=("s2",), digits=3), stage="int8"),
                Column("S3", Measure("log_loss", devices=("s3",), digits=3), stage="int8"),
                Column("S4", Measure("log_loss", devices=("s4",), digits=3), stage="int8"),
                Column("S5", Measure("log_loss", devices=("s5",), digits=3), stage="int8"),
                Column("S6", Measure("log_loss", devices=("s6",), digits=3), stage="int8"),
                Column("All clips", Measure("log_loss", digits=3), stage="int8"),
            ),
            rows=(
                Row(
                    "Model1",
                    "dsmn-1",
                    published=(
                        "1.060",
                        "1.400",
                        "1.257",
                        "1.299",
                        "1.247",
                        "1.253",
                        "1.373",
                        "1.326",
                        "1.368",
                        "1.287",
                    ),
                ),
                Row(
                    "Model2",
                    "dsmn-2",
                    published=("0.974", "1.283", "1.135", "1.166", "1.104", "1.053", "1.327", "1.292", "1.389", ""),
                ),
                Row(
                    "Model3",
                    "dsmn-3",
                    published=("1.022", "1.354", "1.234", "1.487", "1.310", "1.349", "1.865", "1.894", "1.776", ""),
                ),
                Row(
                    "Model4",
                    "dsmn-4",
                    published=("1.100", "1.449", "1.365", "1.383", "1.317", "1.344", "1.476", "1.403", "1.474", ""),
                ),
            ),
            notes=(
                "The submitted models are taken to be the int8 ones. Of the means over all clips section 6 prints "
                "Model1's; of the printed rows they are 1.287, 1.191, 1.477 and 1.368.",
            ),
            turned=True,
            corner="Device",
        ),
    ),
    confusions=(Confusion("Confusion matrix for the submitted model 1", "Figure 5", "dsmn-1", "int8"),),
)
