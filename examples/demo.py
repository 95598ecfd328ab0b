"""The demo: takes the photos that ship inside scikit-image and scikit-learn, tags and indexes them, and searches."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

PHOTOS = Path("opsin-demo/photos")
LIBRARY = Path("opsin-demo/library")
OPSIN = Path(sys.executable).with_name("opsin")


def gather() -> None:
    """Write the 11 colour photos to ``PHOTOS``; what else scikit-image knows would come from the network."""
    import numpy as np
    import skimage.data
    from PIL import Image
    from sklearn.datasets import load_sample_images

    left, right, _ = skimage.data.stereo_motorcycle()
    samples = load_sample_images()
    pictures = {
        "astronaut": skimage.data.astronaut(),
        "chelsea": skimage.data.chelsea(),
        "coffee": skimage.data.coffee(),
        "rocket": skimage.data.rocket(),
        "motorcycle_left": left,
        "motorcycle_right": right,
        "hubble": skimage.data.hubble_deep_field(),
        "retina": skimage.data.retina(),
        "ihc": skimage.data.immunohistochemistry(),
        **{Path(name).stem: image for name, image in zip(samples.filenames, samples.images, strict=True)},
    }
    PHOTOS.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        target = PHOTOS / f"{name}.jpg"
        if not target.exists():
            Image.fromarray(np.asarray(pixels)).save(target, quality=92)


def opsin(*arguments: str, expected: tuple[int, ...] = (0,)) -> None:
    """Show a command and run it as a user would."""
    shown = " ".join(f'"{argument}"' if " " in argument else argument for argument in arguments)
    print(f"\n$ opsin {shown}", flush=True)
    done = subprocess.run([OPSIN, *arguments, "--library", LIBRARY], check=False)
    if done.returncode not in expected:
        sys.exit(f"the demo stopped: `opsin {shown}` ended with status {done.returncode}")


def main() -> None:
    """Run the whole tour."""
    warnings.simplefilter("ignore")
    print(f"Taking 11 photos into {PHOTOS} ...", flush=True)
    gather()
    if not (LIBRARY / "catalogue.sqlite").exists():
        opsin("init")
    opsin("add", str(PHOTOS))
    opsin("list")
    opsin("search", "a cat", "-n", "3")
    opsin("search", "motorbike", "-n", "3")
    opsin("search", "coffee", "-n", "3")
    print("\nBy example, the other half of a stereo pair comes first:")
    opsin("search", "--like", str(PHOTOS / "motorcycle_left.jpg"), "-n", "3")
    print("\nWords and an example together:")
    opsin("search", "a cat", "--like", f"{PHOTOS / 'motorcycle_left.jpg'}:0.5", "-n", "3")
    print("\nNothing in these photos matches this:")
    opsin("search", "grand piano", expected=(1,))
    print(
        f"""
The library is {LIBRARY}, the photos stay in {PHOTOS}. Try next:
  {OPSIN} show chelsea.jpg --library {LIBRARY}
  {OPSIN} explain chelsea.jpg cat --library {LIBRARY}
  {OPSIN} init && {OPSIN} add ~/Pictures && {OPSIN} search "a dog on a beach"
"""
    )


if __name__ == "__main__":
    main()
