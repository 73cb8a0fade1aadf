"""How the numbers of a file are meant: sign, scale, step."""

import numpy as np
import pytest

from n2n.sky.numbers import EITHER, step_of, stored_as

RNG = np.random.default_rng(1)
NONE = np.zeros((100, 120), bool)


def sixteen(values):
    """What a program writes that forgets BZERO, read again."""
    return values.astype(np.uint16).view(np.int16).astype(np.float32)


@pytest.mark.parametrize("level", [500, 32700])
def test_sixteen_bits_without_bzero_are_unsigned(level):
    values = RNG.normal(level, 20 if level < 1000 else 300, NONE.shape).clip(0, 65535)
    values[20:24, 30:34] = 65535  # a saturated star
    assert stored_as(sixteen(values), NONE, 16) == "unsigned"


@pytest.mark.parametrize("level", [40000, 60000])
def test_all_negative_numbers_may_have_lost_their_sign_or_their_bzero(level):
    values = RNG.normal(level, 300, NONE.shape).clip(0, 65535)
    assert stored_as(sixteen(values), NONE, 16) == EITHER


@pytest.mark.parametrize("level", [500, 20000])
def test_numbers_without_their_bzero_run_through_zero(level):
    values = RNG.normal(level, 20, NONE.shape)
    y, x = np.mgrid[: NONE.shape[0], : NONE.shape[1]]
    values += 50000 * np.exp(-((x - 60) ** 2 + (y - 50) ** 2) / 8)  # a star up to full scale
    assert stored_as(np.rint(values.clip(0, 65535) - 32768).astype("f4"), NONE, 16) == "shifted"


def test_a_gradient_through_the_sign_is_unsigned():
    values = np.linspace(20000, 50000, NONE.size).reshape(NONE.shape) + RNG.normal(0, 100, NONE.shape)
    assert stored_as(sixteen(values), NONE, 16) == "unsigned"


@pytest.mark.parametrize("level", [-40, 0, 3, 200])
def test_numbers_that_are_truly_negative_stay(level):
    values = RNG.normal(level, 60, NONE.shape).round().astype(np.float32)
    assert stored_as(values, NONE, 16) == ""


def test_shares_of_full_scale():
    values = RNG.normal(0.01, 0.001, NONE.shape).astype(np.float32)
    assert stored_as(values, NONE, -32) == "0-1"
    assert stored_as(values * 65535, NONE, -32) == ""
    assert stored_as(np.full_like(values, -0.2), NONE, -32) == ""
    assert stored_as(values - 0.01, NONE, -64) == "0-1"  # calibrated: noise around zero


@pytest.mark.parametrize(("step", "dtype"), [(1, np.uint16), (16, np.uint16), (4, np.float32)])
def test_the_step_of_shifted_numbers(step, dtype):
    values = (RNG.normal(60, 10, NONE.shape).round() * step).astype(dtype)
    values[3, 3] = 65535
    assert step_of(values) == step


def test_the_step_of_a_bias_of_three_numbers():
    values = 16 * RNG.normal(20, 0.4, NONE.shape).round()
    assert len(np.unique(values)) < 6 and step_of(values.astype(np.uint16)) == 16


def test_no_step_without_whole_numbers():
    assert step_of(RNG.normal(60, 10, NONE.shape).astype(np.float32)) is None
    assert step_of(np.full(NONE.shape, 7, np.uint16)) is None
