from dataclasses import replace

import pytest

from cxlab.synthetic import World, WorldSettings, generate


@pytest.fixture(scope="session")
def world() -> World:
    return generate()


@pytest.fixture(scope="session")
def switched():
    """Worlds with one effect changed, each generated once."""
    made: dict[tuple, World] = {}

    def make(**changes: float) -> World:
        key = tuple(sorted(changes.items()))
        if key not in made:
            made[key] = generate(replace(WorldSettings(), **changes))
        return made[key]

    return make
