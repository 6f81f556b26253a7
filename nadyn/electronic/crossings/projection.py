"""Minimum of a seam by gradient projection: close the gap in the branching plane, go down along the seam."""

import numpy as np
from jaxtyping import Float

from nadyn.electronic.crossings.landscape import Landscape, Pair
from nadyn.electronic.crossings.place import Place, Plane
from nadyn.electronic.crossings.probes import image
from nadyn.electronic.crossings.search_end import Goals, Search, SearchEnd
from nadyn.electronic.crossings.steps import Trust, first_curvature
from nadyn.units import ELECTRONVOLT_PER_HARTREE

# A step is good if it is better than the worst of so many before: along a curved seam the gap opens first.
_REMEMBERED = 4
# Below this [hartree] energies do not resolve a step.
_RESOLUTION = 1e-10


def search_by_projection(
    landscape: Landscape, pair: Pair, start: Float[np.ndarray, "atom x"], goals: Goals
) -> Search:
    """Search the lowest point at which two states meet.

    With g = ∇(E_l - E_k)/2, h = ⟨k|∇H|l⟩ and P the projector on what is normal to both, the search ends
    where E_l = E_k and P ∇(E_k + E_l)/2 = 0. A step is -G⁺(gap/2, 0) within the branching plane, G having the
    rows g and h, and along the seam the best one of a quadratic model, whose curvature is learned from the
    projected gradients. A step is kept if it lowers Ē + μ |gap|/2, with μ above the slope across the seam.

    Where h is not known, the second direction is carried from step to step: normal to the new g, in the plane
    of the old two; first it is that of the mean gradient. Where the search seems to end, gradients on both
    sides set it right, and the search goes on if that was not the end. States of two multiplicities have no
    second one.

    Sources: M. J. Bearpark, M. A. Robb and H. B. Schlegel, Chem. Phys. Lett. 223, 269 (1994);
    F. Sicilia, L. Blancafort, M. J. Bearpark and M. A. Robb, J. Chem. Theory Comput. 4, 257 (2008), for the
    two parts of a step; S. Maeda, K. Ohno and K. Morokuma, J. Chem. Theory Comput. 6, 1538 (2010), for the
    plane without h; R. H. Byrd and E. O. Omojokun, for the radius, in J. Nocedal and S. J. Wright, Numerical
    Optimization (2006), section 18.5.

    Args:
        landscape: Knows energies and gradients.
        pair: The two states.
        start: Geometry to begin from [bohr].
        goals: When it ends.
    """
    curvature = first_curvature(landscape, start)
    plane = Plane()
    trust = Trust(0.3, 0.8 if landscape.atomic_numbers is not None else 10.0)
    price, asked = 0.0, 1
    point = yield start
    if not point.knows(pair.lower, pair.upper):
        return SearchEnd(point, False, f"the start has no label ({point.doubt})", asked, np.inf)
    here = Place(landscape, pair, point, plane)
    prices: list[float] = []
    is_checked = False
    while True:
        slope = float(np.abs(here.along).max())
        if abs(here.gap) <= goals.gap and slope <= goals.gradient:
            if plane.y is None or is_checked:
                return SearchEnd(point, True, "", asked, slope, plane.y)
            # What was carried so far is a guess: only gradients on both sides know the second direction.
            found = yield from image(landscape, pair, point, plane.y)
            asked += 2
            if found is None:
                return SearchEnd(point, False, "a label beside the tip failed", asked, slope)
            plane, is_checked = plane.turned(found), True
            here = Place(landscape, pair, point, plane)
            continue
        if asked >= goals.max_points or trust.radius < trust.smallest:
            reason = _reason(here, goals, slope, asked, exhausted=asked >= goals.max_points)
            return SearchEnd(point, False, reason, asked, slope)
        step = here.step(curvature.matrix, trust.radius)
        new_price = 1.2 * here.multiplier + 1e-3
        if new_price > price:
            # The old prices of the gap no longer count.
            price, prices = max(new_price, 1.5 * price), []
        merit = here.mean + price * 0.5 * abs(here.gap)
        prices = [*prices, merit][-_REMEMBERED:]
        foreseen = here.foreseen(step, curvature.matrix, price)
        new = yield point.positions + step.reshape(start.shape)
        asked += 1
        length = float(np.linalg.norm(step))
        if not new.knows(pair.lower, pair.upper):
            trust = trust.after(-1.0, 0.5 * length)
            continue
        new_merit = pair.mean(new) + price * 0.5 * abs(pair.gap(new))
        tried = plane.copy()
        there = Place(landscape, pair, new, tried)
        curvature.learn(there.project(step), there.project(there.along - here.along))
        small = foreseen < _RESOLUTION
        trust = trust if small else trust.after((merit - new_merit) / foreseen, length)
        if small or max(prices) - new_merit > 1e-4 * foreseen:
            point, here, plane, is_checked = new, there, tried, False


def _reason(here: "Place", goals: Goals, slope: float, asked: int, *, exhausted: bool) -> str:
    if abs(here.gap) > goals.gap:
        what = f"the gap stays at {abs(here.gap) * ELECTRONVOLT_PER_HARTREE:.4f} eV"
    else:
        what = f"the gradient along the seam stays at {slope:.1e} hartree/bohr"
    return f"{what} after {asked} geometries" if exhausted else f"{what}: no step is better"
