import pytest

from n2n.simulate import simulate_night


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """(night folder, truth folder) of one tiny night, made once."""
    base = tmp_path_factory.mktemp("tiny")
    raw = simulate_night(base / "raw", preset="tiny", seed=5, processes=1, report=lambda text: None)
    return raw, base / "truth" / raw.name
