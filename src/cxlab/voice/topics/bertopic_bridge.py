"""Our topics in BERTopic's slots, so that its figures and tools work on them; imported only when asked for.

BERTopic takes any vectors, reducer, clusterer and vectoriser. Ours: the vectors are given, the reducer does nothing
(directions were reduced already), the clusterer gives the topics that stand, the vectoriser cuts words as we do and
knows our stop words. Nothing is fitted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cxlab.voice.text import words

if TYPE_CHECKING:
    from bertopic import BERTopic

    from cxlab.voice.topics.topics import Topics


class Standing:
    """A clusterer whose groups stand; new rows go to the nearest centre.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n,)
    probabilities_ : ndarray, shape (n,)
    """

    def __init__(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        self.labels_ = labels
        self.probabilities_ = probabilities
        self._centres = np.zeros((0, 0))

    def fit(self, rows: np.ndarray, y: object = None) -> Standing:
        """Note where the groups are."""
        k = int(self.labels_.max()) + 1 if len(self.labels_) else 0
        self._centres = np.array([rows[self.labels_ == j].mean(0) for j in range(k)])
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the nearest group of new rows."""
        return np.asarray((rows @ self._centres.T).argmax(1))


class Cut:
    """A tokeniser for one language (an object and no closure, so that it can be copied)."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.passed = words.stop(language)

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text that may name a topic."""
        return [w for w in words.tokens([text], self.language)[0] if w not in self.passed]


def bertopic(topics: Topics, texts: Sequence[str], vectors: np.ndarray) -> BERTopic:
    """Return a BERTopic object carrying the topics.

    Parameters
    ----------
    topics : Topics
    texts : sequence of str, length n
        The clauses it was fitted on.
    vectors : ndarray, shape (n, d)
        Their vectors.

    Returns
    -------
    BERTopic
        Its topic numbers are the rows of ``topics.table``; ``transform`` wants vectors given.

    Raises
    ------
    ValueError
        If texts and topics differ in length, or there is no topic.
    """
    if len(texts) != len(topics.assignment) or len(vectors) != len(texts):
        raise ValueError(f"{len(texts)} texts and {len(vectors)} vectors for {len(topics.assignment)} clauses")
    if not topics.k:
        raise ValueError("there is no topic to hand over")
    from bertopic import BERTopic
    from bertopic.dimensionality import BaseDimensionalityReduction
    from bertopic.vectorizers import ClassTfidfTransformer
    from sklearn.feature_extraction.text import CountVectorizer

    model = BERTopic(
        language="english" if topics.language == "en" else "multilingual",  # in "english" it drops all other letters
        embedding_model=None,
        umap_model=BaseDimensionalityReduction(),
        hdbscan_model=Standing(topics.assignment, topics.probability),
        vectorizer_model=CountVectorizer(tokenizer=Cut(topics.language), token_pattern=None, lowercase=False),
        ctfidf_model=ClassTfidfTransformer(),
        calculate_probabilities=False,
        verbose=False,
    )
    model.fit_transform(list(texts), embeddings=np.asarray(vectors))
    return model
