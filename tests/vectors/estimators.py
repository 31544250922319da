#!/usr/bin/env python3
"""Makes estimators.json: what scikit-dimension and DADApy say of the point sets of dimension.py.
Run it twice, where numpy, scipy and scikit-dimension 0.4.2 are installed and where DADApy 0.3.4 is (they want
different numpy): each run rewrites what its own library says.

Points are the stored f32 values as f64, distances are Euclidean. Every number that a library gives is computed once
more by the formulas below in plain numpy, and must agree. No row of these sets equals another.

Below, a point x has its k nearest others x_1 .. x_k at distances d_1 <= .. <= d_k: k never counts the point itself,
and a duplicate of it counts as any other. ln is the natural logarithm; N is the number of points.

scikit-dimension:
- mle: (k - 1) / sum_{j <= k} ln(d_k / d_j), or (k - 2) / ... with unbiased=True, for each point. The term j = k is 0.
  Pooled over points: the harmonic mean (comb="mle", its default) or the plain one (comb="mean"). No duplicate is
  dropped: a zero distance makes that point's dimension 0, and the harmonic mean 0.
- corrint: r1 and r2 are the medians over all points of d_k1 and of d_k2 (for an even N the mean of the middle two).
  C(r) is the number of ordered pairs i != j at a distance below r (strictly), over N^2. The dimension is
  ln(C(r2) / C(r1)) / ln(r2 / r1). Duplicates are pairs at distance 0 and count.
- mom: m / (d_k - m), m being the mean of d_1 .. d_k with d_k included; then the mean over points. Duplicates are
  distances of 0 and count.
- tle: let r = d_k, v_ij = |x_i - x_j|, and z_ij^2 = 2 d_i^2 + 2 d_j^2 - v_ij^2, the squared distance of x_i to x_j
  reflected in x. For ordered pairs i != j of neighbours, and w either v_ij or z_ij, with b = d_i^2 + w^2 - d_j^2:
      m(w) = r (sqrt(b^2 + 4 w^2 (r^2 - d_i^2)) - b) / (2 (r^2 - d_i^2)),  or where d_i = r:
      m(w) = r w^2 / (r^2 + w^2 - d_j^2).
  s_ij = m(v_ij), t_ij = m(z_ij). The dimension at x is
      -2 (k^2 - D - E - V) / (sum_{i != j} (ln(s_ij / r) + ln(t_ij / r)) + 2 sum_j ln(d_j / r)).
  Left out of the sums: pairs with s or t below epsilon = 1e-4 (absolute, in units of distance) or not a number, both
  s and t together: E ordered pairs; d_j below epsilon: D neighbours; pairs with v_ij = 0: V ordered pairs. Where
  d_i = 0, s = t = d_j; where d_j = 0, s = t = r v_ij / (r + v_ij). Where the sum over pairs is above -epsilon, the
  dimension is 0. r = 0 is an error. Then the mean over points.
- mind_ml: with rho = d_1 / d_(k + 1) at each point (k + 1 neighbours are searched for), the log-likelihood is
      L(d) = N ln(k d) + (d - 1) sum ln rho + (k - 1) sum ln(1 - rho^d).
  MLi is the d of 1 .. D with the largest L, an integer. MLk is where L is largest in [0, D], found from MLi by L-BFGS-B
  with scipy's tolerances (ftol 2.2e-9, gtol 1e-5). numpy's value, the root of L' to 1e-12, is the better reference;
  on these sets they differ by less than 2e-8. Duplicates have rho = 0 and break L: none are dropped.
- ess: version a, d = 1. With the k neighbours (without x) less their mean as vectors v_i, over all pairs i < j:
      S = sum sqrt(|v_i|^2 |v_j|^2 - (v_i . v_j)^2) / sum |v_i| |v_j|.
  A uniform ball of n dimensions has S = e(n) = gamma(n/2)^2 / (gamma((n+1)/2) gamma((n-1)/2)), e(1) = 0, rising to 1.
  The dimension interpolates linearly: n + (S - e(n)) / (e(n+1) - e(n)), where e(n) <= S < e(n+1). Up to 5000 pairs
  (k <= 100) all pairs are taken; more are sampled. Points in one dimension have S = 0. Then the mean over points.
- lpca: fit_pw: the eigenvalues l_1 >= l_2 >= .. >= l_p of the covariance of the k neighbours (without x, less their
  mean, divided by k - 1); p = min(k, number of columns), zeros included.
      FO: the number with l_i > 0.05 l_1.
      ratio: 1 + the number of m with (l_1 + .. + l_m) / (l_1 + .. + l_p) < alpha. Its default alpha is 0.05, with
        which the answer is nearly always 1: 0.95 is recorded besides.
      participation_ratio: (sum l)^2 / sum l^2.
      Kaiser: the number with l_i > (sum l) / p.
      broken_stick: b_i = (1/i + .. + 1/p) / p; the number of leading i with l_i / sum l >= b_i (0 where all are).
  The mean over points is numpy's, as lPCA itself does not pool.
- gride: see DADApy's below; scales n1 = 1, 2, 4, ... with n2 = 2 n1 <= 64. Ratios of 1 and those with a zero distance
  are dropped, the root is good to 1e-12, and the error sums over the ratios kept by the cut only.
GeoMLE has no package on PyPI: it is not here.

DADApy:
- gride: mu = d_n2 / d_n1 at each point, n2 = 2 n1, n1 = 1, 2, 4, .. 32. Ratios at or above q50 + 20 (q95 - q50) are cut
  (percentiles as numpy's, linear). With the N that are left, the dimension is the root d of
      (N - 1) / d + (n2 - n1 - 1) sum ln mu / (1 - mu^-d) - (n2 - 1) sum ln mu,
  by halving [0.001, 1000] until it is 1e-7 wide. N - 1 in place of N makes n1 = 1 unbiased. The error is
      1 / sqrt(N / d^2 + (n2 - n1 - 1) sum mu^-d (ln mu / (1 - mu^-d))^2)
  over all ratios, those cut as well. The scale is the mean over points of (d_n1 + d_n2) / 2. Zero distances become
  2.2e-16, ratios of 1 become 1 + 2.2e-15, and 1 - mu^-d is taken as at least 2e-7 (in the error 1.1e-15).
- twonn base: the ratios mu = d_2 / d_1 sorted, the first n = int(fraction N) fitted by least squares through the
  origin: y = -ln(1 - i / N), x = ln mu_(i), i = 1..n; by scipy's curve_fit, good to about 1e-8. fraction = 1 is ml.
- twonn ml: (N - 1) / sum ln mu; the fraction is not used.
- twonn posterior (compute_id_2NN_wprior): a Gamma(alpha = 2, rate beta = 5) prior; with A = alpha + N and
  B = beta + sum ln mu: mean A / B, mode (A - 1) / B, standard deviation sqrt(A) / B.
  The scale of all these is the mean over points of (d_1 + d_2) / 2. Duplicates are not dropped: they give infinite mu.
"""

