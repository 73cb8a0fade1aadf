"""Which model a group is denoised with, and which groups a missing model is trained on."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.sealed import damaged
from n2n.formats.tables import read_json
from n2n.nets.recipe import Recipe
from n2n.planning import setups
from n2n.planning.masters import safe
from n2n.planning.names import shortened
from n2n.planning.planned import Group
from n2n.recipes import RECIPES


def model_id(config: dict, light: dict) -> str:
    """``<name>/<id>`` of the model for a set-up and all that training depends on.

    A setting that is written out where it would have been decided so anyway makes no other model.

    Raises
    ------
    UserError
        Where the settings of `train` contradict each other.
    """
    setup = {column.name: light.get(column.name, "") for column in setups.columns("model")}
    camera, band, width = (setup.pop(name) for name in ("camera", "filter", "filter_bw_nm"))
    band += f"{width}nm" if width else ""
    content = {"setup": [camera, band, *setup.values()], "train": training(config), "recipe": RECIPES["train"]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    return f"{shortened(safe(camera), 100) or 'camera'}_{shortened(safe(band), 60)}/{digest}"


def training(config: dict) -> dict:
    """The settings of `train`, with everything left open that would be decided as it is written.

    Raises
    ------
    UserError
        Where they contradict each other.
    """
    recipe = asdict(Recipe(**config["train"]).shortest())
    return {key: _plain(recipe[key]) for key in config["train"]}


def _plain(value):
    """A number as it is written shortest: 400 and 400.0 are one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def model_file(config: dict, model: str) -> Path:
    """The file that describes a model, and is there when the model is whole."""
    return Path(config["models"]) / model / "model.json"


def model_state(config: dict, model: str) -> str:
    """``ready``, ``refused`` (training had too little) or ``missing``; UserError where it is another model's."""
    path = model_file(config, model)
    if not path.is_file():
        return "missing"
    told = read_json(path, unsealed=True)
    if told.get("model", model) != model:
        weights = path.with_name("model.safetensors")
        raise damaged(path, f"it is the model {told['model']}", *([weights] if weights.exists() else []))
    return "refused" if told.get("refused") else "ready"


def assign_training(config: dict, groups: list[Group]) -> dict[str, list[tuple[str, str]]]:
    """Choose the groups each missing model trains on: those of the earliest night that has enough exposures.

    Returns
    -------
    dict
        By the model's name: night and name of each group.

    Raises
    ------
    UserError
        When `model.mode` is reuse and a model is missing.
    """
    mode, training = config["model"]["mode"], {}
    for model in sorted({group.model for group in groups if group.model}):
        of_model = [group for group in groups if group.model == model]
        state, path = model_state(config, model), model_file(config, model)
        if state == "ready" and mode != "retrain":
            continue
        if mode == "reuse" and state == "missing":
            raise UserError(
                f"model.mode is reuse, but {path}, needed for {of_model[0].night}/{of_model[0].name}, does not exist; "
                "set model.mode: auto to train it, or copy the model there"
            )
        tried = read_json(path, unsealed=True).get("groups", []) if state == "refused" else []
        candidates = [group for group in of_model if f"{group.night}/{group.name}" not in tried]
        if mode == "reuse" or not candidates:
            continue
        first = min(group.night for group in candidates)
        training[model] = [(group.night, group.name) for group in candidates if group.night == first]
    return training
