import pytest

from n2n.cli import build_parser
from n2n.config import check_config
from n2n.study.cells import SIZES, cells, photograph_options, recipe_options


@pytest.mark.parametrize("size", SIZES)
def test_every_comparison_has_both_sides_for_every_seed(size):
    grid = cells(size)
    assert len({tuple(cell.values()) for cell in grid}) == len(grid) == 4 * 2 * 2 * 3
    for cell in grid:
        for key, values in (("activation", ("leaky_relu", "elu")), ("targets", ("noisy", "clean"))):
            assert all(cell | {key: value} in grid for value in values)


@pytest.mark.parametrize("size", SIZES)
def test_the_options_are_the_commands(size):
    photos = check_config({"photos": {"train": "my photos", "test": ["a b", "c"]}})["photos"]
    text = f"photo train --noise text {recipe_options(size)} {photograph_options(photos)} -o m.json"
    import shlex

    args = build_parser("photo").parse_args(shlex.split(text))
    assert (args.steps, args.crop) == (SIZES[size]["steps"], SIZES[size]["crop"])
    assert str(args.photos) == "my photos" and [str(p) for p in args.test] == ["a b", "c"]


def test_without_photographs_of_ones_own():
    assert photograph_options(check_config({})["photos"]) == ""
    assert photograph_options(check_config({"photos": {"test": "kodak"}})["photos"]) == "--test kodak"
