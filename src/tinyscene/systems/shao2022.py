"""Mini-SegNet: a segmentation network as teacher of students that fit, trained on bent and imagined spectrograms.

Report 000 of five: Shao et al., DCASE 2022 Task 1. Beside each number stands the section or table of the report it is
from, "family" for the public code its recipe comes from (MihawkHu/DCASE2020_task1 and kin), or "ours" with the reason.
"""

from torch.optim import SGD

from ..augment import AutoLevel, DoubledTimeCrop, ImageShift, Mixup, Pix2pix, SpecAugment
from ..compress import CutChannels, Int8
from ..data import TAU_CLASSES
from ..frontends import Deltas, FittedStandardisation, FrontEnd, LogMel
from ..models import MiniSegNet
from ..reproduction import Column, Ensemble, Measure, Reproduction, Row, Run, Table
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineRestarts, CosineWarmup, Distill, Fit, SceneAndGroupLoss
from ..train.pix2pix_fit import Pix2PixSettings

REPORT = Report(
    title="Mini-SegNet for low-complexity acoustic scene classification",
    authors="Yunfei Shao, Xuan Zhang, Gege Bing, Kemeng Zhao, Junjie Xu, Yong Ma, Wei-Qiang Zhang",
    year=2022,
    challenge="DCASE 2022 Task 1",
)

TASK = Task(
    classes=TAU_CLASSES,
    sample_rate_hz=44_100,  # section 2.1
    window_s=1.0,  # section 2.1
)

FRONTEND = Spec(
    FrontEnd,
    spectral=Spec(
        LogMel,
        sample_rate_hz=44_100,
        n_fft=2_048,  # section 2.1
        win_length=2_048,
        hop_length=1_024,  # section 2.1
        n_mels=256,  # section 2.1
        f_min=0.0,  # family
        f_max=22_050.0,  # family
        mel_scale="htk",  # family
        mel_norm=None,  # family
        log="ln",  # family
        floor=1e-8,  # family
    ),
    finish=(
        Spec(Deltas, order=2, win_length=5, edges="valid", stack="channel"),  # 44 frames -> the 36 of section 2.1
        Spec(FittedStandardisation),  # "zero mean, unit variance" (2020); per band and channel: ours, scope unsaid
    ),
)

AUGMENT = Augment(
    features=(
        Spec(
            Pix2pix,
            p=0.5,  # ours: unsaid
            main="a",  # section 2.3.2: real
            others=("s1", "s2", "s3"),  # section 2.3.2: simulated; those of the training split
            training=Spec(Pix2PixSettings, epochs=20),  # ours: unsaid; the rest as pix2pix was published
        ),
        Spec(DoubledTimeCrop),  # section 2.1: 256x72x3, cropped at random to 256x36x3
        Spec(AutoLevel, cut=0.005, p=0.5),  # section 2.3.2; numbers ours: unsaid
        Spec(ImageShift, frames=0.6, bands=3),  # section 3.1
        Spec(SpecAugment, band_masks=2, band_width=19, frame_masks=1, frame_width=2, fill=0.0),  # section 3.1: 20, 3
        Spec(Mixup, alpha=0.3),  # section 2.3.1
    ),
)

FIT = Spec(
    Fit,
    name="fit",
    epochs=310,  # section 3.1
    batch_size=128,  # section 3.1
    optimizer=Spec(SGD, lr=0.1, momentum=0.9),  # rate: section 3.1; optimiser: family
    schedule=Spec(CosineRestarts, first_epochs=10, factor=2, lr_min=1e-5),  # section 3.1: restarts
    validation_share=0.1,  # ours: to choose by; the report does not say how it chose
    select="last",  # ours: the last restart ends at epoch 310
    pcgrad=False,  # one task
    loss=Spec(SceneAndGroupLoss, reduction="mean"),  # section 3.1: cross-entropy
)

