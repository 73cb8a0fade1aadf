"""Judging without truth: risk, photometry, zones, gates."""
