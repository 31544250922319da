#!/usr/bin/env python3
"""Makes manifolds.json: names, dimensions, and the mean and variance of every coordinate of scikit-dimension's
BenchmarkManifolds. tests/data/manifolds.rs holds the crate's own samples against them.
Run where numpy, pandas and scikit-dimension 0.4.2 are installed: python tests/vectors/manifolds.py.

Means and variances are of 400 000 points. `variance_error` is sqrt(E (x - mean)^4 - variance^2): divided by
the square root of a number of points, it is the standard error of a variance from so many.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from skdim.datasets import BenchmarkManifolds

HERE = Path(__file__).resolve().parent
POINTS = 400_000


def main():
    maker = BenchmarkManifolds(random_state=0)
    manifolds = {}
    for name, (intrinsic, embedding, _) in maker._dict_truth.items():
        points = maker.generate(name=name, n=POINTS, dim=embedding, d=intrinsic)
        assert points.shape == (POINTS, embedding)
        mean = points.mean(axis=0)
        squares = (points - mean) ** 2
        variance = squares.mean(axis=0)
        error = np.sqrt(np.maximum((squares**2).mean(axis=0) - variance**2, 0))
        manifolds[name] = {
            "intrinsic_dim": intrinsic,
            "embedding_dim": embedding,
            "mean": mean.tolist(),
            "variance": variance.tolist(),
            "variance_error": error.tolist(),
        }
    made_by = f"manifolds.py: scikit-dimension {version('scikit-dimension')}, numpy {np.__version__}"
    result = {"made_by": made_by, "points": POINTS, "manifolds": manifolds}
    # Seven digits are more than the sampling error leaves.
    text = json.dumps(result, indent=1, default=float)
    compact = json.dumps(json.loads(text, parse_float=lambda digits: float(f"{float(digits):.7g}")))
    (HERE / "manifolds.json").write_text(compact.replace('}, "M', '},\n"M') + "\n")


if __name__ == "__main__":
    main()
