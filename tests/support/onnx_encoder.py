"""Writes a BERT encoder as an ONNX file, from weights by their names in a Hugging Face checkpoint. No torch needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

Weights = dict[str, np.ndarray]


class BertGraph:
    """Nodes and constants of an encoder, put together layer by layer."""

    def __init__(self, weights: Weights, config: dict[str, Any]):
        self.weights, self.config = weights, config
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        self.constants[name] = np.asarray(value, dtype)
        return name

    def weight(self, name: str, transpose: bool = False) -> str:
        value = self.weights[name]
        return self.constant(name, value.T.copy() if transpose else value)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, x: str, name: str) -> str:
        return self.node(
            "Add", self.node("MatMul", x, self.weight(f"{name}.weight", True)), self.weight(f"{name}.bias")
        )

    def norm(self, x: str, name: str) -> str:
        epsilon = self.config.get("layer_norm_eps", 1e-12)
        names = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", x, *names, axis=-1, epsilon=epsilon)

    def embeddings(self) -> str:
        shape = self.node("Shape", "input_ids")
        length = self.node("Gather", shape, self.constant("one_index", 1, np.int64))
        zero, one = self.constant("zero", 0, np.int64), self.constant("one", 1, np.int64)
        positions = self.node("Range", zero, length, one)
        e = "embeddings"
        words = self.node("Gather", self.weight(f"{e}.word_embeddings.weight"), "input_ids")
        types = self.node("Gather", self.weight(f"{e}.token_type_embeddings.weight"), "token_type_ids")
        places = self.node("Gather", self.weight(f"{e}.position_embeddings.weight"), positions)
        return self.norm(self.node("Add", self.node("Add", words, types), places), f"{e}.LayerNorm")

    def mask(self) -> str:
        kept = self.node("Cast", "attention_mask", to=TensorProto.FLOAT)
        wide = self.node("Unsqueeze", kept, self.constant("mask_axes", [1, 2], np.int64))
        off = self.node("Sub", self.constant("one_float", 1.0), wide)
        return self.node("Mul", off, self.constant("far_below", -10000.0))

    def heads(self, x: str, name: str, order: list[int]) -> str:
        heads = self.config["num_attention_heads"]
        shape = self.constant("split", [0, 0, heads, self.config["hidden_size"] // heads], np.int64)
        return self.node("Transpose", self.node("Reshape", self.linear(x, name), shape), perm=order)

    def layer(self, x: str, mask: str, number: int) -> str:
        name = f"encoder.layer.{number}"
        own = f"{name}.attention.self"
        query, key = self.heads(x, f"{own}.query", [0, 2, 1, 3]), self.heads(x, f"{own}.key", [0, 2, 3, 1])
        value = self.heads(x, f"{own}.value", [0, 2, 1, 3])
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        scores = self.node("Div", self.node("MatMul", query, key), self.constant("root", np.sqrt(size)))
        share = self.node("Softmax", self.node("Add", scores, mask), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", share, value), perm=[0, 2, 1, 3])
        joined = self.node("Reshape", mixed, self.constant("join", [0, 0, self.config["hidden_size"]], np.int64))
        attended = self.linear(joined, f"{name}.attention.output.dense")
        x = self.norm(self.node("Add", attended, x), f"{name}.attention.output.LayerNorm")
        inner = self.node("Gelu", self.linear(x, f"{name}.intermediate.dense"))
        return self.norm(self.node("Add", self.linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def model(self) -> Any:
        x, mask = self.embeddings(), self.mask()
        for number in range(self.config["num_hidden_layers"]):
            x = self.layer(x, mask, number)
        self.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
        ids = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ]
        shape = ["batch", "tokens", self.config["hidden_size"]]
        output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "bert", ids, [output], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write_bert(path: Path, weights: Weights, config: dict[str, Any]) -> None:
    """Writes the encoder; its output is last_hidden_state (batch, tokens, hidden_size)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(BertGraph(weights, config).model(), path)


def random_weights(config: dict[str, Any], seed: int = 0) -> Weights:
    """Weights of a BERT that nobody trained."""
    rng = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    weights: Weights = {}

    def linear(name: str, rows: int, columns: int) -> None:
        weights[f"{name}.weight"] = rng.normal(0, 0.2, (rows, columns)).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(0, 0.1, rows).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(hidden, np.float32)
        weights[f"{name}.bias"] = np.zeros(hidden, np.float32)

    rows = {"word": config["vocab_size"], "position": config["max_position_embeddings"], "token_type": 2}
    for name, count in rows.items():
        weights[f"embeddings.{name}_embeddings.weight"] = rng.normal(0, 1, (count, hidden)).astype(np.float32)
    norm("embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, hidden)
        linear(f"{layer}.output.dense", hidden, inner)
        norm(f"{layer}.output.LayerNorm")
    return weights


def read_safetensors(path: Path) -> Weights:
    """The float32 tensors of a checkpoint, by name."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        body = file.read()
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }
