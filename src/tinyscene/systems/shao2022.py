"""Mini-SegNet: a segmentation network as teacher of students that fit, trained on bent and imagined spectrograms.

Report 000 of five: Shao et al., DCASE 2022 Task 1. Beside each number stands the section or table of the report it is
from, "family" for the public code its recipe comes from (MihawkHu/DCASE2020_task1 and kin), or "ours" with the reason.
"""

from torch.optim import SGD

from ..augment import AutoLevel, DoubledTimeCrop, ImageShift, Mixup, SpecAugment
from ..compress import Int8
from ..data import TAU_CLASSES
from ..frontends import Deltas, FittedStandardisation, FrontEnd, LogMel
from ..models import MiniSegNet
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineRestarts, CosineWarmup, Fit

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
    schedule=Spec(CosineRestarts, first=10, factor=2, lr_min=1e-5),  # section 3.1: restarts at 11, 31, 71, 151, 311
    validation_share=0.1,  # ours: to choose by; the report does not say how it chose
    select="last",  # ours: the last restart ends at epoch 310
    pcgrad=False,  # one task
    reduction="mean",  # section 3.1: cross-entropy
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
    reduction="mean",  # as in "fit"
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
        "Three rows of table 1: without auto level take augment.features.auto_level.p=0; pix2pix needs a generator "
        "trained before (tinyscene augment train-pix2pix) and stands in no system file yet.",
        "At test the first 36 frames of the doubled map are the map itself: nothing is done.",
        "58.14 % and 60.58 % are not the means over devices of their rows (57.87 %, 59.98 %): of classes, most likely.",
        "Students 2 and 3 have a teacher that was trained on the test clips too: a leak, reported as printed.",
        "Table 3: task1_1 is three students, about 373k parameters, task1_2 two: both over the 128k that the text says "
        "they meet.",
    ),
)

STUDENT_1 = TEACHER.but(
    name="mini-segnet-student-1",
    model=TEACHER.model.but(
        widths=(32, 72, 72, 64, 32),  # ours: a stand-in that gives the published total
        hidden=48,  # ours: as the widths
        stride=(8, 2),  # ours: at full size 120k parameters would cost hundreds of MMACs
    ),
    recipe=(FIT, INT8),
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
