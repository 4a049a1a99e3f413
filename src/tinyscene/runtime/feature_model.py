"""What every road from features to probabilities has in common: the front end before it, the decision behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ..errors import AudioError
from .decision import Fusion, at_temperature
from .model_file import ModelCard


class FeatureModel(ABC):
    """A network that takes features and gives logits, with the card that tells the rest."""

    def __init__(self, card: ModelCard, decide: Fusion):
        self.card, self.decide = card, decide
        self._front_end = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in output order."""
        return self.card.labels

    @abstractmethod
    def logits(self, features: np.ndarray) -> np.ndarray:
        """(window, channel, band, frame) float32 -> (window, logit) float32."""

    def features(self, windows: np.ndarray) -> np.ndarray:
        """(window, window_samples) float at the model's rate -> (window, channel, band, frame) float32."""
        if windows.ndim != 2 or windows.shape[1] != self.card.window_samples or not np.isfinite(windows).all():
            raise AudioError(
                f"{self.card.name} takes windows of {self.card.window_samples} finite samples, (window, time); "
                f"{windows.shape} came. Cut them with tinyscene.runtime.cut_windows."
            )
        if self._front_end is None:
            from .front_end import front_end

            self._front_end = front_end(self.card.frontend)
        return self._front_end(windows.astype(np.float32, copy=False))

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """(window, window_samples) -> (window, class) float32, rows that sum to 1, as Classifier.probabilities."""
        rows = self.decide(self.logits(self.features(windows)))
        return at_temperature(rows, self.card.temperature).astype(np.float32)
