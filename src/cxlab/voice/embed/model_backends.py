"""Models somebody else made, asked for by name or folder: model2vec, sentence-transformers, fastembed.

A name may be fetched from its hub by the library itself, and only then; a folder is read where it lies. Weights that
would have to be unpickled are refused. model2vec is installed with cxlab; the others where they are wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Final

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.runs import user_files

MODULES: Final = {
    "model2vec": "model2vec",
    "sentence-transformers": "sentence_transformers",
    "fastembed": "fastembed",
}
_BATCH: Final = 64


def vectors(library: str, name: str, texts: Sequence[str], *, threads: int = 1) -> np.ndarray:
    """Return the model's vectors of the texts.

    Parameters
    ----------
    library : str
        ``model2vec``, ``sentence-transformers`` or ``fastembed``.
    name : str
        A name on the library's hub or a folder; for fastembed also ``name@folder``, where the folder holds that model.
    texts : sequence of str, length n
    threads : int

    Returns
    -------
    array of float32, shape (n, d)

    Raises
    ------
    ModelError
        If the library is not installed, or the model cannot be had or read.
    """
    if find_spec(MODULES[library]) is None:
        raise ModelError(
            Problem(
                f"{library} is not installed",
                value=f"{library}:{name}",
                todo=f"run: .venv/bin/python -m pip install {library}",
            )
        )
    read = {"model2vec": _model2vec, "sentence-transformers": _sentence_transformers, "fastembed": _fastembed}
    try:
        encode = read[library](name, threads)
    except Exception as error:  # each library has its own; all mean the same to the user
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            Problem(
                f"{library} cannot load the model: {first}",
                value=name,
                allowed="a folder with the model, or a name the library can fetch from here",
                todo="without a network give the folder",
            )
        ) from error
    return np.asarray(encode(list(texts)), np.float32).reshape(len(texts), -1)


def _place(name: str) -> str:
    folder = user_files.located(name)
    return str(folder) if folder.is_dir() else name


def _model2vec(name: str, threads: int) -> Callable[[list[str]], np.ndarray]:
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(_place(name))
    return lambda texts: np.asarray(model.encode(texts, use_multiprocessing=False))


def _sentence_transformers(name: str, threads: int) -> Callable[[list[str]], np.ndarray]:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(_place(name), device="cpu", model_kwargs={"use_safetensors": True})
    return lambda texts: np.asarray(model.encode(texts, batch_size=_BATCH, show_progress_bar=False))


def _fastembed(name: str, threads: int) -> Callable[[list[str]], np.ndarray]:
    from fastembed import TextEmbedding

    known, _, folder = name.partition("@")
    if folder:
        model = TextEmbedding(known, threads=threads, specific_model_path=str(user_files.located(folder)))
    else:
        model = TextEmbedding(known, threads=threads)
    return lambda texts: np.stack(list(model.embed(texts, batch_size=_BATCH))) if texts else np.zeros((0, 1))
