"""Segments of customers and what they do next: value, aliveness, experience; returns, referrals, first choices.

A page needs few calls::

    limits = segments.cuts(history, reference=day)                       # fixed once: names mean the same every period
    found = segments.members(tree, data, limits, weeks=52, seed=1)       # who, how surely, how many, worth how much
    before = segments.earlier(history, tree, data, limits, day=last, seed=1)      # the same ruler on an earlier day
    ahead = segments.next_stage(history, data.family, limits, weeks=13, seed=1)   # and how good such forecasts were
"""

from cxlab.segments.compare import WAYS, compare
from cxlab.segments.cuts import KEYS, NEW, STAGES, VALUES, Cuts, cuts
from cxlab.segments.first import First, choices, first
from cxlab.segments.intention import Effects, Intention, effects, intention
from cxlab.segments.known import EXPERIENCE, experience, labelled, main_product, needs
from cxlab.segments.members import Members, Split, as_of, earlier, members
from cxlab.segments.rates import RATES, rate_draws, rates
from cxlab.segments.referrals import credit, referred
from cxlab.segments.spare import Spare, spare
from cxlab.segments.stages import Proof, ahead, next_stage

__all__ = [
    "EXPERIENCE", "KEYS", "NEW", "RATES", "STAGES", "VALUES", "WAYS", "Cuts", "Effects", "First", "Intention",
    "Members", "Proof", "Spare", "Split", "ahead", "as_of", "choices", "compare", "credit", "cuts", "earlier",
    "effects", "experience", "first", "intention", "labelled", "main_product", "members", "needs", "next_stage",
    "rate_draws", "rates", "referred", "spare",
]  # fmt: skip
