"""What users bring to presets, in form only: networks of seeded random weights, and what goes with them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORDS = (
    "bin",
    "blue",
    "two",
    "now",
    "red",
    "seven",
    "lay",
    "four",
    "set",
    "white",
    "soon",
    "place",
    "please",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NARROW: dict[str, Any] = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embedding_groups": 4,
}


def write_models(folder: Path) -> None:
    """Everything that a preset names, under the name by which it looks for it below `DUOLOGUE_MODELS`."""
    xls_r(folder / "wav2vec2-xls-r-1b")
    centres(folder / "xls-r-1b-l35-km10000.npz", 10_000, NARROW["hidden_size"])
    hubert_25hz(folder / "spiritlm-hubert")
    centres(folder / "spiritlm-semantic500.npz", 500, NARROW["hidden_size"])
    centres(folder / "spiritlm-pitch.npz", 64, 2)
    centres(folder / "spiritlm-style.npz", 100, NARROW["hidden_size"])
    lip_reader(folder / "lip_reader.onnx")
    for name in ("bert-base-uncased", "text-tokenizer"):
        word_pieces(folder / name)


def xls_r(folder: Path) -> None:
    """36 layers of wav2vec 2.0, narrow."""
    import torch

    from extractors.ssl_features import _without_broken_companions

    with _without_broken_companions():
        from transformers import Wav2Vec2Config, Wav2Vec2Model
    torch.manual_seed(11)
    Wav2Vec2Model(Wav2Vec2Config(num_hidden_layers=36, **NARROW)).save_pretrained(folder)


def hubert_25hz(folder: Path) -> None:
    """HuBERT with strides of 640 samples in all: 25 Hz, as SpiritLM's."""
    import torch

    from extractors.ssl_features import _without_broken_companions

    with _without_broken_companions():
        from transformers import HubertConfig, HubertModel
    torch.manual_seed(12)
    strides = {"conv_stride": (5, 2, 2, 2, 2, 2, 4), "conv_kernel": (10, 3, 3, 3, 3, 2, 4)}
    HubertModel(HubertConfig(num_hidden_layers=12, **NARROW, **strides)).save_pretrained(folder)


def centres(path: Path, n_units: int, n_dimensions: int) -> None:
    """k-means centres as `duologue fit-units` writes them, of no clips."""
    drawn = np.random.default_rng(n_units).standard_normal((n_units, n_dimensions)).astype(np.float32)
    sink = io.BytesIO()
    np.savez(sink, centres=drawn, about=np.array(json.dumps({})))
    path.write_bytes(sink.getvalue())


def lip_reader(path: Path) -> None:
    """A network with a CTC head over letters: a matrix over the 88 x 88 pixels."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    units = ["<blank>", "▁", *LETTERS]
    drawn: NDArray[np.float32] = np.random.default_rng(2).standard_normal((88 * 88, len(units)))
    tensors = [
        numpy_helper.from_array(drawn.astype(np.float32) * 0.03, "w"),
        numpy_helper.from_array(np.array([1, -1, 88 * 88]), "shape"),
    ]
    nodes = [
        helper.make_node("Reshape", ["lips", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["out"]),
    ]
    lips = helper.make_tensor_value_info("lips", TensorProto.FLOAT, [1, "frames", 1, 88, 88])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, "frames", len(units)])
    graph = helper.make_graph(nodes, "vsr", [lips], [out], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save_model(model, str(path))
    path.with_suffix(".units.txt").write_text("\n".join(units) + "\n", encoding="utf-8")


def word_pieces(folder: Path) -> None:
    """A folder of transformers with a WordPiece vocabulary of letters, as BERT's is one of pieces."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    pieces = ["[UNK]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
