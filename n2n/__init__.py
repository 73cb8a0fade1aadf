"""n2n: raw night in, proven denoised FITS out."""

__version__ = "0.1.0"
