"""Numpy on pixels: calibration, stars, matching, resampling, combining, noise."""
