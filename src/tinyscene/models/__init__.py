"""Features -> logits; one architecture family, one file."""

from .dsmn import DSMN

__all__ = ["DSMN"]
