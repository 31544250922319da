#!/usr/bin/env python3
"""Makes fits.json: fits and statistics of small fixed vectors by statsmodels and scipy, for tests/study/fit.rs.
Run where numpy, scipy and statsmodels are installed; the file names their versions.

What is whose:
- linear: statsmodels' OLS with a constant: values, bse, t, p, conf_int, r2, adjusted, F, residuals.
- equal_slopes: the F test by statsmodels' anova_lm of y ~ C(group) + x against y ~ C(group) * x.
- pearson: scipy's pearsonr and its confidence_interval.
- spearman: scipy's spearmanr; scipy has no interval for it, so Bonett and Wright's is numpy's here.
- exact: the part of all orders whose |r| is at least as large, by scipy's permutation_test of |r| with 'pairings'.
  (Without the absolute value its two-sided p is twice the smaller tail, which is something else.)
- proportion: statsmodels' proportion_confint by Wilson.
- percentiles of a bootstrap over groups: every one of the g^g draws is fitted by numpy's polyfit, for groups of
  distinct x, so that random draws come near.
"""

import itertools
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

HERE = Path(__file__).resolve().parent


def ols(columns, y):
    fit = sm.OLS(np.array(y), sm.add_constant(np.column_stack(list(columns.values())))).fit()
    return {
        "columns": columns,
        "y": y,
        "value": fit.params.tolist(),
        "standard_error": fit.bse.tolist(),
        "t": fit.tvalues.tolist(),
        "p": fit.pvalues.tolist(),
        "interval": fit.conf_int().tolist(),
        "r_squared": fit.rsquared,
        "adjusted_r_squared": fit.rsquared_adj,
        "f": fit.fvalue,
        "f_p": fit.f_pvalue,
        "residual_standard_error": float(np.sqrt(fit.scale)),
        "residuals": fit.resid.tolist(),
        "degrees_of_freedom": int(fit.df_resid),
    }


def linear(rng):
    x = rng.uniform(5, 20, 12).round(2)
    z = rng.normal(0, 1, 12).round(3)
    wide = rng.uniform(1e5, 1e5 + 3, 40).round(3)
    large = rng.normal(0, 1, 400).round(3)
    return {
        "one column": ols({"x": x.tolist()}, (0.1 * x - 3 + rng.normal(0, 0.3, 12)).round(3).tolist()),
        "two columns": ols(
            {"x": x.tolist(), "z": z.tolist()}, (0.1 * x - 0.7 * z + rng.normal(0, 0.2, 12)).round(3).tolist()
        ),
        "nothing there": ols({"x": x.tolist()}, rng.normal(0, 1, 12).round(3).tolist()),
        "three points": ols({"x": [1.0, 2.0, 4.0]}, [1.0, 2.5, 3.0]),
        "far from zero": ols({"x": wide.tolist()}, (2 * (wide - 1e5) + rng.normal(0, 1, 40)).round(3).tolist()),
        "very sure": ols({"x": large.tolist()}, (large + rng.normal(0, 0.3, 400)).round(3).tolist()),
        "tied": ols({"x": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]}, [0.5, 0.5, 0.5, 1.5, 1.0, 1.0]),
    }


def equal_slopes(rng):
    found = {}
    for name, slopes, counts in [
        ("two, apart", [0.1, 0.3], [7, 4]),
        ("two, alike", [0.2, 0.2], [6, 9]),
        ("three", [0.1, 0.15, 0.2], [5, 6, 2]),
    ]:
        groups = {}
        for at, (slope, count) in enumerate(zip(slopes, counts)):
            x = rng.uniform(5, 20, count).round(2)
            groups[f"g{at}"] = {
                "x": x.tolist(),
                "y": (slope * x - at + rng.normal(0, 0.3, count)).round(3).tolist(),
            }
        table = pd.DataFrame(
            [(g, x, y) for g, of in groups.items() for x, y in zip(of["x"], of["y"])], columns=["g", "x", "y"]
        )
        common = smf.ols("y ~ C(g) + x", table).fit()
        test = sm.stats.anova_lm(common, smf.ols("y ~ C(g) * x", table).fit()).iloc[1]
        found[name] = {
            "groups": groups,
            "f": float(test["F"]),
            "p": float(test["Pr(>F)"]),
            "degrees_of_freedom": [int(test["df_diff"]), int(test["df_resid"])],
            "common": float(common.params["x"]),
            "slopes": [float(stats.linregress(of["x"], of["y"]).slope) for of in groups.values()],
        }
    return found


