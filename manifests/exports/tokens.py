"""Text to token ids as auto_avsr does it: SentencePiece's pieces, and their places in a list of units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manifests.exports.base import ExportError

UNKNOWN = "<unk>"


class Tokens:
    """Ids are 1-based places in the units; 0 is CTC's blank (mpc001/auto_avsr:preparation/transforms.py).

    `units`: the trainer's `NAME_units.txt`; None: that file where it lies beside the model, else `<unk>`
    and the sorted pieces of the model. Raises ExportError for files that are not what they should be.
    """

    def __init__(self, model: Path, units: Path | None) -> None:
        self._processor = sentencepiece_model(model)
        beside = model.with_name(f"{model.stem}_units.txt")
        self.units_file = units or (beside if beside.is_file() else None)
        self.units = _read_units(self.units_file) if self.units_file else [UNKNOWN, *sorted(pieces(model))]
        self._id = {unit: place for place, unit in enumerate(self.units, start=1)}
        self._capitals = any(map(str.isupper, self.units)) and not any(
            unit.islower() for unit in self.units if unit != UNKNOWN
        )

    def ids(self, text: str) -> list[int]:
        """Ids of the pieces of `text`, written in capitals where the units know no others."""
        shown = text.upper() if self._capitals else text
        return [self._id.get(piece, self.unknown) for piece in self._processor.encode(shown, out_type=str)]

    @property
    def unknown(self) -> int:
        """The id of `<unk>`."""
        return self._id[UNKNOWN]


def sentencepiece_model(path: Path) -> Any:
    """A SentencePiece model. Raises ExportError when the file is none."""
    try:
        import sentencepiece
    except ImportError as error:
        raise ExportError("reading a SentencePiece model needs `pip install duologue[exports]`") from error
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise ExportError(f"{path} is no SentencePiece model: {error}") from error


def pieces(model: Path) -> list[str]:
    """Pieces of a SentencePiece model in its own order, without `<unk>`, `<s>`, `</s>`."""
    found = sentencepiece_model(model)
    return [
        found.id_to_piece(i)
        for i in range(found.vocab_size())
        if not (found.is_control(i) or found.is_unknown(i))
    ]


def _read_units(path: Path) -> list[str]:
    try:
        units = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"option units: {path}: {error}") from error
    if UNKNOWN not in units or len(set(units)) != len(units):
        raise ExportError(f"option units: {path} is no list of distinct units with {UNKNOWN} among them")
    return units
