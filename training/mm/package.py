"""Put the trained joint model into the package: `python -m training.mm.package`."""

import shutil

from seehear.models.backbones.mm_diffusion import CONFIG_FILE, WEIGHTS_FILE
from training.mm.unet import FOLDER
from training.packaging import POCKET, finished

SHIPPED = POCKET / "joint"


def main() -> None:
    if SHIPPED.exists():
        shutil.rmtree(SHIPPED)
    SHIPPED.mkdir(parents=True)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        shutil.copy(FOLDER / name, SHIPPED / name)
    finished(SHIPPED, {"_class_name": "MMDiffusion"})


if __name__ == "__main__":
    main()
