"""Down a smooth function of energies and gradients to its nearest minimum."""

from collections.abc import Callable, Generator

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape, Point
from nadyn.electronic.crossings.search_end import Search, SearchEnd
from nadyn.electronic.crossings.steps import Curvature, Trust, best_step, first_curvature, free_directions

# Below this [hartree] values do not resolve a step.
_RESOLUTION = 1e-10

# A value and its gradient; NaN where the point does not know what they are made of.
Function = Callable[[Point], tuple[float, Float[np.ndarray, "atom x"]]]
Descent = Generator[Float[np.ndarray, "atom x"], Point, SearchEnd]


def descend(
    landscape: Landscape,
    point: Point,
    function: Function,
    curvature: Curvature,
    *,
    radius: float,
    gradient_goal: float,
    max_points: int,
) -> Descent:
    """Follow a function down from a point that is known, by quasi-Newton steps within a radius of trust.

    Args:
        landscape: Knows which motions leave the energies.
        point: Where it begins.
        function: What is made small.
        curvature: A guess, which learns.
        radius: Length of the first step at most [bohr].
        gradient_goal: Largest component of the gradient at the end [hartree/bohr].
        max_points: Geometries after which it is given up.
    """
    trust = Trust(radius, 0.8 if landscape.atomic_numbers is not None else 10.0)
    asked = 0
    value, gradient = function(point)
    while True:
        free = free_directions(landscape, point.positions)
        inner = free.T @ gradient.reshape(-1)
        slope = float(np.abs(free @ inner).max())
        if slope <= gradient_goal:
            return SearchEnd(point, True, "", asked, slope)
        if asked >= max_points or trust.radius < trust.smallest:
            how = "after" if asked >= max_points else "and no step is better after"
            reason = f"the gradient stays at {slope:.1e} hartree/bohr {how} {asked} geometries"
            return SearchEnd(point, False, reason, asked, slope)
        short = best_step(inner, free.T @ curvature.matrix @ free, radius=trust.radius)
        step = free @ short
        foreseen = -float(inner @ short + 0.5 * step @ curvature.matrix @ step)
        new = yield point.positions + step.reshape(point.positions.shape)
        asked += 1
        length = float(np.linalg.norm(step))
        new_value, new_gradient = function(new)
        if not (np.isfinite(new_value) and np.isfinite(new_gradient).all()):
            trust = trust.after(-1.0, 0.5 * length)
            continue
        curvature.learn(step, free @ (free.T @ (new_gradient - gradient).reshape(-1)))
        is_small = foreseen < _RESOLUTION
        gain = value - new_value
        trust = trust if is_small else trust.after(gain / foreseen, length)
        if is_small or gain > 1e-4 * foreseen:
            point, value, gradient = new, new_value, new_gradient


def search_minimum(
    landscape: Landscape,
    start: Float[np.ndarray, "atom x"],
    *,
    state: int = 0,
    gradient_goal: float = 1e-4,
    max_points: int = 200,
) -> Search:
    """Search the minimum of one state, the zero of energies that people quote.

    Args:
        landscape: Knows energies and gradients.
        start: Geometry to begin from [bohr].
        state: Which one.
        gradient_goal: Largest component of the gradient at the end [hartree/bohr].
        max_points: Geometries after which it is given up.
    """
    point = yield start
    if not point.knows(state):
        return SearchEnd(point, False, f"the start has no label ({point.doubt})", 1, np.inf)
    return (
        yield from descend(
            landscape,
            point,
            lambda one: (float(one.energies[state]), one.gradients[state]),
            first_curvature(landscape, start),
            radius=0.3,
            gradient_goal=gradient_goal,
            max_points=max_points,
        )
    )
