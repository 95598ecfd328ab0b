"""From files to stored embeddings with ViT-B-32 (random weights): Opsin beside a plain torch DataLoader.

python -m benchmarks.encode_throughput [--photos 1000] [--big 100] [--batch 16]

Opsin adds the files to a new library with the `open_clip` encoder and no categorizers. The DataLoader decodes with
Pillow and open_clip's own transform in one worker process for each core, and runs the model in the precision that
Opsin reports (bfloat16 where the processor has it, with the weights in bfloat16), then in float32. Starting up is not
counted: Opsin's clock begins once a first batch is stored and nothing is under way; the DataLoader's when its first batch
is done, with what its workers have decoded ahead by then to its credit.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.inputs import big_photos, photos

import opsin
from opsin.host.torch_repair import watch_torchvision

MODEL = "ViT-B-32"
SETTINGS = "\n".join(f"[plugins.{name}]\nenabled = false" for name in ("zero_shot", "objects", "colors", "quality"))
TARGET, BIG_TARGET = 1.1, 2.0

watch_torchvision()  # the DataLoader's workers import this file before torchvision


def with_opsin(library: opsin.Library, paths: Sequence[Path], batch: int) -> float:
    """Return pictures per second until all are stored and searchable, after a first ``batch`` that is not counted."""
    library.add(*paths[:batch])
    begun = time.perf_counter()
    done = sum(added.status == "added" for added in library.add_each(*paths[batch:]))
    seconds = time.perf_counter() - begun
    if done != len(paths) - batch:
        msg = f"{done} of {len(paths) - batch} pictures were added"
        raise RuntimeError(msg)
    return done / seconds


class Pictures:
    """A dataset of files, decoded in full and transformed as open_clip does."""

    def __init__(self, paths: Sequence[Path], transform: Any) -> None:
        self.paths = paths
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Any:
        from PIL import Image

        with Image.open(self.paths[number]) as image:
            return self.transform(image.convert("RGB"))


def prepare_worker(number: int) -> None:  # noqa: ARG001 - DataLoader passes it
    """Give each worker one thread: there is one for each core."""
    import torch

    torch.set_num_threads(1)


def with_dataloader(model: Any, transform: Any, paths: Sequence[Path], batch: int, dtype: Any) -> float:
    """Return pictures per second until all vectors are in memory, counted from the end of the first batch."""
    import torch
    from torch.utils.data import DataLoader

    model = model.to(dtype)
    loader: Any = DataLoader(
        Pictures(paths, transform),  # type: ignore[arg-type]
        batch_size=batch,
        num_workers=os.cpu_count() or 1,
        multiprocessing_context="spawn",
        worker_init_fn=prepare_worker,
    )
    done, begun = 0, 0.0
    with torch.inference_mode():
        for number, pictures in enumerate(loader):
            vectors = torch.nn.functional.normalize(model.encode_image(pictures.to(dtype)).float(), dim=-1).numpy()
            if number:
                done += len(vectors)
            else:
                begun = time.perf_counter()
    return done / (time.perf_counter() - begun)


def main() -> None:
    """Measure both sides on both kinds of photos and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--big", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    given = parser.parse_args()

    import open_clip
    import torch

    logging.disable(logging.WARNING)  # open_clip remarks that the weights are random
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(MODEL)
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OPSIN_CACHE"] = str(Path(folder) / "cache")  # random weights need not be kept
        checkpoint = Path(folder) / "random.pt"
        torch.save(model.state_dict(), checkpoint)
        home = Path(folder) / "library"
        home.mkdir()
        (home / "opsin.toml").write_text(SETTINGS, "utf-8")
        with opsin.init(home, encoder=f"open_clip:{MODEL}@{checkpoint}", vocabularies=()) as library:
            small, big = photos(given.photos), big_photos(given.big)
            ours = with_opsin(library, small, given.batch)
            ours_big = with_opsin(library, big, given.batch)
            runtime = library._workspace.host.encoder.runtime
    same = torch.bfloat16 if runtime.endswith("bf16") else torch.float32
    plain = with_dataloader(model, transform, small, given.batch, same)
    plain_big = with_dataloader(model, transform, big, given.batch, same)
    exact = plain if same is torch.float32 else with_dataloader(model, transform, small, given.batch, torch.float32)
    name = str(same).removeprefix("torch.")
    print(f"{MODEL}, {os.cpu_count()} cores, Opsin's runtime: {runtime}")
    print(
        f"{len(small)} photos of 640x480: Opsin {ours:.1f}/s, DataLoader {name} {plain:.1f}/s, float32 {exact:.1f}/s; "
        f"ratio {ours / plain:.2f} (target {TARGET}), to float32 {ours / exact:.2f}"
    )
    print(
        f"{len(big)} photos of 12 MP: Opsin {ours_big:.1f}/s, DataLoader {name} with full decode {plain_big:.1f}/s; "
        f"ratio {ours_big / plain_big:.2f} (target {BIG_TARGET})"
    )


if __name__ == "__main__":
    main()
