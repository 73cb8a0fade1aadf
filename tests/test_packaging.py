"""What the packaging files say about the environment is one and the same thing."""

import fnmatch
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import yaml

import n2n

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TORCH = "2.13.0"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_dependencies() -> list[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = PROJECT["project"]["dependencies"] + [line for extra in extras for line in extra]
    return [canonical(re.match(r"[\w.-]+", line)[0]) for line in lines]


def pins(lines) -> dict[str, str]:
    found = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {canonical(name): version.strip() for name, version in found}


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return pins((ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def conda() -> list:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]


def test_every_direct_dependency_is_locked(lock):
    assert set(direct_dependencies()) <= set(lock)


def test_the_lock_holds_only_plain_pins():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line)] == []


def test_conda_and_pip_users_get_the_same_versions(lock, conda):
    stated = pins(next(entry["pip"] for entry in conda if isinstance(entry, dict)))
    assert stated == {name: lock[name] for name in direct_dependencies()}


def test_environments_of_rules_hold_locked_versions(lock):
    for file in (ROOT / "workflow" / "envs").glob("*.yaml"):
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
        stated = pins(next(entry["pip"] for entry in entries if isinstance(entry, dict)))
        assert stated.items() <= lock.items()


def test_python_versions_agree(conda):
    assert "python >=3.11,<3.14" in conda
    assert PROJECT["project"]["requires-python"] == ">=3.11"


def test_torch_is_pinned_and_what_it_brings_is_not(lock):
    assert lock["torch"] == TORCH
    assert not [name for name in lock if name.startswith("nvidia-") or name == "triton"]


def test_version_is_in_the_changelog():
    assert f"## [{n2n.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def data_files() -> list[str]:
    folder = ROOT / "n2n"
    every = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path.relative_to(folder).as_posix() for path in every if path.suffix not in (".py", ".pyc"))


@pytest.mark.parametrize("name", data_files())
def test_data_files_are_packaged_and_found(name):
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["n2n"]
    assert any(fnmatch.fnmatch(f"/{name}", pattern.replace("**", "*")) for pattern in patterns)
    file = resources.files("n2n").joinpath(*name.split("/"))
    assert file.is_file() and file.read_bytes()


def test_the_schema_and_the_cameras_are_data_files():
    assert {"config.schema.yaml", "formats/cameras.yaml"} <= set(data_files())
