"""Products by oneDNN and by MKL are the same numbers to rounding."""

from __future__ import annotations

import pytest
import torch

from stages.training import products


@pytest.mark.parametrize("onednn", [True, False])
def test_products_of_plain_and_transposed_matrices(onednn, monkeypatch):
    if onednn and not products._onednn():
        pytest.skip("this build of torch has no such operator")
    monkeypatch.setattr(products, "_onednn", lambda: onednn)
    generator = torch.Generator().manual_seed(1)
    x, w = torch.randn(40, 24, generator=generator), torch.randn(16, 24, generator=generator)
    bias = torch.randn(16, generator=generator)
    exact = x.double() @ w.double().T
    for one, other in ((x, w), (x.T.contiguous().T, w), (x, w.T.contiguous().T)):
        found = products.product(one, other, bias)
        torch.testing.assert_close(found.double(), exact + bias.double(), rtol=1e-5, atol=1e-5)
        assert torch.equal(found, products.product(one, other, bias))
