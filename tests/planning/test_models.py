import subprocess
import sys

import pytest

from n2n.config import check_config, options
from n2n.errors import UserError
from n2n.formats.tables import write_json
from n2n.nets.recipe import ACTIVATION, FROM_PRIOR, FROM_RANDOM, WIDTH
from n2n.planning import models
from n2n.planning.models import model_id

LIGHT = {"camera": "Cam", "filter": "Ha", "filter_bw_nm": "", "binning": "1x1", "gain_setting": "100"}


def name(train=None, **facts):
    """The model of a light, by settings of `train`."""
    return model_id(check_config({"train": train or {}}), LIGHT | facts)


def test_names_are_those_of_the_models_that_people_have():
    """Who changes one of these makes everybody train again."""
    assert name() == "Cam_Ha/ceb11dada7a8"
    assert name(filter_bw_nm="3") == "Cam_Ha3nm/8a890380d067"
    assert name({"steps": 60}) == "Cam_Ha/5dfa62456704"
    assert name({"learning_rate": 0.001}) == "Cam_Ha/8ad423d735b8"
    assert name({"width": 8, "steps": 100, "batch": 2, "crop": 32}) == "Cam_Ha/11390fc07592"


@pytest.mark.parametrize(
    "written",
    [
        {"start": "prior"},
        {"steps": FROM_PRIOR[0], "learning_rate": FROM_PRIOR[1]},
        {"start": "prior", "steps": FROM_PRIOR[0]},
        {"width": WIDTH, "activation": ACTIVATION, "learning_rate": 0.0},
        {"steps": float(FROM_PRIOR[0])},
    ],
)
def test_a_default_that_is_written_out_trains_nothing(written):
    assert name(written) == name()


def test_the_same_holds_for_a_start_at_random():
    written = {"start": "random", "steps": FROM_RANDOM[0], "learning_rate": FROM_RANDOM[1]}
    assert name(written) == name({"start": "random"}) != name()
    assert name({"width": 8} | written) == name({"width": 8}), "which no prior suits"


@pytest.mark.parametrize(
    "train",
    [
        {"activation": "elu"},
        {"width": 24},
        {"start": "random"},
        {"steps": 401},
        {"steps": FROM_RANDOM[0]},
        {"batch": 4},
        {"crop": 32},
        {"learning_rate": 0.001},
        {"seed": 2},
    ],
)
def test_the_model_depends_on_training(train):
    assert name(train) != name()


@pytest.mark.parametrize("facts", [{"camera": "X"}, {"filter": "L"}, {"binning": "2x2"}, {"gain_setting": "0"}])
def test_the_model_depends_on_the_set_up(facts):
    assert name(**facts) != name()


def test_the_model_depends_on_nothing_else():
    assert name(target="x", exptime_s="1", path="y", width="9", offset="3") == name()
    config = check_config({"gates": {"min_gain": 2.0}, "denoise": {"overlap": 64}, "register": {"max_rms_px": 0.5}})
    assert model_id(config, LIGHT) == name()


def test_another_way_of_training_makes_another_model(monkeypatch):
    before = name()
    monkeypatch.setitem(models.RECIPES, "train", models.RECIPES["train"] + 1)
    assert name() != before


def test_planning_needs_no_torch():
    program = "import sys; import n2n.planning.plan, n2n.planning.files; print({'torch', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"


def test_a_start_that_does_not_suit_the_network_is_refused_with_the_remedy():
    with pytest.raises(UserError, match=r"set train\.start: random"):
        name({"start": "prior", "width": 8})


def test_a_model_in_the_place_of_another_is_named_with_its_remedy(tmp_path):
    config, model = check_config({"models": str(tmp_path)}), name()
    file = models.model_file(config, model)
    for content in ({"recipe": {}}, {"model": model}):  # an older n2n wrote no name
        write_json(file, content)
        assert models.model_state(config, model) == "ready"
    file.with_name("model.safetensors").touch()
    write_json(file, {"model": "Cam_Ha/000000000000"})
    with pytest.raises(UserError, match=r"it is the model Cam_Ha/000000000000.*rm \S+model.json \S+safetensors$"):
        models.model_state(config, model)


@pytest.mark.parametrize("written", [{"start": "prior"}, {"steps": FROM_PRIOR[0]}, {"learning_rate": FROM_PRIOR[1]}])
def test_a_default_that_is_written_out_changes_no_command(written):
    config = check_config({"train": written})
    assert options({"train": models.training(config)}, "train") == options(check_config({}), "train")


def test_another_training_changes_the_command():
    train = models.training(check_config({"train": {"steps": 500}}))
    assert train["steps"] == 500 and train["start"] == "auto"
