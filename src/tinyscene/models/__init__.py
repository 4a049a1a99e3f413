"""Features -> logits; one architecture family, one file."""

from .amfm import AMFM
from .cnn6_ca import CNN6CA
from .cp_mobile import CPMobile
from .dcase2022_baseline import Dcase2022Baseline
from .dsmn import DSMN
from .mini_seg_net import MiniSegNet
from .pham_cnn import PhamCNN
from .resnet_se import ResNetSE
from .tiny_vgg import TinyVGG

__all__ = ["AMFM", "CNN6CA", "DSMN", "CPMobile", "Dcase2022Baseline", "MiniSegNet", "PhamCNN", "ResNetSE", "TinyVGG"]
