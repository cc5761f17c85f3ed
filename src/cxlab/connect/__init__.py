"""Client files and databases -> canonical tables: sources, lookups, cast rules, directory, masking, the store."""

from cxlab.connect.build import Checkup, build, check, checkup, fingerprint
from cxlab.connect.store import Store, open_store

__all__ = ["Checkup", "Store", "build", "check", "checkup", "fingerprint", "open_store"]
