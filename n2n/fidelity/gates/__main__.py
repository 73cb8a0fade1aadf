"""``python -m n2n.fidelity.gates > docs/gates.md``: what the gates ask for, and why."""

from n2n.fidelity.gates.document import document

print(document(), end="")
