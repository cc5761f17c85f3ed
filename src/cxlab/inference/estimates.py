"""Posterior draws -> rows of the one tidy estimates table (`cxlab.vocab.ESTIMATE_COLUMNS`), and verdicts.

A capability says what its estimands are as arrays of draws that carry what is known of them; `tidy` makes the rows. An
array is all that a row needs: its cells (every combination of its dims beside ``chain`` and ``draw``) are the rows, its
coords are columns that differ by row, its attributes are columns that do not, or say how draws are to be judged::

    reported = xr.Dataset(
        {"index": (("chain", "draw", "period", "latent"), draws, {"metric": "index", "unit": "index points"})},
        coords={"period": ["2025", "2026"], "latent": ["image", "loyalty"], "n": (("period", "latent"), answers)},
    )
    level = reported["index"].assign_coords(group=reported["latent"]).assign_attrs(level="latent")
    change = changes(level, "index_change", periods=["2025", "2026"], practical=1.0)
    table = tidy([level, change], weighting="survey", withheld=not gate.passed)

Draws without such a cube, a list of places with a column of draws each, become an array by `estimand`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pandas as pd

from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS, Verdict

if TYPE_CHECKING:
    import xarray as xr

CI_PROB: Final = 0.9  # of the interval of a level
CHANGE_PROB: Final = 0.95  # of the interval of a change or difference: better or worse where it leaves out 0
SURE: Final = (1 + CHANGE_PROB) / 2  # the same as the probability of a direction
SAMPLE: Final = ("chain", "draw")
BLANK: Final = {"level": "total", "weighting": "none"}  # what a text column says where nothing is said; others: ""
RISING: Final = {
    "better": {},
    "worse": {"better": "worse", "worse": "better"},
    "neither": {"better": "", "worse": ""},
}
_TEXTS: Final = ("item", "metric", "estimand", "level", "group", "weighting", "unit", "verdict", "ci_kind")
_JUDGED_BY: Final = ("ref", "practical", "rising")


def estimand(name: str, draws: np.ndarray, place: pd.DataFrame, **about: Any) -> xr.DataArray:
    """Return draws, shape (draw, row), and what is known of each row as an array for `tidy`.

    Parameters
    ----------
    name : str
        The estimand.
    draws : array, shape (draw, row); or (row,)
        Of one axis only: values that are known without draws, e.g. counts or probabilities.
    place : DataFrame, a row a row
        Columns as they stand in the tidy table: ``group``, ``n``, ``touchpoint``, ..
    **about
        What all rows share, and how they are judged; see `tidy`.
    """
    import xarray as xr

    dims = ("draw", "row")[-draws.ndim :]
    coords = {str(c): ("row", place[c].to_numpy()) for c in place}
    return xr.DataArray(draws, dims=dims, coords=coords, name=name, attrs=about)


def changes(levels: xr.DataArray, name: str, *, periods: Sequence[str], **about: Any) -> xr.DataArray:
    """Return the changes of levels (a dim ``period``) against the period just before it, as an array for `tidy`.

    Parameters
    ----------
    levels : array
        Draws; coords ``n`` and ``n_eff`` become the smaller of both periods'.
    name : str
        The estimand.
    periods : sequence of str
        All periods in order: one that `levels` lack has no change, nor has the one after it.
    **about
        Attributes beside those of `levels`, e.g. ``practical``.
    """
    known = levels["period"].to_numpy().tolist()
    pairs = [(old, new) for old, new in pairwise(periods) if {old, new} <= set(known)]
    new = levels.sel(period=[new for _, new in pairs])
    old = levels.sel(period=[old for old, _ in pairs]).assign_coords(period=new["period"])
    sizes = {c: new[c].copy(data=np.minimum(new[c], old[c])) for c in ("n", "n_eff") if c in levels.coords}
    return (new - old).assign_coords(sizes).rename(name).assign_attrs(levels.attrs | about)


def tidy(
    estimands: xr.Dataset | Iterable[xr.DataArray],
    *,
    also: Sequence[str] = (),
    withheld: bool = False,
    **columns: Any,
) -> pd.DataFrame:
    """Make rows of the tidy estimates table of draws.

    Parameters
    ----------
    estimands : Dataset, or arrays
        Each variable is an estimand (its name, unless an attribute ``estimand`` says otherwise), each cell a row: mean,
        median, sd and 90 % interval of its draws. A variable without ``chain`` and ``draw`` is known without draws
        (a count, a probability): it gives a mean and no interval. Cells that hold NaN give a row without numbers.

        Coords are columns by row: ``period``, ``group``, ``n``, ``n_eff``, .. Dims are, too, where they are named like
        a column. A coord ``mean`` is the estimate itself where that is not the draws' mean (the best fit, with an
        interval of bootstrap draws); the interval is widened to hold it.

        Attributes are columns of all rows (``metric``, ``unit``, ``level``, ..), but for those that judge:

        ``ref``
            ``prob_gt_ref`` is the probability of exceeding it; also a coord. 0 by default where a verdict is wanted.
        ``practical``
            Smallest difference from `ref` worth acting on: it asks for a verdict and for the interval that belongs to
            it, of 95 %: ``no_real_change`` (it lies within the limit), ``better`` or ``worse`` (it leaves out `ref`),
            else ``cannot_tell``. With 0 the verdict is on the direction alone.
        ``rising``
            What a rise is: ``better`` (default), ``worse``, or ``neither`` (then a sure direction has no verdict).
    also : sequence of str
        Columns kept beside those of the table's contract; ``prob_practical`` is the probability that the difference
        exceeds the practical limit.
    withheld : bool
        Whether the fit failed its checks: rows without numbers (`withhold`).
    **columns
        Of all rows, where an array does not say otherwise: ``item``, ``weighting``, ``period``, ..

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS`, without ``run_id``, ``brand`` and ``model``, which the writer adds (and ``period``, if
        it is nowhere given), then `also`. ``n_eff`` is ``n`` where nothing is said.
    """
    import xarray as xr

    arrays = estimands.data_vars.values() if isinstance(estimands, xr.Dataset) else estimands
    parts = [_rows(array) for array in arrays if array.size]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    for column, value in {**dict.fromkeys(_TEXTS, ""), **BLANK, **columns}.items():
        table[column] = table[column].fillna(value) if column in table else value
    contract = [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")]
    if "period" not in table:
        contract.remove("period")
    table = table.reindex(columns=[*contract, *also])
    texts = [c for c in also if pd.api.types.is_string_dtype(table[c].dropna()) and table[c].notna().any()]
    table[texts] = table[texts].fillna("")
    table["n_eff"] = table["n_eff"].astype(float).fillna(table["n"].astype(float))
    return withhold(table, also=[c for c in also if c == "prob_practical"]) if withheld else table


def withhold(table: pd.DataFrame, failed: Any = True, *, also: Sequence[str] = ()) -> pd.DataFrame:
    """Return a tidy table whose failed rows (a mask; all by default) have lost their numbers: verdict ``withheld``."""
    out, mask = table.copy(), np.broadcast_to(np.asarray(failed, bool), len(table))
    out.loc[mask, [*ESTIMATE_NUMBERS, *also]] = np.nan
    out.loc[mask, "verdict"] = "withheld"
    return out


def _rows(array: xr.DataArray) -> pd.DataFrame:
    """Rows of one estimand: its coords, its constant columns, its numbers."""
    drawn = [dim for dim in SAMPLE if dim in array.dims]
    cells = [dim for dim in array.dims if dim not in SAMPLE]
    array = array.transpose(*drawn, *cells)
    head = array.isel(dict.fromkeys(drawn, 0), drop=True).expand_dims("_")  # one cell and no dims is one row, too
    place = head.rename(None).to_dataframe(name="_value").reset_index()
    place = place.drop(columns=["_value", "_", *(d for d in cells if d not in array.coords)], errors="ignore")
    about = {key: value for key, value in array.attrs.items() if key not in _JUDGED_BY}
    place = place.assign(**{"estimand": array.name, **about})
    if not drawn:
        return place.assign(mean=array.to_numpy().ravel().astype(float))
    values = array.to_numpy().reshape(-1, len(place)).astype(float)
    practical = array.attrs.get("practical")
    ref = place["ref"].to_numpy(float) if "ref" in place else array.attrs.get("ref", None if practical is None else 0.0)
    numbers = summaries(values, ref=ref, prob=CI_PROB if practical is None else CHANGE_PROB)
    if practical is not None:
        numbers = _judged(numbers, values, practical)
        numbers["verdict"] = numbers["verdict"].replace(RISING[array.attrs.get("rising", "better")])
    if "mean" in place:
        numbers["mean"] = place["mean"]
        numbers["ci_low"] = numbers[["ci_low", "mean"]].min(axis=1)
        numbers["ci_high"] = numbers[["ci_high", "mean"]].max(axis=1)
    return place.drop(columns=["ref", "mean"], errors="ignore").join(numbers)


def summaries(values: np.ndarray, *, ref: float | np.ndarray | None = None, prob: float = CI_PROB) -> pd.DataFrame:
    """Return the numbers of draws, shape (draw, row), a row each: mean, median, sd, interval, P(above `ref`)."""
    low, middle, high = np.quantile(values, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0)
    above = float("nan") if ref is None else np.where(np.isnan(middle), np.nan, (values > ref).mean(axis=0))
    return pd.DataFrame(
        {
            "mean": values.mean(axis=0),
            "median": middle,
            "sd": values.std(axis=0),
            "ci_low": low,
            "ci_high": high,
            "ci_prob": prob,
            "ci_kind": "eti",
            "prob_gt_ref": above,
            "ref": float("nan") if ref is None else ref,
        }
    )


def compared(values: np.ndarray, *, practical: float | np.ndarray) -> pd.DataFrame:
    """Return numbers, ``prob_practical`` and verdict of changes or differences, shape (draw, row); ref is 0."""
    return _judged(summaries(values, ref=0.0, prob=CHANGE_PROB), values, practical)


def _judged(numbers: pd.DataFrame, values: np.ndarray, practical: float | np.ndarray) -> pd.DataFrame:
    """Numbers with the probability of a difference worth acting on, and the verdict; of no numbers none."""
    ref = numbers["ref"].to_numpy()
    small = (numbers["ci_low"] > ref - practical) & (numbers["ci_high"] < ref + practical)
    up, down = numbers["ci_low"] > ref, numbers["ci_high"] < ref
    words = np.select(
        [numbers["mean"].isna(), small, up, down], ["", "no_real_change", "better", "worse"], "cannot_tell"
    )
    return numbers.assign(prob_practical=(np.abs(values - ref) > practical).mean(axis=0), verdict=words)


def summary(draws: np.ndarray, *, ref: float | None = None) -> dict[str, Any]:
    """Return the numbers of `summaries` for one row."""
    low, middle, high = np.quantile(draws, [(1 - CI_PROB) / 2, 0.5, (1 + CI_PROB) / 2])
    return {
        "mean": float(draws.mean()),
        "median": float(middle),
        "sd": float(draws.std()),
        "ci_low": float(low),
        "ci_high": float(high),
        "ci_prob": CI_PROB,
        "ci_kind": "eti",
        "prob_gt_ref": float("nan") if ref is None else float((draws > ref).mean()),
        "ref": float("nan") if ref is None else float(ref),
    }


def verdict(draws: np.ndarray, *, practical: float) -> Verdict:
    """Judge one change, up being good: inside the practical limit, clearly up, clearly down, or neither."""
    return cast(Verdict, str(compared(np.asarray(draws, float).reshape(-1, 1), practical=practical)["verdict"].iloc[0]))
