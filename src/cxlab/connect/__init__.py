"""Client files and databases -> canonical tables: sources, lookups, cast rules, directory, masking, the store."""

from cxlab.connect.asof import asof_join, outcomes, rated_too_early
from cxlab.connect.build import Checkup, build, check, checkup, fingerprint
from cxlab.connect.pii import mask
from cxlab.connect.population import customer_base, invited
from cxlab.connect.store import Store, open_store

__all__ = [
    "Checkup",
    "Store",
    "asof_join",
    "build",
    "check",
    "checkup",
    "customer_base",
    "fingerprint",
    "invited",
    "mask",
    "open_store",
    "outcomes",
    "rated_too_early",
]
