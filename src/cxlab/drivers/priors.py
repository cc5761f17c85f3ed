"""What the parts read of `cxlab.drivers.model.Priors`, where each number is explained."""

from __future__ import annotations

from typing import Protocol


class Priors(Protocol):
    """Scales of the priors."""

    @property
    def r2_a(self) -> float: ...  # noqa: D102
    @property
    def r2_b(self) -> float: ...  # noqa: D102
    @property
    def split(self) -> float: ...  # noqa: D102
    @property
    def step(self) -> float: ...  # noqa: D102
    @property
    def unused_scale(self) -> float: ...  # noqa: D102
    @property
    def concentration(self) -> float: ...  # noqa: D102
    @property
    def group_mean_scale(self) -> float: ...  # noqa: D102
    @property
    def group_slope_scale(self) -> float: ...  # noqa: D102