def part_of_orders(statistic, x, y):
    test = stats.permutation_test(
        (y,),
        lambda y: abs(statistic(x, y)[0]),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )
    return float(test.pvalue)


def correlations(rng):
    x20 = rng.normal(2e4, 5e3, 20).round(1)
    sets = {
        "eleven": (
            [2.05, 3.1, 3.4, 1.4, 2.85, 2.1, 1.85, 1.6, 0.63, 1.05, 0.62],
            [1.2, 2.0, 1.1, 0.9, 2.4, 0.7, 1.6, 0.2, 0.4, 0.3, 0.5],
        ),
        "twenty": (x20.tolist(), (-x20 / 1e4 + rng.normal(0, 1, 20)).round(3).tolist()),
        "three": ([1.0, 2.0, 4.0], [2.0, 1.0, 5.0]),
        "four": ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]),
        "ties": ([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 7.0], [5.0, 1.0, 5.0, 2.0, 8.0, 8.0, 9.0]),
        "eight": (rng.normal(0, 1, 8).round(2).tolist(), rng.normal(0, 1, 8).round(2).tolist()),
        "a line": ([1.0, 2.0, 3.0, 4.0, 5.0], [-2.0, -4.0, -6.0, -8.0, -10.0]),
        "a curve": ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 8.0, 27.0, 64.0, 125.0]),
        "none": ([-1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]),
    }
    found = {}
    for name, (x, y) in sets.items():
        n = len(x)
        pearson = stats.pearsonr(x, y)
        spearman = stats.spearmanr(x, y)
        interval = spearman_interval = None
        if n > 3:
            interval = [float(bound) for bound in pearson.confidence_interval()]
            with np.errstate(divide="ignore"):
                z = np.arctanh(spearman.statistic)
            reach = stats.norm.ppf(0.975) * np.sqrt((1 + spearman.statistic**2 / 2) / (n - 3))
            spearman_interval = [float(np.tanh(z - reach)), float(np.tanh(z + reach))]
        found[name] = {
            "x": x,
            "y": y,
            "pearson": {"r": float(pearson.statistic), "p": float(pearson.pvalue), "interval": interval},
            "spearman": {
                "r": float(spearman.statistic),
                "p": float(spearman.pvalue),
                "interval": spearman_interval,
            },
        }
        if n <= 8:
            y = np.array(y)
            found[name]["pearson"]["exact"] = part_of_orders(stats.pearsonr, x, y)
            found[name]["spearman"]["exact"] = part_of_orders(stats.spearmanr, x, y) if n < 8 else None
    return found


def bootstrap():
    groups = {
        "a": ([1.0, 1.2], [0.9, 1.4]),
        "b": ([2.0], [1.7]),
        "c": ([3.0, 3.1, 3.3], [3.9, 2.8, 3.0]),
        "d": ([5.0], [4.1]),
        "e": ([6.0, 6.5], [6.9, 6.0]),
    }
    slopes, alike = [], 0
    for draw in itertools.product(groups.values(), repeat=len(groups)):
        x, y = (np.concatenate([group[at] for group in draw]) for at in (0, 1))
        if np.ptp(x) == 0:
            alike += 1
        else:
            slopes.append(np.polyfit(x, y, 1)[0])
    return {
        "groups": {name: {"x": x, "y": y} for name, (x, y) in groups.items()},
        "interval": np.percentile(slopes, [2.5, 97.5]).tolist(),
        "unfitted": alike / len(groups) ** len(groups),
    }


def proportions():
    return [
        {"successes": k, "n": n, "interval": [float(b) for b in proportion_confint(k, n, method="wilson")]}
        for k, n in [(0, 1), (1, 1), (3, 7), (0, 12), (12, 12), (65, 66), (500, 1000)]
    ]


def main():
    rng = np.random.default_rng(20240507)
    made = {
        "made_by": {name: version(name) for name in ["numpy", "scipy", "statsmodels"]},
        "linear": linear(rng),
        "equal_slopes": equal_slopes(rng),
        "correlations": correlations(rng),
        "bootstrap": bootstrap(),
        "proportions": proportions(),
    }
    (HERE / "fits.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
