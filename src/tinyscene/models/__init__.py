"""Features -> logits; one architecture family, one file."""

from .cp_mobile import CPMobile
from .dcase2022_baseline import Dcase2022Baseline
from .dsmn import DSMN
from .mini_seg_net import MiniSegNet
from .pham_cnn import PhamCNN

__all__ = ["DSMN", "CPMobile", "Dcase2022Baseline", "MiniSegNet", "PhamCNN"]
