"""CAREamics' Noise2Noise on one pair of half stacks; started by careamics_n2n.py, in CAREamics' own environment.

    peer/bin/python peer_careamics.py pair.npz result.npz --seconds 600 --threads 2

Reads `halves` (2, h, w), `large` (h, w) and writes `halves` denoised, with seconds of training and of inference.
Defaults wherever there are any: U-Net, loss, Adam, ReduceLROnPlateau, augmentations. There is none for patch and batch.
"""

import argparse
import copy
import json
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from careamics import CAREamist
from careamics.config.factories import create_advanced_n2n_config

PATCH, BATCH = (64, 64), 16
EPOCHS = 10_000  # the clock stops the training
TILE, OVERLAP = (256, 256), (48, 48)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", type=Path, help="file to write the network to, for n2n's loop to train")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    given = np.load(args.pair)
    halves, large = given["halves"], given["large"]
    config = create_advanced_n2n_config(
        experiment_name="bench",
        data_type="array",
        axes="SYX",
        patch_size=PATCH,
        batch_size=BATCH,
        num_epochs=EPOCHS,
        num_workers=0,
        trainer_params={"max_time": timedelta(seconds=args.seconds), "accelerator": "cpu"},
    )
    with tempfile.TemporaryDirectory() as folder:
        peer = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        began = time.monotonic()
        # Both directions: each half is input and target.
        peer.train(train_data=halves, train_data_target=halves[::-1].copy())
        training = time.monotonic() - began
        steps = int(peer.trainer.global_step)
        denoised = [_predict(peer, half) for half in halves]
        if args.network:
            network = copy.deepcopy(peer.model.model).cpu().train()
            torch.jit.trace(network, torch.zeros(BATCH, 1, *PATCH), check_trace=False).save(str(args.network))
        began = time.monotonic()
        _predict(peer, large)
        inference = time.monotonic() - began
    facts = {
        "seconds": training,
        "batch": BATCH,
        "crops_a_second": steps * BATCH / training,
        "mpx_a_second": large.size / 1e6 / inference,
        "parameters": sum(p.numel() for p in peer.model.parameters()),
    }
    np.savez(args.result, halves=np.array(denoised, np.float32), facts=json.dumps(facts))


def _predict(peer, image: np.ndarray) -> np.ndarray:
    found, _ = peer.predict(image[None], axes="SYX", tile_size=TILE, tile_overlap=OVERLAP, num_workers=0)
    return np.asarray(found[0]).squeeze()


if __name__ == "__main__":
    main()
