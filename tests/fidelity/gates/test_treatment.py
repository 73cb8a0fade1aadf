import numpy as np
import pytest
from observed import SETTINGS, SHAPE, Sky

from n2n.fidelity.gates.gate import FAIL, INFO, PASS
from n2n.fidelity.gates.treatment import TREATMENT, treatment_verdict
from n2n.fidelity.images import ALL, Shipped


@pytest.mark.parametrize(("more", "verdict"), [(0.0, PASS), (0.1, FAIL)])
def test_what_is_taken_from_all_must_be_what_was_taken_from_a_part(more, verdict):
    sky = Sky(0)
    good = sky.good()
    images = sky.seen(good, shipped=Shipped(50 + sky.stack, 50 + good - more, 50.0, np.ones(SHAPE)))
    assert ALL in images.holds
    found = TREATMENT.judge(images, SETTINGS)[0]
    assert found.verdict == verdict and found.value == pytest.approx(more, abs=1e-6)


def test_nothing_usable_is_not_judged():
    assert treatment_verdict(np.zeros(SHAPE), np.zeros(SHAPE, bool), SETTINGS).verdict == INFO
