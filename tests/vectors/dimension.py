#!/usr/bin/env python3
"""Makes dimension.json and dimension_*.npy: small point sets, and their intrinsic dimension by scikit-dimension.
Run where numpy, scikit-learn and scikit-dimension 0.4.2 are installed (0.5.0 gives the same numbers).

Distances here are sums of squared differences in f64 of the stored f32 values. Every number that scikit-dimension
computes is computed once more by the formulas in plain numpy, and must agree.

What scikit-dimension's conventions are:
- MLE: n_neighbors counts other samples only, as k does here. Per point (k - 1) / sum_j ln(T_k / T_j), or (k - 2) / ...
  with unbiased=True; the terms j = 1..k - 1 and the zero of j = k. comb="mle" is the harmonic mean over the points,
  comb="mean" the plain one. The default is k - 1, harmonic.
- TwoNN, linear: with N ratios mu, sorted, the first n = int(N * (1 - discard_fraction)) are fitted; the empirical
  distribution is F(mu_(i)) = i / N, i = 1..n: N counts those discarded, as in Facco et al. 2017. Versions up to 0.3.4
  had (i - 1) / N.
- TwoNN, mle: (N - 1) / sum ln mu with nothing discarded; with a discarded fraction, those count as censored:
  (n - 1) / (sum_{i <= n} ln mu_(i) + (N - n) ln mu_(n)). The closed form N / sum ln mu, without the correction for
  bias, is not in scikit-dimension: that one is numpy's alone.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from skdim.id import MLE, TwoNN

HERE = Path(__file__).resolve().parent
K = 20
DISCARD = 0.1


def gaussian(rng):
    """A 5-dimensional Gaussian, turned and moved in 20 dimensions."""
    axes, _ = np.linalg.qr(rng.standard_normal((20, 5)))
    return rng.standard_normal((200, 5)) @ axes.T + rng.uniform(-1, 1, 20)


def swiss_roll(rng):
    """A rolled-up sheet of 2 dimensions in 3."""
    angle = 1.5 * np.pi * (1 + 2 * rng.uniform(size=300))
    return np.stack([angle * np.cos(angle), 21 * rng.uniform(size=300), angle * np.sin(angle)], axis=1)


def hypercube(rng):
    """The inside of a cube of 8 dimensions."""
    return rng.uniform(size=(250, 8))


def neighbours(points):
    """Distances to the K nearest others, nearest first, and who those are."""
    squares = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    order = np.argsort(squares, axis=1, kind="stable")[:, :K]
    return np.sqrt(np.take_along_axis(squares, order, axis=1)), order


def by_formulas(distances):
    """REFERENCE's formulas, in numpy."""
    logs = np.log(distances[:, K - 1 : K] / distances[:, : K - 1]).sum(axis=1)
    mu = np.sort(distances[:, 1] / distances[:, 0])
    n = len(mu)
    kept = int(n * (1 - DISCARD))
    x = np.log(mu[:kept])
    y = -np.log(1 - np.arange(1, kept + 1) / n)
    numbers = {}
    for name, norm in [("k_minus_1", K - 1), ("k_minus_2", K - 2)]:
        local = norm / logs
        numbers[f"mle_{name}_local"] = local.tolist()
        numbers[f"mle_{name}_harmonic"] = 1 / np.mean(1 / local)
        numbers[f"mle_{name}_mean"] = np.mean(local)
    numbers["twonn_fit"] = (x @ y) / (x @ x)
    numbers["twonn_closed_form"] = n / np.log(mu).sum()
    numbers["twonn_closed_form_unbiased"] = (n - 1) / np.log(mu).sum()
    numbers["twonn_censored_unbiased"] = (kept - 1) / (x.sum() + (n - kept) * x[-1])
    return numbers


def by_skdim(points, distances, order):
    numbers = {}
    for name, unbiased in [("k_minus_1", False), ("k_minus_2", True)]:
        for pooling, comb in [("harmonic", "mle"), ("mean", "mean")]:
            fitted = MLE(unbiased=unbiased).fit(points, precomputed_knn_arrays=(distances, order), comb=comb)
            numbers[f"mle_{name}_local"] = fitted.dimension_pw_.tolist()
            numbers[f"mle_{name}_{pooling}"] = fitted.dimension_
            # Its own search for neighbours finds the same.
            own = MLE(unbiased=unbiased).fit(points, n_neighbors=K, comb=comb)
            np.testing.assert_allclose(own.dimension_pw_, fitted.dimension_pw_, rtol=1e-9)
    nearest = distances[:, :2]
    numbers["twonn_fit"] = TwoNN(discard_fraction=DISCARD, dist=True).fit(nearest).dimension_
    unbiased = TwoNN(discard_fraction=0, dist=True, method="mle").fit(nearest)
    numbers["twonn_closed_form_unbiased"] = unbiased.dimension_
    censored = TwoNN(discard_fraction=DISCARD, dist=True, method="mle").fit(nearest)
    numbers["twonn_censored_unbiased"] = censored.dimension_
    return numbers


def main():
    sets = {}
    for seed, make in enumerate([gaussian, swiss_roll, hypercube]):
        name = make.__name__
        points = make(np.random.default_rng(seed)).astype("<f4")
        np.save(HERE / f"dimension_{name}.npy", points)
        points = points.astype(np.float64)
        distances, order = neighbours(points)
        formulas, skdim = by_formulas(distances), by_skdim(points, distances, order)
        for key, value in skdim.items():
            np.testing.assert_allclose(formulas[key], value, rtol=1e-12, err_msg=f"{name}: {key}")
        sets[name] = {
            "points": f"dimension_{name}.npy",
            "what": make.__doc__,
            "skdim": skdim,
            "numpy": {"twonn_closed_form": formulas["twonn_closed_form"]},
        }
    result = {
        "made_by": f"dimension.py: scikit-dimension {version('scikit-dimension')}, numpy {np.__version__}",
        "k": K,
        "discard_fraction": DISCARD,
        "sets": sets,
    }
    (HERE / "dimension.json").write_text(json.dumps(result, indent=1, default=float) + "\n")
    for name, numbers in sets.items():
        for key, value in {**numbers["skdim"], **numbers["numpy"]}.items():
            if not isinstance(value, list):
                print(f"{name:12} {key:30} {value:.6f}")


if __name__ == "__main__":
    main()
