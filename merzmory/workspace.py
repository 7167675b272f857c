"""Where everything lies under `outputs/`.

    outputs/
      archives/NAME-1a2b3c4d/   catalogue of one archive, shared by every experiment on it
      weights/                  bases and networks that were imported or fetched
      private/                  sessions, for this user's eyes alone
      prefect/                  the local Prefect server's own files
      EXPERIMENT/               dataset-…, run-…, samples-…, matches-…, film-…, gallery-…

A folder's name ends in eight hex digits of the settings it was made from, so other settings
lie beside the old result and never over it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from merzmory.errors import ConfigError, StorageError, storage_errors
from merzmory.manifest import Settings, digest, is_finished

_RESERVED = {"archives", "weights", "private", "prefect"}
_README = """\
Everything that MERZmory makes lies here: nothing is written anywhere else, and your own
photographs are never moved, changed or deleted. Each folder holds `settings.json` (how it was
made) and `manifest.jsonl` (a line a file). A name that ends in `.part` is unfinished work:
the same command goes on with it. Any folder may be deleted; the command makes it again.
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one experiment. Nothing is made until `prepare` or a step asks for it."""

    outputs: Path
    name: str

    def prepare(self) -> None:
        """Make `outputs/` and its README.

        Raises:
            ConfigError: the experiment's name cannot be a folder's.
            StorageError: `outputs` cannot be written.
        """
        if not re.fullmatch(r"[\w][\w .-]{0,63}", self.name) or self.name in _RESERVED:
            raise ConfigError(
                f"The experiment's name {self.name!r} cannot be a folder's: use up to 64 letters, "
                f"digits, dots, dashes and none of {', '.join(sorted(_RESERVED))} "
                "(--set name=NAME)."
            )
        with storage_errors(self.outputs):
            try:
                self.outputs.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise StorageError(
                    f"{self.outputs} is a file, not a folder: choose another place with "
                    "--set outputs=FOLDER."
                ) from error
            readme = self.outputs / "README.md"
            if not readme.exists():
                readme.write_text(_README, "utf-8")
            if not os.access(self.outputs, os.W_OK):
                raise PermissionError(13, "not writable", str(self.outputs))

    @property
    def experiment(self) -> Path:
        """The folder of this experiment's results."""
        return self.outputs / self.name

    @property
    def weights(self) -> Path:
        """The ledger's cache: bases and networks."""
        return self.outputs / "weights"

    @property
    def archives(self) -> Path:
        """Catalogues, and what was fetched."""
        return self.outputs / "archives"

    @property
    def private(self) -> Path:
        """Sessions: nobody else may read them, and no result holds them."""
        return self.outputs / "private"

    @property
    def prefect(self) -> Path:
        """The local Prefect server's home."""
        return self.outputs / "prefect"

    def archive(self, label: str, settings: Settings) -> Path:
        """The folder of an archive's catalogue: archives/LABEL-DIGEST."""
        slug = re.sub(r"[^\w.-]+", "-", label).strip("-.").lower() or "archive"
        return self.archives / f"{slug[:40]}-{digest(settings)}"

    def result(self, kind: str, settings: Settings) -> Path:
        """The folder for a result of `kind` made from `settings`: EXPERIMENT/KIND-DIGEST."""
        return self.experiment / f"{kind}-{digest(settings)}"

    def results(self, kind: str | None = None) -> list[Path]:
        """The finished folders of this experiment, oldest first."""
        pattern = f"{kind}-????????" if kind else "*-????????"
        found = [p for p in self.experiment.glob(pattern) if is_finished(p)]
        return sorted(found, key=lambda p: p.stat().st_mtime)
