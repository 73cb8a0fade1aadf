"""A night with known truth, in any camera's dialect."""

from n2n.simulate.night import simulate_late_frame, simulate_night
from n2n.simulate.truth import load_truth, noiseless

__all__ = ["load_truth", "noiseless", "simulate_late_frame", "simulate_night"]
