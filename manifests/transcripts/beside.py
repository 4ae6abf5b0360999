"""Which transcript belongs to a recording: the one a sidecar names, or the one that lies beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from manifests.transcripts.read import SUFFIXES


class Beside:
    """Transcripts of the recordings below `root`; every folder is listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, dict[str, str]] = {}

    def of(self, path: str, named: str | None) -> dict[str, Any] | None:
        """`path` below the root, `sha256` (null: it cannot be read) and `named` of the transcript of a
        recording; None where there is none.

        Of several beside a recording, the one that tells most. JSON counts only where a sidecar names it:
        what lies beside a recording under its name is mostly something else.
        """
        if named is not None:
            return self._file(named, named=True)
        folder = Path(path).parent
        if folder not in self._names:
            files = [one.name for one in (self._root / folder).iterdir() if one.suffix.lower() in SUFFIXES]
            self._names[folder] = {name.lower(): name for name in sorted(files)}
        for suffix in (one for one in SUFFIXES if one != ".json"):
            name = self._names[folder].get(f"{Path(path).stem}{suffix}".lower())
            if name is not None and name != Path(path).name:
                return self._file((folder / name).as_posix(), named=False)
        return None

    def _file(self, path: str, *, named: bool) -> dict[str, Any]:
        try:
            sha256 = hashlib.sha256((self._root / path).read_bytes()).hexdigest()
        except OSError:
            sha256 = None
        return {"path": path, "sha256": sha256, "named": named}
