"""Meaning of the bits in every MASK plane n2n writes (0 is a good pixel)."""

NO_DATA = 1  # not covered by this exposure, or not a number
SATURATED = 2  # at or above the camera's full scale
DEFECT = 4  # hot, dead or otherwise unreliable detector pixel
OUTLIER = 8  # cosmic ray, satellite, aircraft: rejected against the other exposures
BYPASS = 16  # the denoiser left this pixel exactly as it is in the stack

NAMES = {
    NO_DATA: "no data",
    SATURATED: "saturated in an exposure",
    DEFECT: "detector defect in an exposure",
    OUTLIER: "outlier rejected in an exposure",
    BYPASS: "same as the stack, not denoised",
}