DISTIL = Spec(
    Distill,
    name="distil",
    temperature=3.0,  # ours: unsaid
    weight=0.9,  # ours: unsaid
    epochs=310,  # section 3.1
    batch_size=128,  # section 3.1
    optimizer=Spec(SGD, lr=0.1, momentum=0.9),  # as in "fit"
    schedule=Spec(CosineRestarts, first_epochs=10, factor=2, lr_min=1e-5),  # as in "fit"
    loss=Spec(SceneAndGroupLoss, reduction="mean"),  # section 2.4: with the labels' cross-entropy
    validation_share=0.1,  # the same recordings as in "fit"
    select="last",  # ours: the last restart ends at epoch 310
    pcgrad=False,  # one task
)

INT8 = Spec(
    Int8,
    name="int8",
    epochs=10,  # ours: unsaid
    batch_size=128,  # section 3.1
    optimizer=Spec(SGD, lr=1e-3, momentum=0.9),  # ours: unsaid
    schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-5),  # ours
    validation_share=0.1,  # the same recordings as in "fit"
    select="last",  # ours: with observers frozen at the end, later is better
    pcgrad=False,  # one task
    loss=Spec(SceneAndGroupLoss, reduction="mean"),  # as in "fit"
)

CUT = Spec(
    CutChannels,
    name="cut",
    target_parameters=120_000,  # table 2: the size of its students
    scope="global",  # ours: unsaid
    epochs=70,  # ours, and below: a fine-tuning of the length of the first three cycles
    batch_size=128,
    optimizer=Spec(SGD, lr=0.01, momentum=0.9),
    schedule=Spec(CosineRestarts, first_epochs=10, factor=2, lr_min=1e-5),
    loss=Spec(SceneAndGroupLoss, reduction="mean"),
    validation_share=0.1,
    select="last",
    pcgrad=False,
)

TEACHER = System(
    name="mini-segnet",
    report=REPORT,
    task=TASK,
    frontend=FRONTEND,
    model=Spec(
        MiniSegNet,
        n_classes=10,  # table 1
        in_channels=3,  # section 2.1
        widths=(64, 128, 128, 128, 64),  # ours: the one set of powers of two that gives 474k
        hidden=1_024,  # ours: as the widths
        stride=(1, 1),  # section 2.2
        norm="mixup",  # section 2.2: first and last convolution
        dropout=0.5,  # ours: unsaid
    ),
    augment=AUGMENT,
    recipe=(FIT,),
    inference=Inference(average="probabilities"),
    claims={
        "parameters, Keras": Claim("474k", 474_122, "table 1", "as Keras counts: batch norm at 4 a channel"),
        "parameters": Claim("474k", 473_098, "table 1", "as torch counts: batch norm at 2 a channel"),
        "macs": Claim("none", 1_258_762_506, "not printed", "the teacher has no limit to keep"),
        "accuracy": Claim("59.06 %", None, "table 1, with auto level", "not run: needs the TAU 2022 audio"),
    },
    notes=(
        "Widths are not published. Of the teacher these powers of two, 2x3 kernels with bias, alone give the total as "
        "Keras counts; of the students many widths do, and those taken are stand-ins that keep 30 MMACs.",
        "Mixup normalisation: section 2.2 says first and last convolution, abstract and conclusion say instance norm "
        "after each step; section 2.2 is taken. Its formula is not in the report; MixupNorm says the one taken.",
        "Three rows of table 1: without auto level take augment.features.auto_level.p=0, without pix2pix "
        "augment.features.pix2pix.p=0, as data without the devices a and s1 to s3 must.",
        "A student learns from a teacher's run: train --teacher RUN. Without one take --set recipe.distil.weight=0.",
        "At test the first 36 frames of the doubled map are the map itself: nothing is done.",
        "58.14 % and 60.58 % are not the means over devices of their rows (57.87 %, 59.98 %): of classes, most likely.",
        "Students 2 and 3 have a teacher that was trained on the test clips too: a leak, reported as printed.",
        "Table 3: task1_1 is three students, about 373k parameters, task1_2 two: both over the 128k that the text says "
        "they meet.",
    ),
)

