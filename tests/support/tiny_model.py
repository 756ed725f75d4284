"""A folder with a tiny BERT, as sentence-transformers lays it out."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from support.onnx_encoder import random_weights, write_bert

WORDS = "the a cat dog sat on mat report of city council water river house red blue one two three".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?"
CONFIG = {
    "model_type": "bert",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}


def write_tokenizer(path: Path) -> int:
    """A WordPiece that wants truncation to 8 and padding to 8; the size of its vocabulary."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", ends)
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(path))
    return len(vocab)


def write_tiny_model(folder: Path, limit: int = 40) -> Path:
    """The folder: model.onnx, tokenizer.json, and the settings beside them (mean pooling, normalised)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, "vocab_size": write_tokenizer(folder / "tokenizer.json")}
    write_bert(folder / "model.onnx", random_weights(config), config)
    (folder / "1_Pooling").mkdir(exist_ok=True)
    files = {
        "config.json": config,
        "sentence_bert_config.json": {"max_seq_length": limit},
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
        "modules.json": [
            {"type": "sentence_transformers.models.Transformer"},
            {"type": "sentence_transformers.models.Normalize"},
        ],
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder
