"""One thread for torch, and a small field for all tests."""

from types import SimpleNamespace

import pytest
import torch
from scene import expose, light

from n2n.nets.sampling import Region


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def field():
    """Truth and exposures of 96 x 192 pixels."""
    truth = light(96, 192)
    arrays = expose(truth)
    region = Region.from_arrays(*arrays, device=torch.device("cpu"))
    return SimpleNamespace(truth=truth, region=region, arrays=arrays)
