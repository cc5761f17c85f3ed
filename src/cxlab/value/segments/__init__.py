"""Segments of customers and what they do next: value, aliveness, experience; returns, referrals, first choices.

A page needs few calls::

    limits = segments.cuts(history, reference=day)                       # fixed once: names mean the same every period
    found = segments.members(tree, data, limits, weeks=52, seed=1)       # who, how surely, how many, worth how much
    before = segments.earlier(history, tree, data, limits, day=last, seed=1)      # the same ruler on an earlier day
    ahead = segments.next_stage(history, data.family, limits, weeks=13, seed=1)   # and how good such forecasts were
"""

from cxlab.value.segments.attributes import EXPERIENCE, experience, labelled, main_product, needs
from cxlab.value.segments.compare import WAYS, compare
from cxlab.value.segments.contact_policy import Spare, spare
from cxlab.value.segments.experience_effect import Effects, Intention, effects, intention
from cxlab.value.segments.first_purchase import First, choices, first
from cxlab.value.segments.lifecycle import Proof, ahead, next_stage
from cxlab.value.segments.membership import Members, Split, as_of, earlier, members
from cxlab.value.segments.referrals import credit, referred
from cxlab.value.segments.repurchase_rates import RATES, rate_draws, rates
from cxlab.value.segments.thresholds import KEYS, NEW, STAGES, VALUES, Cuts, cuts

__all__ = [
    "EXPERIENCE", "KEYS", "NEW", "RATES", "STAGES", "VALUES", "WAYS", "Cuts", "Effects", "First", "Intention",
    "Members", "Proof", "Spare", "Split", "ahead", "as_of", "choices", "compare", "credit", "cuts", "earlier",
    "effects", "experience", "first", "intention", "labelled", "main_product", "members", "needs", "next_stage",
    "rate_draws", "rates", "referred", "spare",
]  # fmt: skip
