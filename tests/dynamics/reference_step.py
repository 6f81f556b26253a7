"""Surface hopping of a molecule in plain NumPy: every choice of a run file once more, by other means.

Three atoms of unequal masses and three states. Nothing here is taken from nadyn; random numbers are handed
in. Matrices are exponentiated by their spectrum, averages integrated numerically, and each trajectory is
hopped alone.
"""

import itertools

import numpy as np
from scipy.optimize import linear_sum_assignment

MASSES = np.array([12.0, 1.0, 5.0]) * 1822.9
PAIRS = ((0, 1), (0, 2), (1, 2))
STIFFNESS = np.array([[0.15, 0.12, 0.10], [0.10, 0.14, 0.09], [0.12, 0.09, 0.13]])
LENGTHS = np.array([[2.1, 2.6, 3.1], [2.4, 2.5, 2.9], [2.2, 2.8, 3.3]])
OFFSETS = np.array([0.0, 0.012, 0.02])
COUPLING = {(0, 1): (0.010, -0.004, 0.006), (0, 2): (-0.003, 0.008, 0.002), (1, 2): (0.007, 0.003, -0.006)}
CENTRES = np.array([2.3, 2.6, 3.1])
GEOMETRY = np.array([[0.0, 0.0, 0.0], [2.2, 0.3, -0.1], [-0.4, 2.5, 0.3]])
SUBSTEPS, FULL = 20, np.pi / 2


def elements(r, exp):
    """Upper triangle of W at the three distances, with any library's exponential."""
    found = {}
    for a in range(3):
        found[a, a] = OFFSETS[a] + sum(0.5 * STIFFNESS[a][p] * (r[p] - LENGTHS[a][p]) ** 2 for p in range(3))
    for pair, sizes in COUPLING.items():
        found[pair] = sum(sizes[p] * exp(-((r[p] - CENTRES[p]) ** 2)) for p in range(3))
    return found


def hamiltonian(positions):
    """W and its gradient, (traj, 3, 3) and (traj, 3, 3, atom, 3)."""
    apart = [positions[:, i] - positions[:, j] for i, j in PAIRS]
    r = [np.linalg.norm(x, axis=1) for x in apart]
    w, slopes = np.zeros((len(positions), 3, 3)), np.zeros((len(positions), 3, 3, 3))
    for (a, b), value in elements(r, np.exp).items():
        w[:, a, b] = w[:, b, a] = value
        for p in range(3):
            slope = (
                STIFFNESS[a][p] * (r[p] - LENGTHS[a][p])
                if a == b
                else COUPLING[a, b][p] * -2.0 * (r[p] - CENTRES[p]) * np.exp(-((r[p] - CENTRES[p]) ** 2))
            )
            slopes[:, a, b, p] = slopes[:, b, a, p] = slope
    gradient = np.zeros((len(positions), 3, 3, 3, 3))
    for p, (i, j) in enumerate(PAIRS):
        direction = (apart[p] / r[p][:, None])[:, None, None, :]
        gradient[:, :, :, i] += slopes[:, :, :, p, None] * direction
        gradient[:, :, :, j] -= slopes[:, :, :, p, None] * direction
    return w, gradient


def kinetic(momenta):
    return 0.5 * np.sum(momenta**2 / MASSES[:, None], axis=(-2, -1))


