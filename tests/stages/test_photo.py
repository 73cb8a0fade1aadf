import json
import zlib

import numpy as np
import pytest
from PIL import Image

from n2n.cli import main
from n2n.formats.tables import write_json

SMALL = ["--width", "6", "--steps", "12", "--batch", "2", "--crop", "32", "--gpus", "0", "--threads", "1"]


def paint(folder, count=4, size=(80, 112), seed=0, noise=0.0):
    """Photographs of smooth colour; the same scene for the same seed, whatever the noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, noisy = np.random.default_rng(seed), np.random.default_rng(zlib.crc32(folder.name.encode()))
    y, x = np.mgrid[: size[0], : size[1]] / 20
    for index in range(count):
        a, b, c = rng.uniform(0.3, 1.5, 3)
        scene = np.stack([np.sin(a * x + index), np.cos(b * y), np.sin(c * (x + y))], axis=-1) * 90 + 128
        scene = scene + noise * noisy.normal(size=scene.shape)
        Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).save(folder / f"p{index}.png")
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return paint(tmp_path_factory.mktemp("data") / "photographs")


def train(output, *arguments):
    return main(["photo", "train", *map(str, arguments), *SMALL, "-o", str(output)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, photographs):
    model = tmp_path_factory.mktemp("trained") / "model.json"
    assert train(model, "--noise", "gaussian", "--photos", photographs, "--test", photographs) == 0
    return model


def test_a_network_comes_with_all_that_is_known_of_it(trained, photographs):
    facts = json.loads(trained.read_text())
    assert {p.name for p in trained.parent.iterdir()} >= {
        "model.json", "model.safetensors", "training.csv", "example.png", "state.pt",
    }  # fmt: skip
    assert (facts["noise"], facts["targets"], facts["recipe"]["loss"]) == ("gaussian", "noisy", "l2")
    scores = facts["sets"][photographs.name]
    assert scores["images"] == 4 and len(scores["each"]) == 4
    assert scores["noisy"] == pytest.approx(20.5, abs=1.0)  # sigma 25 of 255, clipped to 8 bits
    assert np.isfinite([scores[key] for key in ("psnr", "psnr_float", "ssim")]).all()
    rows = (trained.parent / "training.csv").read_text().splitlines()
    assert rows[0].startswith("step,training_loss,validation_loss,validation_psnr") and rows[-1].startswith("12,")


def test_the_validation_loss_holds_the_noise_and_the_psnr_does_not(tmp_path, photographs):
    """Noisy validation targets: the loss cannot fall below their variance, whatever the network is."""
    model = tmp_path / "model.json"
    assert train(model, "--noise", "gaussian", "--photos", photographs, "--targets", "clean") == 0
    final = json.loads(model.read_text())["final"]
    variance = (25 / 255) ** 2
    clean_error = 10 ** (-final["validation_psnr"] / 10)
    assert final["validation_loss"] > variance
    assert final["validation_loss"] == pytest.approx(variance + clean_error, rel=0.15)


def test_the_same_seed_gives_the_same_network_also_after_a_kill(tmp_path, photographs, trained, monkeypatch):
    from n2n.nets import loop

    arguments = ["--noise", "gaussian", "--photos", photographs, "--test", photographs]
    real, done = loop._save_state, []

    def dying(*args):
        real(*args)
        done.append(1)
        if len(done) == 4:
            raise KeyboardInterrupt

    model = tmp_path / "model.json"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save_state", dying)
        assert train(model, *arguments) == 130
    assert not model.exists()
    assert train(model, *arguments) == 0
    assert model.with_name("model.safetensors").read_bytes() == trained.with_name("model.safetensors").read_bytes()


@pytest.mark.parametrize("noise", ["poisson", "bernoulli", "text", "impulse", "camera"])
def test_every_noise_trains_with_the_loss_that_fits_it(tmp_path, photographs, noise):
    model = tmp_path / "model.json"
    assert train(model, "--noise", noise, "--photos", photographs, "--network", "ours") == 0
    expected = {"poisson": "l2", "camera": "l2", "bernoulli": "masked_l2", "text": "l1", "impulse": "annealed_l0"}
    assert json.loads(model.read_text())["recipe"]["loss"] == expected[noise]


def test_ones_own_noisy_pairs(tmp_path):
    """Trained on pairs alone, the network brings a noisy photograph nearer to the scene that nobody showed it."""
    first, second = (paint(tmp_path / name, count=6, seed=4, noise=25) for name in ("a", "b"))
    scene = paint(tmp_path / "scene", count=6, seed=4)
    model, output = tmp_path / "model.json", tmp_path / "out.png"
    more = ["--steps", "150", "--width", "12", "--learning-rate", "0.003"]
    arguments = ["photo", "train", "--pairs", first, second, *SMALL, *more, "-o", model]
    assert main([str(a) for a in arguments]) == 0
    assert main(["photo", "denoise", str(first / "p1.png"), str(output), "--model", str(model), "--gpus", "0"]) == 0
    noisy, clean, found = (np.asarray(Image.open(p), float) for p in (first / "p1.png", scene / "p1.png", output))
    assert np.mean((found - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)


def test_a_picture_keeps_its_size_and_gets_no_noise_added(tmp_path, trained, photographs):
    outputs = [tmp_path / "one.png", tmp_path / "two.tif"]
    for output in outputs:
        assert main(["photo", "denoise", str(photographs / "p0.png"), str(output), "--model", str(trained)]) == 0
    one, two = (np.asarray(Image.open(output)) for output in outputs)
    assert one.shape == (80, 112, 3) and np.array_equal(one, two)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either --noise KIND or --pairs"),
        (["--noise", "gaussian", "--photos", "missing"], "missing is not a folder"),
        (["--noise", "gaussian", "--width", "7"], "multiple of 3"),
        (["--noise", "gaussian", "--crop", "50"], "multiple of 32"),
        (["--pairs", "a", "b", "--targets", "clean"], "no clean target"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, arguments, words):
    command = ["photo", "train", *SMALL, *arguments, "-o", str(tmp_path / "model.json")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said and not list(tmp_path.iterdir())


def test_a_nights_model_is_no_model_for_photographs(tmp_path, capsys, photographs):
    write_json(tmp_path / "model.json", {"recipe": {}})
    command = ["photo", "denoise", photographs / "p0.png", tmp_path / "o.png", "--model", tmp_path / "model.json"]
    assert main([str(part) for part in command]) == 1
    assert "not a model for photographs" in capsys.readouterr().err


def test_the_usual_model_is_found_and_named(tmp_path, monkeypatch, caplog, capsys, trained, photographs):
    monkeypatch.chdir(tmp_path)
    command = ["photo", "denoise", str(photographs / "p0.png"), "out.png", "--gpus", "0"]
    assert main(command) == 1 and "n2n photo train" in capsys.readouterr().err
    (tmp_path / "models").mkdir()
    (tmp_path / "models/photo").symlink_to(trained.parent)
    assert main(command) == 0 and (tmp_path / "out.png").exists()
    assert "models/photo/model.json" in caplog.text


def test_one_photograph_cannot_train_and_judge(tmp_path, capsys):
    assert train(tmp_path / "m.json", "--noise", "gaussian", "--photos", paint(tmp_path / "one", count=1)) == 1
    assert "2 are needed" in capsys.readouterr().err


def test_pairs_must_match(tmp_path, capsys):
    first, second = paint(tmp_path / "a"), paint(tmp_path / "b", size=(80, 100))
    assert main(["photo", "train", "--pairs", str(first), str(second), *SMALL, "-o", str(tmp_path / "m.json")]) == 1
    assert "p0.png differs in size" in capsys.readouterr().err


def test_a_kind_of_picture_that_nobody_writes_is_refused_before_the_work(tmp_path, capsys, trained, photographs):
    command = ["photo", "denoise", photographs / "p0.png", tmp_path / "o.fits", "--model", trained]
    assert main([str(part) for part in command]) == 1
    assert "o.fits: unknown kind of picture" in capsys.readouterr().err


def test_a_folder_to_test_on_is_looked_for_before_the_training(tmp_path, capsys, photographs):
    model = tmp_path / "m/model.json"
    assert train(model, "--noise", "gaussian", "--photos", photographs, "--test", tmp_path / "kodak") == 1
    assert "kodak is not a folder" in capsys.readouterr().err and not model.parent.exists()
