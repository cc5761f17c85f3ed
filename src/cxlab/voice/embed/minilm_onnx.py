r"""The network of all-MiniLM-L6-v2 as an ONNX graph, written from its weights, in floating point or whole numbers.

Six layers of twelve heads over 384 numbers a token, the mean of the tokens, length one. The graph is made of
onnxruntime's fused operations. In whole numbers a matrix of weights keeps seven bits and a scale for each output, and
every token that enters it eight bits and a scale of its own:

.. math:: y_{tj} = a_t b_j \sum_k q_{tk} w_{kj}, \quad q_{tk} = \mathrm{round}(x_{tk} / a_t), \quad
          a_t = \max_k |x_{tk}| / 127

So a text's vector does not depend on the texts it is computed with, and processors without the newest instructions
cannot overflow: every machine gives the same vectors.

References
----------
Wang et al. (2020), MiniLM, https://doi.org/10.48550/arXiv.2002.10957; Reimers and Gurevych (2019), sentence vectors as
means of tokens, https://doi.org/10.18653/v1/D19-1410; Dettmers et al. (2022), a scale a row and a column,
https://doi.org/10.48550/arXiv.2208.07339.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import onnx

VERSION: Final = 3  # of the graph: enters the names of files made with it
LAYERS: Final = 6
HEADS: Final = 12
SIZE: Final = 384  # numbers of a token and of a text
EPSILON: Final = 1e-12  # of the normalisation of a layer
_FUSED: Final = "com.microsoft"
_WEIGHT: Final = 63  # largest whole number of a weight
_TOKEN: Final = 127  # of a token


def model(weights: Mapping[str, np.ndarray], *, whole: bool) -> onnx.ModelProto:
    """Return the graph: ``ids``, ``mask`` (int32, text x token) -> ``vectors`` (float32, text x 384).

    Parameters
    ----------
    weights : mapping of str to array
        Tensors of ``model.safetensors`` by name.
    whole : bool
        Multiply in whole numbers (about twice as fast, cosine with floating point above .99).
    """
    from onnx import TensorProto, helper

    draw = _Drawing()
    names = "embeddings.{}.weight"
    place = weights[names.format("position_embeddings")] + weights[names.format("token_type_embeddings")][0]
    hidden = draw.fused(
        "EmbedLayerNormalization",
        ["ids", "", draw.constant(weights[names.format("word_embeddings")]), draw.constant(place), ""]
        + [draw.constant(weights[f"embeddings.LayerNorm.{part}"]) for part in ("weight", "bias")],
        outputs=2,
        epsilon=EPSILON,
    )
    for i in range(LAYERS):
        hidden = _layer(draw, weights, f"encoder.layer.{i}.", hidden, whole)
    seen = draw.plain("Unsqueeze", [draw.plain("Cast", ["mask"], to=TensorProto.FLOAT), draw.constant([2])])
    total = draw.plain("ReduceSum", [draw.plain("Mul", [hidden, seen]), draw.constant([1])], keepdims=0)
    count = draw.plain("ReduceSum", [seen, draw.constant([1])], keepdims=0)
    mean = draw.plain("Div", [total, count])
    draw.nodes.append(helper.make_node("LpNormalization", [mean], ["vectors"], axis=1, p=2))
    graph = helper.make_graph(
        draw.nodes,
        "minilm",
        [helper.make_tensor_value_info(name, TensorProto.INT32, ["text", "token"]) for name in ("ids", "mask")],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["text", SIZE])],
        draw.constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_FUSED, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


class _Drawing:
    """Nodes and constants of a graph under way; every result gets a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def plain(self, kind: str, inputs: list[str], *, outputs: int = 1, domain: str = "", **settings: Any) -> str:
        from onnx import helper

        names = [f"n{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, **settings))
        return names[0]

    def fused(self, kind: str, inputs: list[str], *, outputs: int = 1, **settings: Any) -> str:
        return self.plain(kind, inputs, outputs=outputs, domain=_FUSED, **settings)


def _layer(draw: _Drawing, weights: Mapping[str, np.ndarray], at: str, hidden: str, whole: bool) -> str:
    """Attention, then the two dense steps; each adds to its input and is normalised."""
    parts = [f"{at}attention.self.{part}" for part in ("query", "key", "value")]
    matrices = [weights[f"{part}.weight"].T for part in parts]
    bias = draw.constant(np.concatenate([weights[f"{part}.bias"] for part in parts]))
    if whole:
        inputs = [*_products(draw, matrices, hidden), bias, "mask"]
        seen = draw.fused("MultiHeadAttention", inputs, num_heads=HEADS)
    else:
        inputs = [hidden, draw.constant(np.concatenate(matrices, axis=1)), bias, "mask"]
        seen = draw.fused("Attention", inputs, num_heads=HEADS)
    hidden = _joined(draw, weights, f"{at}attention.output.", seen, hidden, whole)
    inner = _product(draw, weights[f"{at}intermediate.dense.weight"].T, hidden, whole)
    inner = draw.fused("BiasGelu", [inner, draw.constant(weights[f"{at}intermediate.dense.bias"])])
    return _joined(draw, weights, f"{at}output.", inner, hidden, whole)


def _joined(draw: _Drawing, weights: Mapping[str, np.ndarray], at: str, new: str, old: str, whole: bool) -> str:
    """Add to the input and normalise each token, step by step: onnxruntime's own operation takes twice as long."""
    gain, shift, bias = (
        draw.constant(weights[f"{at}{part}"]) for part in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
    )
    product = _product(draw, weights[f"{at}dense.weight"].T, new, whole)
    total = draw.plain("Add", [draw.plain("Add", [product, old]), bias])
    centred = draw.plain("Sub", [total, draw.plain("ReduceMean", [total], axes=[2], keepdims=1)])
    square = draw.plain("ReduceSum", [draw.plain("Mul", [centred, centred]), draw.constant([2])], keepdims=1)
    length = draw.plain("Sqrt", [draw.plain("Add", [square, draw.constant(np.float32(SIZE * EPSILON))])])
    inverse = draw.plain("Div", [draw.constant(np.float32(np.sqrt(SIZE))), length])
    scaled = draw.plain("Mul", [draw.plain("Mul", [centred, inverse]), gain])
    return draw.plain("Add", [scaled, shift])


def _product(draw: _Drawing, matrix: np.ndarray, value: str, whole: bool) -> str:
    return _products(draw, [matrix], value)[0] if whole else draw.plain("MatMul", [value, draw.constant(matrix)])


def _products(draw: _Drawing, matrices: list[np.ndarray], value: str) -> list[str]:
    """Multiply tokens by matrices in whole numbers."""
    rows = draw.plain("Reshape", [value, draw.constant([-1, matrices[0].shape[0]])])
    largest = draw.plain("ReduceMax", [draw.plain("Abs", [rows])], axes=[1], keepdims=0)
    largest = draw.plain("Max", [largest, draw.constant(np.float32(EPSILON))])
    scale = draw.plain("Mul", [largest, draw.constant(np.float32(1 / _TOKEN))])
    zeros = draw.plain("Expand", [draw.constant(np.array([_TOKEN + 1], np.uint8)), draw.plain("Shape", [scale])])
    rounded = draw.plain("QuantizeLinear", [rows, scale, zeros], axis=0)
    scale = draw.plain("Unsqueeze", [scale, draw.constant([1])])
    zero, one = draw.constant(np.uint8(_TOKEN + 1)), draw.constant(np.float32(1))
    found = []
    for matrix in matrices:
        values, sizes = _seven_bits(matrix)
        inputs = [rounded, draw.constant(values), one, draw.constant(sizes), zero]
        product = draw.fused("MatMulIntegerToFloat", [*inputs, draw.constant(np.zeros(len(sizes), np.int8))])
        shape = draw.plain("Concat", [draw.plain("Shape", ["ids"]), draw.constant([-1])], axis=0)
        found.append(draw.plain("Reshape", [draw.plain("Mul", [product, scale]), shape]))
    return found


def _seven_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers and one scale a column: ``matrix`` is about ``values * scale``."""
    scale = np.maximum(np.abs(matrix).max(axis=0), EPSILON) / _WEIGHT
    return np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32)
