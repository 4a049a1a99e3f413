"""A trained pix2pix generator with the numbers around it: features of one device in, features of others out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..files import write_whole
from .u_net import UNet

KIND, FORMAT = "tinyscene pix2pix generator", 1


class DeviceTranslator(nn.Module):
    """(batch, channel, band, frame) -> the same shape: standardised, through a U-Net, and back.

    Args:
        channels, width, depth: of the U-Net.
        mean, deviation: of the features it was trained on, one a channel.
        facts: what it was trained on, kept in its file.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        depth: int,
        mean: tuple[float, ...],
        deviation: tuple[float, ...],
        facts: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.numbers = {"channels": channels, "width": width, "depth": depth}
        self.mean_of, self.deviation_of, self.facts = tuple(mean), tuple(deviation), dict(facts or {})
        self.generator = UNet(channels, width, depth)
        for name, numbers in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(numbers).float()[:, None, None], persistent=False)
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, features: Tensor) -> Tensor:
        return self.generator((features - self.mean) / self.deviation) * self.deviation + self.mean

    def write(self, path: Path) -> None:
        """One file of tensors and plain values, whole or not there."""
        content = {
            "kind": KIND,
            "format": FORMAT,
            **self.numbers,
            "mean": list(self.mean_of),
            "deviation": list(self.deviation_of),
            "facts": self.facts,
            "weights": self.generator.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_whole(path, buffer.getbuffer())


def read_translator(path: Path, owner: str) -> DeviceTranslator:
    """The generator in a file, in eval, on the CPU. A foreign file cannot run code.

    Raises:
        ModelError: `owner` names a file that is not there, is cut or is no generator of ours.
    """
    advice = "Make one with: tinyscene augment train-pix2pix"
    if not path.is_file():
        raise ModelError(f"{owner} takes a file of a trained generator; {path} does not exist. {advice}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a cut or foreign file fails in torch's reader in any of many ways
        raise ModelError(
            f"{owner} takes a file of a trained generator; {path} is cut or is none ({type(error).__name__}). {advice}"
        ) from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ModelError(f"{owner} takes a file of a trained generator; {path} holds something else. {advice}")
    if content["format"] != FORMAT:
        raise ModelError(f"{owner}: {path} was written by another version of tinyscene. {advice}")
    numbers = {key: content[key] for key in ("channels", "width", "depth", "mean", "deviation", "facts")}
    translator = DeviceTranslator(**numbers)
    translator.generator.load_state_dict(content["weights"])
    return translator.eval()
