"""Trainings that are killed: `python nursery.py RUN DATA RECIPE KILLS SEED`.

The engine is loaded once and forked; each fork trains on in RUN, and is killed by SIGKILL at a random
moment of its work: some ticks after it has begun, and a while. Prints how each ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from merzmory.gan.config import train_config
from merzmory.gan.training import TrainingProgress, train

TICKS = 5  # that a fork gets done, less than
LONGEST = 0.03  # s that it works on before it is killed, at most


def main(run: Path, data: Path, recipe: str, kills: int, seed: int) -> None:
    config, rng = train_config(json.loads(recipe)), random.Random(seed)
    for _ in range(kills):
        began, begin = os.pipe()

        def say(progress: TrainingProgress, begin: int = begin) -> None:
            if progress.event in ("started", "resumed", None):
                os.write(begin, b".")

        child = os.fork()
        if child == 0:
            train(run, dataset=data, config=config, base=None, announce=say)
            os._exit(0)
        os.close(begin)
        for _ in range(1 + rng.randrange(TICKS)):
            os.read(began, 1)
        time.sleep(rng.uniform(0, LONGEST))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(began)
        print("killed" if os.WIFSIGNALED(status) else "finished", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
