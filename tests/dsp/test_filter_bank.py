"""The product with a filter bank equals the whole matrix's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinyscene.dsp import FilterBank
from tinyscene.runtime import mel_filterbank
from tinyscene.runtime.gammatone_filters import gammatone_weights

BANKS = {
    "mel": mel_filterbank(44_100, 2_048, 256, 0, 22_050),
    "one band": mel_filterbank(16_000, 256, 1, 0, 8_000),
    "gammatone": gammatone_weights(16_000, 512, 32, 50, 8_000),
}


@pytest.mark.parametrize("name", BANKS)
def test_product_equals_the_whole_matrix(name):
    bank = BANKS[name]
    spectrum = torch.rand(3, bank.shape[1], 7, generator=torch.Generator().manual_seed(0))
    made = FilterBank(bank)(spectrum)
    np.testing.assert_allclose(made.numpy(), bank @ spectrum.double().numpy(), rtol=1e-5, atol=1e-6)


def test_it_has_nothing_to_train_or_save_and_moves_whole():
    bank = FilterBank(BANKS["mel"])
    assert list(bank.parameters()) == []
    assert bank.state_dict() == {}
    assert {buffer.device.type for buffer in bank.to("meta").buffers()} == {"meta"}


@pytest.mark.parametrize("name", BANKS)
def test_exported_it_is_one_product_with_the_same_answer(name):
    bank = FilterBank(BANKS[name])
    spectrum = torch.rand(2, BANKS[name].shape[1], 7, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(bank, (spectrum,))
    products = [node for node in program.graph.nodes if "matmul" in str(node.target)]
    assert len(products) == 1
    torch.testing.assert_close(program.module()(spectrum), bank(spectrum), rtol=1e-5, atol=1e-5)
