"""scikit-dimension's estimators in this library's conventions: what benches/suite.py times and scripts/accuracy.py
compares with. k = 20, but 50 for local PCA: this library's defaults.

All are made to look at the same neighbours as this library's defaults: k counts other samples only.
"""

import warnings

import numpy as np
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from skdim.id import ESS, GRIDE, MLE, MOM, TLE, CorrInt, MiND_ML, TwoNN, lPCA

K, PCA_K = 20, 50
# The largest dimension that its MiND_ML considers.
MOST = 200


def first(knn, k):
    """The first k of precomputed neighbours, in scikit-dimension's form."""
    return knn and (knn[0][:, :k], knn[1][:, :k])


def two_nn(x, knn, **settings):
    if knn:
        return TwoNN(dist=True, **settings).fit(knn[0][:, :2]).dimension_
    return TwoNN(**settings).fit(x).dimension_


def lpca(x, jobs, knn):
    near = knn and knn[1][:, :PCA_K]
    found = lPCA(ver="FO", alphaFO=0.05).fit_pw(x, n_neighbors=PCA_K, n_jobs=jobs, precomputed_knn=near)
    return found.dimension_pw_.mean()


def local(estimator, x, jobs, knn, **settings):
    return estimator.fit(x, n_neighbors=K, n_jobs=jobs, precomputed_knn_arrays=first(knn, K), **settings).dimension_


# This library's name: the estimate from samples, jobs and, where it takes them, neighbours found before.
ESTIMATORS = {
    "mle": lambda x, jobs, knn: local(MLE(unbiased=True), x, jobs, knn, comb="mle"),
    "twonn": lambda x, jobs, knn: two_nn(x, knn, discard_fraction=0.1),
    # N - 1 over the sum: this library has N.
    "twonn_mle": lambda x, jobs, knn: two_nn(x, knn, discard_fraction=0, method="mle"),
    "gride": lambda x, jobs, knn: GRIDE(n1=2).fit(x).dimension_,
    "mom": lambda x, jobs, knn: local(MOM(), x, jobs, knn),
    "mind_ml": lambda x, jobs, knn: float(MiND_ML(k=K, D=MOST).fit(x).dimension_),
    "corr": lambda x, jobs, knn: CorrInt(k1=10, k2=20).fit(x).dimension_,
    # Its epsilon is a distance, this library's a fraction of one: with either so small nothing is dropped here.
    "tle": lambda x, jobs, knn: local(TLE(epsilon=1e-9), x, jobs, knn),
    "ess": lambda x, jobs, knn: local(ESS(ver="a", d=1, random_state=0), x, jobs, knn),
    "lpca": lpca,
}
TAKE_NEIGHBOURS = ["mle", "twonn", "twonn_mle", "mom", "tle", "ess", "lpca"]
TAKE_JOBS = ["mle", "mom", "tle", "ess", "lpca"]
SLOW = ["tle", "ess", "lpca"]

# The relative difference below which two values are the same.
SAME = 1e-6


def near(x, k):
    """Distances to the k nearest others, from differences in f64."""
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    return np.sort(np.partition(distances, k - 1, axis=1)[:, :k], axis=1), distances


def plain_corr(x):
    nearest, distances = near(x, 20)
    r1, r2 = np.median(nearest[:, 9]), np.median(nearest[:, 19])
    return np.log((distances < r2).sum() / (distances < r1).sum()) / np.log(r2 / r1)


def plain_mind_ml(x):
    nearest, _ = near(x, K + 1)
    logs = np.log(nearest[:, 0] / nearest[:, K])
    with np.errstate(over="ignore"):  # to infinity, as it should
        return brentq(lambda d: (1 / d + logs - (K - 1) * logs / np.expm1(-d * logs)).sum(), 1e-3, 1e4, xtol=1e-12)


def plain_gride(x):
    nearest, _ = near(x, 4)
    logs = np.log(nearest[:, 3] / nearest[:, 1])
    return brentq(lambda d: (1 / d + logs / -np.expm1(-d * logs) - 3 * logs).sum(), 1e-3, 1e4, xtol=1e-12)


# Where scikit-dimension's values differ, and why; the definition in plain numpy then decides.
DIFFERENT = {
    "gride": "its likelihood has N - 1 for N, and leaves out ratios far above the 95th percentile",
    "mind_ml": "its search for the maximum sometimes stays at the whole number that it starts from",
    "corr": "its distances come from a matrix product, whose rounding decides pairs at the radius",
}
PLAIN = {"gride": plain_gride, "mind_ml": plain_mind_ml, "corr": plain_corr}


def estimate(name, x, jobs=1, knn=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(ESTIMATORS[name](x, jobs, knn))


def as_ours(name, value, n):
    """Converted to this library's convention, if they differ by a factor."""
    return value * n / (n - 1) if name == "twonn_mle" else value


def apart(ours, theirs):
    """The relative difference."""
    return abs(ours - theirs) / max(abs(ours), abs(theirs), np.finfo(float).tiny)
