"""What a sensor does to charge beyond the fixed pattern of its `Detector`: nothing, unless it is a strange one."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

FULL_WELL = 1.05  # of full scale: converters are set a little below what a pixel holds


@dataclasses.dataclass(frozen=True)
class Oddities:
    """What the sensor does in one exposure beyond `Detector`; as it stands it does nothing (`n2n.simulate.strange`).

    Attributes
    ----------
    dark : float or array, shape (height, width)
        e-/s on top of the sensor's dark current.
    glow : float or array, shape (height, width)
        Expected e- that no light made.
    noise : float or array, shape (height, width)
        Factor on the read noise.
    offset : float or array, shape (height, width)
        ADU on top of the offset.
    bend : float
        Share of the charge that is lost at full scale; half of full scale loses a quarter of this share.
    bleeding : bool
        Whether charge beyond `FULL_WELL` runs along the columns.
    """

    dark: NDArray | float = 0.0
    glow: NDArray | float = 0.0
    noise: NDArray | float = 1.0
    offset: NDArray | float = 0.0
    bend: float = 0.0
    bleeding: bool = False


PLAIN = Oddities()


def bled(electrons: NDArray[np.float64], full: float) -> NDArray[np.float64]:
    """Let charge above `full` run along its column, half of it each way, until it finds room or the edge.

    Parameters
    ----------
    electrons : float array, shape (height, width)
        Charge as the light made it.
    full : float
        What a pixel holds.

    Returns
    -------
    float array, shape (height, width), at most `full` everywhere.
    """
    result = np.minimum(electrons, full)
    excess = electrons - result
    for column in np.flatnonzero(excess.any(axis=0)):
        room, half = full - result[:, column], excess[:, column] / 2
        for way in (1, -1):
            flowing = 0.0
            for row in range(len(room))[::way]:
                flowing += half[row]
                taken = min(flowing, room[row])
                room[row] -= taken
                flowing -= taken
        result[:, column] = full - room
    return result