import json
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln

HERE = Path(__file__).resolve().parent
SETS = ["gaussian", "swiss_roll", "hypercube"]
ROWS = [0, 1, 50, 99, 150, 199]
MLE_ALL = range(5, 41)
MLE_POINTWISE = [5, 10, 20, 40]
CORRINT = (10, 20)
MIND_K, MIND_D = 20, 64
TLE_EPSILON = 1e-4
LPCA = ["FO", "ratio_0.05", "ratio_0.95", "participation_ratio", "Kaiser", "broken_stick"]
GRIDE = [1, 2, 4, 8, 16, 32]
FRACTIONS = [0.5, 0.9, 0.95]
PRIOR = (2, 5)


class Neighbours:
    """Distances between all points, and who is near whom: in f64, from differences."""

    def __init__(self, points):
        self.points = points
        self.all = np.sqrt(((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2))
        away = self.all + np.diag(np.full(len(points), np.inf))
        self.order = np.argsort(away, axis=1, kind="stable")[:, :64]
        self.near = np.take_along_axis(away, self.order, axis=1)


def pointwise(local):
    """What is kept of a list with one dimension for each point."""
    return {"pointwise": np.asarray(local, dtype=float)[ROWS].tolist(), "mean": np.mean(local)}


def mle_numbers(local_of):
    """All there is of MLE, from a function (k, unbiased) -> the dimension at each point, and both pooled."""
    numbers = {}
    for norm, unbiased in [("k_minus_1", False), ("k_minus_2", True)]:
        per_k = {k: local_of(k, unbiased) for k in MLE_ALL}
        numbers[norm] = {
            "harmonic": {str(k): harmonic for k, (_, harmonic, _) in per_k.items()},
            "mean": {str(k): mean for k, (_, _, mean) in per_k.items()},
            "pointwise": {str(k): per_k[k][0][ROWS].tolist() for k in MLE_POINTWISE},
        }
    return numbers


# The formulas of the text above.


def mle(near, k, unbiased):
    local = (k - 2 if unbiased else k - 1) / np.log(near[:, k - 1 : k] / near[:, :k]).sum(axis=1)
    return local, 1 / np.mean(1 / local), np.mean(local)


def corrint(n):
    r1, r2 = (np.median(n.near[:, k - 1]) for k in CORRINT)
    c1, c2 = ((n.all < r).sum() - len(n.all) for r in (r1, r2))
    return np.log(c2 / c1) / np.log(r2 / r1)


def mom(near, k):
    mean = near[:, :k].mean(axis=1)
    return mean / (near[:, k - 1] - mean)


def tle_at(points, distances):
    k, r = len(distances), distances[-1]
    v2 = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    total, left_out = 0.0, 0
    for i in range(k):
        for j in range(k):
            if i == j:
                continue
            di2, dj2 = distances[i] ** 2, distances[j] ** 2
            measured = []
            for w2 in (v2[i, j], 2 * di2 + 2 * dj2 - v2[i, j]):
                b, gap = di2 + w2 - dj2, r**2 - di2
                if gap == 0:
                    measured.append(r * w2 / (r**2 + w2 - dj2))
                else:
                    measured.append(r * (np.sqrt(b**2 + 4 * w2 * gap) - b) / (2 * gap))
            if min(measured) < TLE_EPSILON:
                left_out += 1
            else:
                total += np.log(measured[0] / r) + np.log(measured[1] / r)
    kept = distances[distances >= TLE_EPSILON]
    dropped = k - len(kept)
    return -2 * (k**2 - left_out - dropped) / (total + 2 * np.log(kept / r).sum())


def mind_ml(near):
    """MLi, and MLk as the root of the derivative."""
    n, k = len(near), MIND_K
    rho = near[:, 0] / near[:, k]
    logs = np.log(rho)

    def likelihood(d):
        return n * np.log(k * d) + (d - 1) * logs.sum() + (k - 1) * np.log(1 - rho**d).sum()

    def slope(d):
        return n / d + logs.sum() - (k - 1) * (rho**d * logs / (1 - rho**d)).sum()

    mli = 1 + int(np.argmax([likelihood(d) for d in range(1, MIND_D + 1)]))
    return mli, brentq(slope, 1e-3, MIND_D, xtol=1e-12, rtol=1e-13)


def ess_at(points):
    vectors = points - points.mean(axis=0)
    i, j = np.triu_indices(len(vectors), 1)
    squares = (vectors**2).sum(axis=1)
    weights = squares[i] * squares[j]
    areas = np.sqrt(np.maximum(weights - (vectors[i] * vectors[j]).sum(axis=1) ** 2, 0))
    skewness = areas.sum() / np.sqrt(weights).sum()
    n = np.arange(2, 200)
    curve = np.exp(2 * gammaln(n / 2) - gammaln((n + 1) / 2) - gammaln((n - 1) / 2))
    return np.interp(skewness, np.concatenate([[0], curve]), np.arange(1, 200))


def lpca_at(points, rule):
    centred = points - points.mean(axis=0)
    ls = np.linalg.svd(centred, compute_uv=False) ** 2 / (len(points) - 1)
    p, share = len(ls), ls / ls.sum()
    if rule == "FO":
        return (ls > 0.05 * ls[0]).sum()
    if rule.startswith("ratio"):
        return 1 + (np.cumsum(share) < float(rule.split("_")[1])).sum()
    if rule == "participation_ratio":
        return ls.sum() ** 2 / (ls**2).sum()
    if rule == "Kaiser":
        return (ls > ls.mean()).sum()
    stick = np.cumsum(1 / np.arange(p, 0, -1))[::-1] / p
    below = np.flatnonzero(share < stick)
    return below[0] if len(below) else 0


def gride(near, n1):
    """The root, DADApy's error and scale."""
    n2 = 2 * n1
    mu = near[:, n2 - 1] / near[:, n1 - 1]
    high, middle = np.percentile(mu, [95, 50])
    kept = mu[mu < 20 * (high - middle) + middle]

    def score(d):
        logs = np.log(kept)
        return (len(kept) - 1) / d + (n2 - n1 - 1) * (logs / -np.expm1(-d * logs)).sum() - (n2 - 1) * logs.sum()

    d = brentq(score, 1e-3, 1e3, xtol=1e-13, rtol=1e-13)
    information = len(mu) / d**2 + (n2 - n1 - 1) * (mu**-d * (np.log(mu) / (1 - mu**-d)) ** 2).sum()
    return d, information**-0.5, near[:, [n1 - 1, n2 - 1]].mean(), len(mu) - len(kept)


def twonn(near):
    logs = np.sort(np.log(near[:, 1] / near[:, 0]))
    n, (alpha, beta) = len(logs), PRIOR
    numbers = {"base": {}, "ml": (n - 1) / logs.sum(), "scale": near[:, :2].mean()}
    for fraction in FRACTIONS:
        kept = int(n * fraction)
        y = -np.log(1 - np.arange(1, kept + 1) / n)
        numbers["base"][str(fraction)] = (logs[:kept] @ y) / (logs[:kept] @ logs[:kept])
    a, b = alpha + n, beta + logs.sum()
    numbers["posterior"] = {"mean": a / b, "mode": (a - 1) / b, "sd": np.sqrt(a) / b}
    return numbers


def skdim_by_formulas(n):
    """by_skdim, in numpy."""
    near = n.near
    mli, mlk = mind_ml(near)
    scales = [gride(near, n1) for n1 in GRIDE]
    assert all(cut == 0 for _, _, _, cut in scales), "a ratio was cut: the two libraries' errors differ there"
    at = lambda what, k, *more: pointwise([what(n.points[order[:k]], *more) for order in n.order])
    return {
        "mle": mle_numbers(lambda k, unbiased: mle(near, k, unbiased)),
        "corrint": corrint(n),
        "mom": {str(k): pointwise(mom(near, k)) for k in (20, 50)},
        "tle": {"20": pointwise([tle_at(n.points[o[:20]], d[:20]) for o, d in zip(n.order, near)])},
        "mind_ml": {"mli": mli, "mlk": mlk},
        "ess": {str(k): at(ess_at, k) for k in (20, 50)},
        "lpca": {str(k): {rule: at(lpca_at, k, rule) for rule in LPCA} for k in (20, 50)},
        "gride": {"n1": GRIDE, "dimension": [s[0] for s in scales], "error": [s[1] for s in scales]},
    }


def by_skdim(points):
    from skdim.id import ESS, GRIDE as Gride, MLE, MOM, TLE, CorrInt, MiND_ML, lPCA

    def mle_local(k, unbiased):
        fitted = MLE(unbiased=unbiased).fit(points, n_neighbors=k, comb="mle")
        mean = MLE(unbiased=unbiased).fit(points, n_neighbors=k, comb="mean").dimension_
        return fitted.dimension_pw_, fitted.dimension_, mean

    def fitted(estimator, k):
        estimator.fit(points, n_neighbors=k)
        kept = pointwise(estimator.dimension_pw_)
        assert kept["mean"] == estimator.dimension_
        return kept

    def lpca(rule, k):
        name, _, alpha = rule.partition("_0.")
        options = {"alphaRatio": float("0." + alpha)} if name == "ratio" else {}
        return pointwise(lPCA(ver=name, alphaFO=0.05, **options).fit_pw(points, n_neighbors=k).dimension_pw_)

    mind = {ver: MiND_ML(k=MIND_K, D=MIND_D, ver=ver).fit(points).dimension_ for ver in ("MLi", "MLk")}
    scales = Gride(multiscale=True, range_max=64).fit(points)
    return {
        "mle": mle_numbers(mle_local),
        "corrint": CorrInt(k1=CORRINT[0], k2=CORRINT[1]).fit(points).dimension_,
        "mom": {str(k): fitted(MOM(), k) for k in (20, 50)},
        "tle": {"20": fitted(TLE(epsilon=TLE_EPSILON), 20)},
        "mind_ml": {"mli": int(mind["MLi"]), "mlk": mind["MLk"]},
        "ess": {str(k): fitted(ESS(ver="a", d=1, random_state=0), k) for k in (20, 50)},
        "lpca": {str(k): {rule: lpca(rule, k) for rule in LPCA} for k in (20, 50)},
        "gride": {
            "n1": scales.scales_.tolist(),
            "dimension": scales.dimension_scales_.tolist(),
            "error": scales.error_scales_.tolist(),
        },
    }


def dadapy_by_formulas(n):
    """by_dadapy, in numpy."""
    scales = [gride(n.near, n1) for n1 in GRIDE]
    return {
        "gride": {
            "n1": GRIDE,
            "dimension": [s[0] for s in scales],
            "error": [s[1] for s in scales],
            "scale": [s[2] for s in scales],
        },
        "twonn": twonn(n.near),
    }


def by_dadapy(points):
    from dadapy import Data

    ids, errors, scales = Data(coordinates=points).return_id_scaling_gride(range_max=64)
    data = Data(coordinates=points)
    base = {str(f): data.compute_id_2NN(algorithm="base", mu_fraction=f)[0] for f in FRACTIONS}
    ml, _, scale = data.compute_id_2NN(algorithm="ml")
    mean, sd, _ = data.compute_id_2NN_wprior(*PRIOR)
    mode, _, _ = data.compute_id_2NN_wprior(*PRIOR, posterior_mean=False)
    return {
        "gride": {"n1": GRIDE, "dimension": ids.tolist(), "error": errors.tolist(), "scale": scales.tolist()},
        "twonn": {"base": base, "ml": ml, "scale": scale, "posterior": {"mean": mean, "mode": mode, "sd": sd}},
    }


def check(said, computed, path=""):
    """Both are the same, but for the tolerances of the libraries' own solvers."""
    if isinstance(said, dict):
        assert said.keys() == computed.keys(), path
        for key in said:
            check(said[key], computed[key], f"{path}/{key}")
        return
    tolerance = 1e-9
    if path.endswith("mlk"):
        tolerance = 1e-6
    elif "dadapy/gride" in path or "dadapy/twonn/base" in path:
        tolerance = 1e-6
    np.testing.assert_allclose(said, computed, rtol=tolerance, err_msg=path)


def digits(value, indent=0):
    """JSON with 17 significant digits, lists on one line."""
    if isinstance(value, dict):
        pad = "\n" + " " * (indent + 1)
        inside = ("," + pad).join(f"{json.dumps(key)}: {digits(v, indent + 1)}" for key, v in value.items())
        return "{" + pad + inside + pad[:-1] + "}"
    if isinstance(value, list):
        return "[" + ", ".join(digits(v) for v in value) + "]"
    if isinstance(value, (float, np.floating)):
        assert np.isfinite(value)
        return f"{value:.17g}"
    return json.dumps(value if isinstance(value, str) else int(value))


LIBRARIES = {
    "skdim": ("scikit-dimension", by_skdim, skdim_by_formulas),
    "dadapy": ("dadapy", by_dadapy, dadapy_by_formulas),
}
CONVENTIONS = {
    "k": "counts other points only, never the point itself",
    "duplicates": "count as neighbours at distance 0; no estimator here drops them but gride, and these sets have none",
    "mle": "k - 1 or k - 2 over sum ln(d_k / d_j), j = 1..k; harmonic or plain mean over points",
    "corrint": "k1 = 10, k2 = 20: radii are medians of d_k; ordered pairs strictly below, without the diagonal",
    "mom": "mean m of d_1..d_k with d_k: m / (d_k - m); plain mean over points",
    "tle": "central measurements and reflections; epsilon 1e-4, absolute; plain mean over points",
    "mind_ml": "k = 20, D = 64: rho = d_1 / d_21; mlk by L-BFGS-B (ftol 2.2e-9), numpy's mlk is the root to 1e-12",
    "ess": "version a, d = 1: neighbours without the point, less their mean; all pairs; plain mean over points",
    "lpca": "fit_pw: neighbours without the point, less their mean, over k - 1; counts over min(k, columns) values",
    "skdim gride": "N - 1, root to 1e-12",
    "dadapy gride": "N - 1, bisection to 1e-7; numpy's are the roots to 1e-13",
    "dadapy twonn": "base fits int(fraction N) ratios with i / N by curve_fit; ml is (N - 1) / sum ln mu; prior Gamma(2, 5)",
    "geomle": "no package on PyPI",
}


def main():
    warnings.simplefilter("error", RuntimeWarning)
    path = HERE / "estimators.json"
    before = json.loads(path.read_text()) if path.exists() else {"made_by": {}, "sets": {}}
    result = {"made_by": before["made_by"], "conventions": CONVENTIONS, "rows": ROWS, "sets": before["sets"]}
    for library, (package, said_by, formulas) in LIBRARIES.items():
        try:
            result["made_by"][library] = f"{package} {version(package)}, numpy {np.__version__}"
        except PackageNotFoundError:
            print(f"{package} is not here: what it said before is kept")
            continue
        for name in SETS:
            points = np.load(HERE / f"dimension_{name}.npy").astype(np.float64)
            said, computed = said_by(points), formulas(Neighbours(points))
            check(said, computed, f"{name}/{library}")
            kept = result["sets"].setdefault(name, {"points": f"dimension_{name}.npy"})
            kept[library] = said
            exact = kept.setdefault("numpy", {})
            if library == "skdim":
                exact["mind_mlk"] = computed["mind_ml"]["mlk"]
            else:
                exact["gride"] = computed["gride"]
                exact["twonn"] = computed["twonn"]
    path.write_text(digits(result) + "\n")


if __name__ == "__main__":
    main()
