"""Purchases of a unit: frequency, recency and age of customers, contracts told from them, a proof on held-out time.

A page on customer value needs few calls::

    history = purchases.read(run.data)                  # what is there, what was set apart, why no model can be
    proof = purchases.holdout(history, seed=1)          # chooses a model on past weeks only, then foretells later ones
    data = value.model_data(history.customers(), family=proof.family, covariates=proof.covariates)
    tree = value.fit(data, seed=1)                      # full posterior; judge it by `diagnostics.gate`
    future = value.outlook(tree, data, weeks=52, seed=1, margin=history.margin, shock=proof.choice.shock)

For contracts (``history.contract``) it is ``value.model_data(history.contracts(), family="sbg")``.
"""

from cxlab.value.rfm.covariates import Traits
from cxlab.value.rfm.history import Contract, History, read
from cxlab.value.rfm.holdout import Holdout, holdout
from cxlab.value.rfm.model_selection import Choice, choose

__all__ = ["Choice", "Contract", "History", "Holdout", "Traits", "choose", "holdout", "read"]
