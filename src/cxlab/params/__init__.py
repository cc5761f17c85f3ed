"""Params: everything about one client, read from YAML and checked before anything else happens.

>>> from cxlab import params
>>> client = params.load("params/client.yaml")  # doctest: +SKIP
"""

from cxlab.params.load import desugar, dumps, expand, from_dict, load, place
from cxlab.params.models import Brand, Field, Input, Item, Params, Scale
from cxlab.params.names import (
    find_brand,
    find_period,
    items,
    labels,
    own_brands,
    segments,
    slug,
    text,
    touchpoints,
    units,
)
from cxlab.params.notebook import declared_parameters, validate_notebook_parameters

__all__ = [
    "Brand",
    "Field",
    "Input",
    "Item",
    "Params",
    "Scale",
    "declared_parameters",
    "desugar",
    "dumps",
    "expand",
    "find_brand",
    "find_period",
    "from_dict",
    "items",
    "labels",
    "load",
    "own_brands",
    "place",
    "segments",
    "slug",
    "text",
    "touchpoints",
    "units",
    "validate_notebook_parameters",
]