PRUNED = TEACHER.but(
    name="mini-segnet-cut",
    recipe=(FIT, CUT, INT8.but(after="cut")),  # section 2.4: pruning, the second way to a student
    claims={
        "parameters": Claim("474k", 473_098, "table 1", "of the teacher; the stage cut leaves 120,000 at most"),
        "macs": Claim("below 30M", 1_258_762_506, "section 2.4", "of the teacher; cut to 120k it has 310 M still"),
        "accuracy": Claim("none", None, "not printed", "not run: needs the TAU 2022 audio"),
    },
)

STUDENT_1 = TEACHER.but(
    name="mini-segnet-student-1",
    model=TEACHER.model.but(
        widths=(32, 72, 72, 64, 32),  # ours: a stand-in that gives the published total
        hidden=48,  # ours: as the widths
        stride=(8, 2),  # ours: at full size 120k parameters would cost hundreds of MMACs
    ),
    recipe=(DISTIL, INT8),  # section 2.4
    claims={
        "parameters, Keras": Claim("120.21k", 120_210, "table 2", "a stand-in: only the total is published"),
        "parameters": Claim("120.21k", 119_650, "table 2", "as torch counts: batch norm at 2 a channel"),
        "macs": Claim("below 30M", 20_688_842, "section 2.4", "a stand-in: only the limit is published"),
        "accuracy": Claim("53.09 %", None, "table 2", "not run: needs the TAU 2022 audio"),
    },
)

STUDENT_2 = STUDENT_1.but(
    name="mini-segnet-student-2",
    model=STUDENT_1.model.but(widths=(32, 80, 80, 48, 16), hidden=192),  # ours: as student 1
    claims={
        "parameters, Keras": Claim("127.16k", 127_162, "table 2", "a stand-in: only the total is published"),
        "parameters": Claim("127.16k", 126_586, "table 2", "as torch counts: batch norm at 2 a channel"),
        "macs": Claim("below 30M", 18_368_746, "section 2.4", "a stand-in: only the limit is published"),
        "accuracy": Claim("54.12 %", None, "table 2", "not run; the abstract says 54.11 %; its teacher saw the test"),
    },
)

STUDENT_3 = STUDENT_1.but(
    name="mini-segnet-student-3",
    model=STUDENT_1.model.but(widths=(56, 64, 64, 64, 56), hidden=100),  # ours: as student 1
    claims={
        "parameters, Keras": Claim("126.07k", 126_070, "table 2", "a stand-in: only the total is published"),
        "parameters": Claim("126.07k", 125_558, "table 2", "as torch counts: batch norm at 2 a channel"),
        "macs": Claim("below 30M", 24_620_822, "section 2.4", "a stand-in: only the limit is published"),
        "accuracy": Claim("52.83 %", None, "table 2", "not run: needs the TAU 2022 audio; its teacher saw the test"),
    },
)

BY_DEVICE = (
    Column("Dev.A", Measure("accuracy", devices=("a",), scale=100, unit="%")),
    Column("Dev.B", Measure("accuracy", devices=("b",), scale=100, unit="%")),
    Column("Dev.C", Measure("accuracy", devices=("c",), scale=100, unit="%")),
    Column("Ave.S1-S3", Measure("accuracy", devices=("s1", "s2", "s3"), scale=100, unit="%")),
    Column("Ave.S4-S6", Measure("accuracy", devices=("s4", "s5", "s6"), scale=100, unit="%")),
)

