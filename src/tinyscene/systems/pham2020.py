"""Pham's CNN: a gammatone spectrogram and a small convolutional network that tells three groups of scenes apart.

Report 003 of five: Pham et al., DCASE 2020 Task 1B. Beside each number stands the section or table of the report it is
from, or "ours" with the reason where the report is silent.
"""

from torch.optim import Adam

from ..augment import Mixup
from ..compress import Int8, Prune
from ..frontends import FrontEnd, GammatoneSpectrogram
from ..models import PhamCNN
from ..reproduction import Column, Measure, Reproduction, Row, Run, Table
from ..spec import Spec
from ..system import Augment, Claim, Inference, Report, System, Task
from ..train import CosineWarmup, Fit, SceneAndGroupLoss

PHAM_CNN = System(
    name="pham-cnn",
    report=Report(
        title="DCASE 2020 Challenge Task 1B: low-complexity CNN-based framework for acoustic scene classification",
        authors="Lam Pham, Dat Ngo, Huy Phan, Ngoc Q. K. Duong",
        year=2020,
        challenge="DCASE 2020 Task 1B",
    ),
    task=Task(
        classes=("indoor", "outdoor", "transportation"),  # section 2
        sample_rate_hz=44_100,  # the clips have 48 kHz (section 2); only 44.1 kHz gives table 2's 428 frames
        window_s=10.0,  # section 2
        channels="first",  # section 3.1: channel 1 of the stereo clip
    ),
    frontend=Spec(
        FrontEnd,
        spectral=Spec(
            GammatoneSpectrogram,
            sample_rate_hz=44_100,
            n_fft=4_096,  # table 1
            win_length=2_048,  # table 1
            hop_length=1_024,  # table 1
            n_bands=128,  # table 1
            f_min=10.0,  # table 1
            f_max=22_050.0,  # ours: half the rate, as the code whose settings these are (Ellis)
            width=1.0,  # ours: as that code
            floor=1e-7,  # ours: compression is unsaid; 20 log10(y + 1e-7)
        ),
    ),
    model=Spec(
        PhamCNN,
        n_classes=3,  # section 2
        in_channels=1,  # table 2
        widths=(32, 64, 128, 256),  # table 2
        literal=False,  # ours: one batch norm at the input, not one before each convolution, gives table 3's 245.5 KB
        dropouts=(0.20, 0.25, 0.30, 0.35),  # table 2
    ),
    augment=Augment(bands=(Spec(Mixup, alpha=0.4),)),  # section 3.2; alpha ours: unsaid
    recipe=(
        Spec(
            Fit,
            name="fit",
            epochs=100,  # section 3.2
            batch_size=100,  # section 3.2
            optimizer=Spec(Adam, lr=1e-3, weight_decay=1e-4),  # section 3.2: L2 with lambda; rate ours: unsaid
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-3),  # ours: the rate stays
            validation_share=0.1,  # ours: the report does not say how it chose
            select="best",  # ours
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean", divergence=True),  # section 3.2: KL divergence
        ),
        Spec(
            Prune,
            name="pruned",
            after="fit",  # section 3.3: beside int8, not before it
            sparsity=0.5,  # ours: 122.8 KB of table 3 are half of 245.5
            begin=0.0,  # ours: unsaid
            end=0.5,  # ours: half of the epochs settle
            power=3.0,  # as TensorFlow's toolkit, which the report names
            epochs=20,  # ours: unsaid
            batch_size=100,  # section 3.2
            optimizer=Spec(Adam, lr=1e-4),  # ours: unsaid
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-4),  # ours
            loss=Spec(SceneAndGroupLoss, reduction="mean", divergence=True),  # as in "fit"
            validation_share=0.1,  # the same recordings as in "fit"
            select="last",  # ours
            pcgrad=False,  # one task
        ),
        Spec(
            Int8,
            name="int8",
            after="fit",  # section 3.3: beside pruning, not behind it
            epochs=20,  # ours: unsaid
            batch_size=100,  # section 3.2
            optimizer=Spec(Adam, lr=1e-5),  # ours: unsaid; at 1e-4, its norms folded, it forgets in small sets
            schedule=Spec(CosineWarmup, warmup_epochs=0, warmup_lr=0.0, lr_min=1e-5),  # ours
            validation_share=0.1,  # the same recordings as in "fit"
            select="last",  # ours: with observers frozen at the end, later is better
            pcgrad=False,  # one task
            loss=Spec(SceneAndGroupLoss, reduction="mean", divergence=True),  # as in "fit"
        ),
    ),
    inference=Inference(average="probabilities"),  # section 3: the whole clip at once
    claims={
        "parameters, Keras": Claim("245.5 KB", 62_855, "table 3", "62,855 x 4 / 1024 = 245.53 KiB"),
        "parameters": Claim("245.5 KB", 61_893, "table 3", "as torch counts: batch norm at 2 a channel"),
        "macs": Claim("none", 165_439_173, "not printed", "the rule of 2020 had no limit of MACs"),
        "KiB, float": Claim("245.5", 245.53, "table 3", "4 bytes a parameter, as Keras counts"),
        "KiB, int8": Claim(
            "61.5",
            61.38,
            "table 3",
            "a byte for each of Keras; our int8 form has 64.7, as biases and norms take four",
        ),
        "KiB, pruned": Claim("122.8", 122.76, "table 3", "half of the weights left: the sparsity is inferred from it"),
        "accuracy, float": Claim("93.0 %", None, "table 3", "not run: needs the TAU 2020 3-class audio"),
        "accuracy, int8": Claim("91.9 %", None, "table 3", "not run: needs the TAU 2020 3-class audio"),
        "accuracy, pruned": Claim("90.5 %", None, "table 3", "not run: needs the TAU 2020 3-class audio"),
    },
    notes=(
        "10 s at 48 kHz, the data's rate, make 465 frames or more; the report's 428 are those of 44.1 kHz.",
        "Table 2 prints a batch norm before and after each convolution: 63,751 parameters, 249.0 KiB, not 245.5. One "
        "at the input only gives 245.53 (model.literal=true is the table as printed).",
        "Table 3 prints 61.5 KB for int8 and 122.8 KB pruned: a quarter is 61.4, a half 122.8.",
        "Quantised and pruned are two systems, not one after the other.",
    ),
)

REPRODUCTION = Reproduction(
    report_key="pham2020",
    data="TAU Urban Acoustic Scenes 2020 3Class",
    runs=(Run("cnn", PHAM_CNN.name),),
    tables=(
        Table(
            "Performance compared to DCASE 2020 Task 1B baseline",
            "Table 3",
            columns=(
                Column("Acc.(%)", Measure("accuracy", scale=100, digits=1)),
                Column("Non-zero para. (KB)", Measure("kib_keras", digits=1)),
            ),
            rows=(
                Row("DCASE 2020", published=("87.3", "450.0")),
                Row("CNN network", "cnn", "fit", ("93.0", "245.5")),
                Row("CNN network w/ quantization", "cnn", "int8", ("91.9", "61.5")),
                Row("CNN network w/ pruning", "cnn", "pruned", ("90.5", "122.8")),
            ),
            notes=(
                "KB: 1,024 bytes, parameters as Keras counts them, 4 bytes each and quantised 1; 61.5 is 61.4 but for "
                "rounding. 122.8 is half of all parameters; those reached keep every bias and norm.",
            ),
            corner="System",
        ),
    ),
)