def unitary(matrix, time):
    """exp(-i time H) for Hermitian H."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.exp(-1j * time * values)[:, None, :]) @ vectors.conj().transpose(0, 2, 1)


def without_rigid_motion(direction, positions):
    """Least squares: what six rigid motions, weighted by masses, cannot make of it."""
    r = positions - MASSES @ positions / MASSES.sum()
    axes = np.eye(3)
    rigid = [np.broadcast_to(axis, r.shape) for axis in axes] + [np.cross(axis, r) for axis in axes]
    root = np.sqrt(MASSES)[:, None]
    basis = np.array([(root * motion).ravel() for motion in rigid]).T
    weighted = (direction / root).ravel()
    left = weighted - basis @ np.linalg.lstsq(basis, weighted, rcond=None)[0]
    return root * left.reshape(r.shape)


class Surface:
    """Everything at one geometry, with eigenvectors whose signs follow those of `before`."""

    def __init__(self, positions, before=None):
        w, self.gradient = hamiltonian(positions)
        self.w = w
        self.energies, self.vectors = np.linalg.eigh(w)
        if before is not None:
            overlap = np.einsum("tak,tak->tk", before, self.vectors)
            self.vectors = self.vectors * np.where(overlap < 0, -1.0, 1.0)[:, None, :]

    def coupling(self, k, l, row):
        return np.einsum("a,abnx,b->nx", self.vectors[row, :, k], self.gradient[row], self.vectors[row, :, l])

    def forces(self):
        return -np.einsum("tak,tabnx,tbk->tknx", self.vectors, self.gradient, self.vectors)


def couplings_in_time(surface, momenta):
    h = np.einsum("tak,tabnx,tbl->tklnx", surface.vectors, surface.gradient, surface.vectors)
    along = np.einsum("tklnx,tnx->tkl", h, momenta / MASSES[:, None])
    gap = surface.energies[:, None, :] - surface.energies[:, :, None] + np.eye(3)
    return along / gap * (1 - np.eye(3))


def norm_preserving(overlap, dt):
    """T_kl as the average over a step of cosines and sines that interpolate the overlap pair by pair."""
    x, weights = np.polynomial.legendre.leggauss(24)
    x, weights = 0.5 * (x + 1.0), 0.5 * weights
    result = np.zeros_like(overlap)
    for row, s in enumerate(np.clip(overlap, -1.0, 1.0)):
        for k, l in itertools.combinations(range(3), 2):
            angles = {"kk": np.arccos(s[k, k]), "ll": np.arccos(s[l, l]), "kl": np.arcsin(s[k, l])}
            angles["lk"] = np.arcsin(s[l, k])
            # The third state gets what column l has lost, and column k stays normal to column l.
            lost = np.sqrt(max(0.0, 1.0 - s[l, l] ** 2 - s[k, l] ** 2))
            other = 0.0 if lost < 1e-10 else -(s[l, k] * s[l, l] + s[k, k] * s[k, l]) / lost
            angles["ol"], angles["ok"] = np.arcsin(lost), np.arcsin(np.clip(other, -1, 1))
            value = -np.sin(angles["ll"] * x) * angles["ll"] * np.sin(angles["lk"] * x)
            value += np.cos(angles["kk"] * x) * angles["kl"] * np.cos(angles["kl"] * x)
            # <k|d/dt l> = sum_m <k|m> d/dt <m|l>, with m = k, l and the third.
            third = np.sin(angles["ok"] * x) * angles["ol"] * np.cos(angles["ol"] * x)
            result[row, k, l] = np.sum(weights * (value + third)) / dt
            result[row, l, k] = -result[row, k, l]
    return result


def interpolated(old, new, before, after, dt):
    r = np.broadcast_to(np.eye(3, dtype=complex), before.shape)
    for m in range(SUBSTEPS):
        x = (m + 0.5) / SUBSTEPS
        energies = np.einsum("tk,kl->tkl", old + x * (new - old), np.eye(3))
        r = unitary(energies - 1j * (before + x * (after - before)), dt / SUBSTEPS) @ r
    return r


class Trajectories:
    """A batch of trajectories; `amplitudes` are those of the diabatic states."""

    def __init__(self, positions, momenta, vectors, coefficients, active, options):
        self.r, self.p, self.c, self.a = positions.copy(), momenta.copy(), coefficients.copy(), active.copy()
        self.s, self.options, self.dt = Surface(positions, vectors), options, options["dt"]
        n = len(positions)
        self.rows = np.arange(n)
        self.force = self.s.forces()[self.rows, self.a]
        self.gaps = [np.diff(self.s.energies)] * 2
        self.squared_rate, self.turned, self.smooth = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n, int)
        self.turned_round = np.zeros(n, bool)
        self.moved, self.kicked = np.zeros((2, n, 3, 3, 3))
        self.aux_r, self.aux_p, self.aux_f = np.zeros((3, n, 3, 3, 3))
        self.coherent, self.resting = np.zeros((2, n, 3), bool)
        self.attempts = self.refused = 0

    @property
    def amplitudes(self):
        return np.einsum("tak,tk->ta", self.s.vectors, self.c)

    def step(self, zeta, zeta_of_states):
        dt, old, old_c, old_p, old_a = self.dt, self.s, self.c, self.p, self.a.copy()
        half = self.p + 0.5 * dt * self.force
        self.r = self.r + dt * half / MASSES[:, None]
        self.s = Surface(self.r, old.vectors)
        self.force = self.s.forces()[self.rows, self.a]
        self.p = half + 0.5 * dt * self.force
        propagator, follows = self.electrons(old, old_p)
        self.c = np.einsum("tkl,tl->tk", propagator, old_c)
        target = self.drawn(old_c, propagator, zeta)
        if follows is not None:
            target = follows[self.rows, target]
            ordered = np.zeros_like(self.c)
            np.put_along_axis(ordered, follows, self.c, axis=1)
            self.c = ordered
        overlap = old.vectors.transpose(0, 2, 1) @ self.s.vectors
        hopped, attempted = self.hops(target)
        self.smooth[attempted] = 0
        self.decohere(old, old_c, old_a, overlap, hopped, attempted, zeta_of_states)

    def electrons(self, old, old_p):
        by, dt, new = self.options["propagation"], self.dt, self.s
        overlap = old.vectors.transpose(0, 2, 1) @ new.vectors
        if by == "local_diabatisation":
            whole = unitary(0.5 * (old.w + new.w), dt)
            return new.vectors.transpose(0, 2, 1) @ whole @ old.vectors, None
        if by == "tdc":
            before, after = couplings_in_time(old, old_p), couplings_in_time(new, self.p)
            return interpolated(old.energies, new.energies, before, after, dt), None
        if by == "npi":
            t = norm_preserving(overlap, dt)
            return interpolated(old.energies, new.energies, t, t, dt), None
        if by == "state_reordering":
            follows = np.array([linear_sum_assignment(-(s**2))[1] for s in overlap])
            s = np.take_along_axis(overlap, follows[:, None, :], axis=2)
            signs = np.where(np.einsum("tkk->tk", s) < 0, -1.0, 1.0)
            t = norm_preserving(s * signs[:, None, :], dt)
            energies = np.take_along_axis(new.energies, follows, axis=1)
            return signs[:, :, None] * interpolated(old.energies, energies, t, t, dt), follows
        return self.by_curvature(old), None

    def by_curvature(self, old):
        dt, g = self.dt, [np.diff(self.s.energies), *self.gaps]
        self.smooth = self.smooth + 1
        fresh = (g[0] ** 2 - 2 * g[1] ** 2 + g[2] ** 2) / (2 * dt**2)
        rate = np.where((self.smooth > 1)[:, None], fresh, self.squared_rate)
        turns = np.zeros((len(rate), SUBSTEPS, 2))
        for row, pair in itertools.product(range(len(rate)), range(2)):
            s2, remembered = rate[row, pair], self.turned[row, pair]
            self.turned[row, pair] = 0.0
            if s2 <= 0:
                continue
            # g^2 = s2 (t - t0)^2 + m through the two newest, with the newest at t = 0.
            y, y_before = g[0][row, pair] ** 2, g[1][row, pair] ** 2
            t0 = -(y - y_before + s2 * dt**2) / (2 * s2 * dt)
            m = max(y - s2 * t0**2, 0.0)
            times = np.linspace(-dt, 0.0, SUBSTEPS + 1)
            path = 0.5 * np.arctan2(np.sqrt(s2) * (times - t0), np.sqrt(m))
            if self.turned_round[row] and remembered * path[0] < 0:
                remembered = -remembered
            near = abs(t0 + dt) < 1.5 * dt
            narrow = np.sqrt(m) < np.sqrt(s2) * dt and remembered != 0 and near
            self.turned[row, pair] = path[-1]
            if narrow or remembered * path[0] < 0:
                path = np.maximum(path, remembered)
                path[0] = remembered
            turns[row, :, pair] = np.diff(path)
        self.turned_round[:] = False
        self.gaps, self.squared_rate = [g[0], g[1]], rate
        r = np.broadcast_to(np.eye(3, dtype=complex), (len(rate), 3, 3))
        for m in range(SUBSTEPS):
            x, t = (m + 0.5) / SUBSTEPS, np.zeros((len(rate), 3, 3))
            for pair in range(2):
                t[:, pair, pair + 1] = turns[:, m, pair] * SUBSTEPS / dt
                t[:, pair + 1, pair] = -t[:, pair, pair + 1]
            energies = np.einsum("tk,kl->tkl", old.energies + x * (self.s.energies - old.energies), np.eye(3))
            r = unitary(energies - 1j * t, dt / SUBSTEPS) @ r
        return r

    def drawn(self, old_c, propagator, zeta):
        target = self.a.copy()
        for row, a in enumerate(self.a):
            flow = np.real(self.c[row][:, None] * propagator[row].conj() * old_c[row].conj()[None, :])
            net = np.maximum(0.0, flow[:, a] - flow[a, :]) / abs(old_c[row, a]) ** 2
            net[a] = 0.0
            bounds = np.cumsum(net / max(1.0, net.sum()))
            chosen = np.nonzero(zeta[row] < bounds)[0]
            if len(chosen):
                target[row] = chosen[0]
        return target

    def hops(self, target):
        hopped, attempted = [], []
        for row in np.nonzero(target != self.a)[0]:
            a, new = self.a[row], target[row]
            attempted.append(row)
            cost = self.s.energies[row, new] - self.s.energies[row, a]
            forces = self.s.forces()[row]
            d = {
                "nac": self.s.coupling(a, new, row),
                "nac_unprojected": self.s.coupling(a, new, row),
                "gradient_difference": forces[new] - forces[a],
                "isotropic": self.p[row],
            }[self.options["rescale"]]
            if self.options["rescale"] in ("nac", "gradient_difference"):
                d = without_rigid_motion(d, self.r[row])
            d = d / np.linalg.norm(d)
            quadratic = 0.5 * np.sum(d**2 / MASSES[:, None])
            linear = np.sum(d * self.p[row] / MASSES[:, None])
            roots = np.roots([quadratic, linear, cost])
            if np.all(np.isreal(roots)):
                self.p[row] = self.p[row] + min(roots.real, key=abs) * d
                self.a[row], self.force[row] = new, forces[new]
                hopped.append(row)
                continue
            reverse = self.options["frustrated"] == "reverse"
            if self.options["frustrated"] == "jasper_truhlar":
                reverse = linear * np.sum(forces[new] * d) < 0
            if reverse:
                self.p[row] = self.p[row] - linear / quadratic * d
                self.turned_round[row] = True
        self.attempts += len(attempted)
        self.refused += len(attempted) - len(hopped)
        return np.array(hopped, int), np.array(attempted, int)

    def decohere(self, old, old_c, old_a, overlap, hopped, attempted, zeta):
        name, damps = self.options["decoherence"], self.options.get("damps", "populations")
        if name in ("edc", "sdm"):
            power = 1.0 if name == "edc" and damps == "populations" else 2.0
            energy = kinetic(self.p)
            for row, a in enumerate(self.a):
                gap = np.abs(self.s.energies[row] - self.s.energies[row, a])
                share = np.abs(self.c[row]) ** 2
                left = share * np.exp(-power * gap * energy[row] / (energy[row] + 0.1) * self.dt)
                left[a] = 1.0 - left.sum() + left[a]
                self.c[row] *= np.sqrt(left / share)
        elif name in ("instantaneous", "attempt"):
            for row in hopped if name == "instantaneous" else attempted:
                self.collapse(row)
        elif name == "afssh":
            self.augmented(old, old_c, old_a, overlap, hopped, zeta)
        elif name == "shxf":
            self.auxiliaries(old, hopped)

    def collapse(self, row):
        a = self.a[row]
        phase = self.c[row, a] / abs(self.c[row, a])
        self.c[row] = 0.0
        self.c[row, a] = phase

    def augmented(self, old, old_c, old_a, overlap, hopped, zeta):
        dt, new_forces, old_forces = self.dt, self.s.forces(), old.forces()
        turn = overlap**2
        for row in self.rows:
            a, t = old_a[row], turn[row]
            before = old_forces[row] - old_forces[row, a]
            after = np.tensordot(t, new_forces[row] - new_forces[row, a], 1)
            kick_before = before * (np.abs(old_c[row]) ** 2)[:, None, None]
            kick_after = after * (t @ np.abs(self.c[row]) ** 2)[:, None, None]
            moved = self.moved[row] + dt * (self.kicked[row] + 0.5 * dt * kick_before) / MASSES[:, None]
            kicked = self.kicked[row] + 0.5 * dt * (kick_before + kick_after)
            self.moved[row], self.kicked[row] = np.tensordot(t.T, moved, 1), np.tensordot(t.T, kicked, 1)
            if row in hopped:
                self.moved[row] = self.kicked[row] = 0.0
            a, v = self.a[row], self.p[row] / MASSES[:, None]
            t_matrix = (overlap[row] - overlap[row].T) / (2 * dt)
            moved = self.moved[row].copy()
            for n in range(3):
                if n == a:
                    continue
                apart = moved[n] - moved[a]
                rate = 0.5 * np.sum((new_forces[row, n] - new_forces[row, a]) * apart)
                gap = self.s.energies[row, a] - self.s.energies[row, n]
                back = 2.0 * abs(t_matrix[a, n] * gap * np.sum(v * apart)) / np.sum(v * v)
                collapses = zeta[row, n] < dt * (rate - back)
                if collapses:
                    share = abs(self.c[row, a]) ** 2 + abs(self.c[row, n]) ** 2
                    self.c[row, a] *= np.sqrt(share) / abs(self.c[row, a])
                    self.c[row, n] = 0.0
                if collapses or zeta[row, n] < -dt * rate:
                    self.moved[row, n] = self.kicked[row, n] = 0.0

    def auxiliaries(self, old, hopped):
        width, least = self.options["width"], 0.01
        for row in self.rows:
            a, r, p = self.a[row], self.r[row], self.p[row]
            over = row in hopped
            share = np.abs(self.c[row]) ** 2
            if not over and self.coherent[row, a] and share[a] > 1.0 - least:
                self.collapse(row)
                share, over = np.abs(self.c[row]) ** 2, True
            was = self.coherent[row] & (not over)
            now = (share >= least) & (share <= 1.0 - least)
            now = now & (now.sum() > 1)
            energy, total = kinetic(p), kinetic(p) + self.s.energies[row, a]
            resting = self.resting[row] & was & now
            for l in range(3):
                if not now[l]:
                    self.aux_r[row, l] = self.aux_p[row, l] = self.aux_f[row, l] = 0.0
                    resting[l] = False
                    continue
                place = self.aux_r[row, l] + self.dt * self.aux_p[row, l] / MASSES[:, None]
                own = kinetic(self.aux_p[row, l]) + old.energies[row, l] - self.s.energies[row, l]
                if not was[l]:
                    place, own = r, total - self.s.energies[row, l]
                if l == a:
                    place, own = r, energy
                resting[l] = (resting[l] or own < 0) and l != a
                momentum = np.zeros_like(p) if resting[l] else p * np.sqrt(own / energy)
                change = momentum - self.aux_p[row, l]
                self.aux_f[row, l] = self.aux_f[row, l] + change if was[l] else 0.0
                self.aux_r[row, l], self.aux_p[row, l] = place, momentum
            # Rows that were not coherent remember nothing; new ones begin with no change of momentum.
            quantum = sum(share[l] * (r - self.aux_r[row, l]) for l in range(3) if now[l]) / (2 * width**2)
            growth = np.array([np.sum(quantum * self.aux_f[row, l] / MASSES[:, None]) for l in range(3)])
            if np.any(growth != 0):
                grown = self.c[row] * np.exp(growth * self.dt)
                self.c[row] = grown * np.linalg.norm(self.c[row]) / np.linalg.norm(grown)
            self.coherent[row], self.resting[row] = now, resting
