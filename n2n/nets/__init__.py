"""The networks, their losses, sampling and training."""

import os

# Threads that spin while they wait slow a training on two shared cores down three to five times (60-100 ms a step
# against 230-340 ms beside one busy process). Read when torch is loaded, so it must be set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
