"""Where a network lies, by what `n2n denoise` says of it: one trained by n2n, or the one that comes with n2n."""

from pathlib import PurePosixPath


def weights_file(model: dict) -> str:
    """The file of a network's weights: beside the file that describes it, ``path``, and of its name."""
    return PurePosixPath(model["path"]).with_suffix(".safetensors").as_posix()


def name_and_id(model: dict) -> tuple[str, str]:
    """The folders of a trained network below that of all models; empty for the network that comes with n2n."""
    path = PurePosixPath(model.get("path") or "")
    return (path.parent.parent.name, path.parent.name) if path.name == "model.json" else ("", "")
