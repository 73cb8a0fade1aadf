"""What every image has to pass: one file a gate, one list of them, which judging, reports and docs/gates.md walk.

To add a gate: its file here, a line in `GATES`, the limit in `n2n/config.schema.yaml` and `config/README.md` if people
may set it, a harm it finds in `benchmarks/gates/harms.py`, a test, a raised number in RECIPES with a line in the
changelog, and ``python -m n2n.fidelity.gates > docs/gates.md``.
"""

from n2n.fidelity.gates.agreement import AGREEMENT
from n2n.fidelity.gates.all_light import ALL_LIGHT
from n2n.fidelity.gates.depth import DEPTH
from n2n.fidelity.gates.detector import DETECTOR
from n2n.fidelity.gates.evenness import EVENNESS
from n2n.fidelity.gates.flux import FLUX
from n2n.fidelity.gates.gain import GAIN
from n2n.fidelity.gates.gate import Check, Gate, Verdict
from n2n.fidelity.gates.level import LEVEL
from n2n.fidelity.gates.light import LIGHT
from n2n.fidelity.gates.places import PLACES
from n2n.fidelity.gates.residual import RESIDUAL
from n2n.fidelity.gates.saturated import ALONE
from n2n.fidelity.gates.scatter import SCATTER
from n2n.fidelity.gates.seams import SEAMS
from n2n.fidelity.gates.sources import SOURCES
from n2n.fidelity.gates.starlight import STARLIGHT
from n2n.fidelity.gates.treatment import TREATMENT
from n2n.fidelity.gates.width import WIDTH
from n2n.fidelity.images import Images

# In the order of their work: gates that look at the same images stand together. Verdicts are told by their keys.
GATES: tuple[Gate, ...] = (
    GAIN,
    DEPTH,
    LIGHT,
    AGREEMENT,
    SOURCES,
    RESIDUAL,
    STARLIGHT,
    EVENNESS,
    SEAMS,
    FLUX,
    PLACES,
    SCATTER,
    WIDTH,
    ALL_LIGHT,
    ALONE,
    LEVEL,
    TREATMENT,
    DETECTOR,
)


def judge(images: Images, settings) -> list[Verdict]:
    """Verdicts of all gates whose needs are met, in the order of their keys.

    Images of large frames fill the memory: each is let go after the last gate that looks at it.
    """
    verdicts, gates = [], [gate for gate in GATES if images.holds.issuperset(gate.needs)]
    for index, gate in enumerate(gates):
        verdicts += gate.judge(images, settings)
        images.keep(name for later in gates[index + 1 :] for name in later.looks_at)
    return sorted(verdicts, key=lambda verdict: int(verdict.name[1:]))


def check_of(name: str, title: str) -> Check | None:
    """The check of a verdict; None when no gate knows it, as in an assessment of another version."""
    return next((check for gate in GATES for check in gate.checks if (check.key, check.title) == (name, title)), None)