REPRODUCTION = Reproduction(
    report_key="shao2022",
    data="TAU Urban Acoustic Scenes 2022 Mobile",
    runs=(
        Run(
            "teacher-plain",
            TEACHER.name,
            settings={"augment.features.auto_level.p": "0", "augment.features.pix2pix.p": "0"},
        ),
        Run("teacher-auto-level", TEACHER.name, settings={"augment.features.pix2pix.p": "0"}),
        Run("teacher-pix2pix", TEACHER.name),  # table 1: the last one teaches
        Run("teacher-whole", TEACHER.name, whole=True),  # table 2, "teacher (O)": a leak
        Run("student-1", STUDENT_1.name, teacher="teacher-pix2pix"),
        Run("student-2", STUDENT_2.name, teacher="teacher-pix2pix"),  # ours: without the leak
        Run("student-3", STUDENT_3.name, teacher="teacher-pix2pix"),  # ours: without the leak
        Run("student-2-leak", STUDENT_2.name, teacher="teacher-whole"),
        Run("student-3-leak", STUDENT_3.name, teacher="teacher-whole"),
    ),
    ensembles=(
        Ensemble("task1_1", ("student-1", "student-2-leak", "student-3-leak"), "weighted-bias"),  # section 3.2
        Ensemble("task1_2", ("student-1", "student-2-leak"), "weighted-bias"),  # which two is unsaid: the best ones
        Ensemble("task1_1-clean", ("student-1", "student-2", "student-3"), "weighted-bias"),  # ours
        Ensemble("task1_2-clean", ("student-1", "student-2"), "weighted-bias"),  # ours
    ),
    tables=(
        Table(
            "Teacher model accuracy on the development dataset",
            "Table 1",
            columns=(
                Column("#Params(total)", Measure("parameters_keras", scale=1e-3, digits=0, unit="k")),
                Column("Average", Measure("accuracy", scale=100, unit="%")),
                *BY_DEVICE,
            ),
            rows=(
                Row(
                    "Mini-SegNet",
                    "teacher-plain",
                    "",
                    ("474k", "58.14%", "68.10%", "62.95%", "66.66%", "56.00%", "51.71%"),
                ),
                Row(
                    "Mini-SegNet + Auto Level",
                    "teacher-auto-level",
                    "",
                    ("474k", "59.06%", "68.24%", "63.86%", "66.93%", "58.45%", "52.35%"),
                ),
                Row(
                    "Mini-SegNet + Auto Level + pix2pix",
                    "teacher-pix2pix",
                    "",
                    ("474k", "60.58%", "69.42%", "62.80%", "67.23%", "58.40%", "55.06%"),
                ),
            ),
            notes=("58.14 % and 60.58 % are not the means over devices of their rows; reached is that over clips.",),
            corner="Method",
        ),
        Table(
            "Student model accuracy",
            "Table 2",
            columns=(
                Column("Full Dev. data", None),
                Column("#Params(total)", Measure("parameters_keras", scale=1e-3, unit="k")),
                Column("Avg. Acc", Measure("accuracy", scale=100, unit="%")),
            ),
            rows=(
                Row("1", "student-1", published=("teacher (X) student (X)", "120.21k", "53.09%")),
                Row("2", "student-2-leak", published=("teacher (O) student (X)", "127.16k", "54.12%")),
                Row("3", "student-3-leak", published=("teacher (O) student (X)", "126.07k", "52.83%")),
                Row("2, ours", "student-2", published=("teacher (X) student (X)", "", "")),
                Row("3, ours", "student-3", published=("teacher (X) student (X)", "", "")),
            ),
            notes=("(O): trained on the test part too. Ours: without. The abstract says 54.11 %, the table 54.12 %.",),
            corner="Model",
        ),
        Table(
            "Accuracy of the ensembles on the development dataset",
            "Table 3",
            columns=(
                Column("Average ACC", Measure("accuracy", scale=100, unit="%")),
                *BY_DEVICE,
            ),
            rows=(
                Row("task1_1", "task1_1", published=("57.42%", "68.27%", "62.04%", "65.81%", "55.23%", "51.68%")),
                Row("task1_2", "task1_2", published=("56.68%", "67.48%", "60.94%", "66.02%", "54.94%", "50.61%")),
                Row("task1_1, ours", "task1_1-clean", published=("", "", "", "", "", "")),
                Row("task1_2, ours", "task1_2-clean", published=("", "", "", "", "", "")),
            ),
            notes=("Which two students task1_2 has is unsaid: the two best of table 2. Ours: without the leak.",),
            corner="Ensemble",
        ),
    ),
)
