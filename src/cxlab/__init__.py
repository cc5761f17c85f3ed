"""A research workspace for customer experience: what customers say, what they do, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxlab.runs.session import Session

__version__ = "0.1.0"


def open(params_file: str | Path, *, brand: str | int = "", period: str | int = "") -> Session:
    """Open the latest finished run of a brand and period, to read its tables, data and findings.

    Parameters
    ----------
    params_file : str or Path
        The client's params file.
    brand, period : str
        Default: the only brand, the last period.

    Returns
    -------
    Session
        See `cxlab.runs.session`.
    """
    from cxlab.runs.session import open_session

    return open_session(params_file, brand=brand, period=period)
