"""Photographs and synthetic corruptions: what the study of Noise2Noise (Lehtinen et al. 2018) trains on."""

import os

# As in n2n/nets: read when torch is loaded, whichever room loads it first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
