"""Photographs and synthetic corruptions: what the study of Noise2Noise (Lehtinen et al. 2018) trains on."""

import n2n.nets  # noqa: F401  says how threads wait, which torch reads when it is loaded
