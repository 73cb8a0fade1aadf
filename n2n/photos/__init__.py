"""Photographs and synthetic corruptions: what the study of Noise2Noise (Lehtinen et al. 2018) trains on."""
