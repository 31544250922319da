//! Intrinsic dimension beside scikit-dimension 0.4.2 and DADApy 0.3.4, on the committed vectors of
//! tests/vectors/dimension.py and estimators.py, which give the definitions.

use super::naive;
use crate::npz::Array;
use crate::support::{Set, close, devices, in_reach};
use serde_json::Value;
use sharpdim::Device;
use sharpdim::measure::{
    Correlation, Duplicates, Ess, Estimate, Estimator, Gride, LocalPca, MindMl, Mle, MleNorm, MleRange,
    Moments, PcaRule, Pooling, Tle, TwoNn, estimate, intrinsic_dims,
};
use sharpdim::ops::neighbours;
use std::fs;
use std::path::{Path, PathBuf};

const DUPLICATES: Duplicates = Duplicates::Exclude;

fn fit(discard: f64) -> Estimator {
    Estimator::TwoNn(TwoNn::Fit { discard, seed: 0, duplicates: DUPLICATES })
}

fn closed_form() -> Estimator {
    Estimator::TwoNn(TwoNn::ClosedForm { duplicates: DUPLICATES })
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read_points(name: &str) -> Set {
    let array = Array::open(vectors().join(name));
    Set::f32(name, array.shape[1], array.values())
}

#[test]
fn estimates_are_those_of_scikit_dimension() {
    let said: Value = serde_json::from_slice(&fs::read(vectors().join("dimension.json")).unwrap()).unwrap();
    let k = said["k"].as_u64().unwrap() as usize;
    let discard = said["discard_fraction"].as_f64().unwrap();
    let mut compared = 0;
    for (name, vector) in said["sets"].as_object().unwrap() {
        let set = read_points(vector["points"].as_str().unwrap());
        for device in devices().iter().filter(|device| in_reach(device, set.n(), set.dim)) {
            let nearest = neighbours(device, &set.points(), k).unwrap();
            let find = |estimator: Estimator| estimate(&nearest, &estimator).unwrap();
            let mut check = |got: f64, want: &Value, key: &str| {
                close(got, want.as_f64().unwrap(), 1e-6, || format!("{device}, {name}, {key}"));
                compared += 1;
            };
            for (norm, norm_name) in [(MleNorm::KMinus1, "k_minus_1"), (MleNorm::KMinus2, "k_minus_2")] {
                for (pooling, pooling_name) in [(Pooling::Harmonic, "harmonic"), (Pooling::Mean, "mean")] {
                    let key = format!("mle_{norm_name}_{pooling_name}");
                    let found = find(Estimator::Mle(Mle { k, norm, pooling, ..Mle::default() }));
                    check(found.value, &vector["skdim"][&key], &key);
                    let key = format!("mle_{norm_name}_local");
                    let local = vector["skdim"][&key].as_array().unwrap();
                    assert_eq!(local.len(), found.local.len());
                    found.local.iter().zip(local).for_each(|(got, want)| check(*got, want, &key));
                }
            }
            check(find(fit(discard)).value, &vector["skdim"]["twonn_fit"], "twonn_fit");
            let closed = find(closed_form()).value;
            check(closed, &vector["numpy"]["twonn_closed_form"], "twonn_closed_form");
            let n = set.n() as f64;
            let unbiased = closed * (n - 1.0) / n;
            check(unbiased, &vector["skdim"]["twonn_closed_form_unbiased"], "twonn_closed_form_unbiased");
        }
    }
    assert!(compared >= 3 * (4 + 3));
}

/// The committed vectors of one set, with the set.
struct Vectors {
    set: Set,
    rows: Vec<usize>,
    said: Value,
}

impl Vectors {
    fn all() -> Vec<Vectors> {
        let said: Value =
            serde_json::from_slice(&fs::read(vectors().join("estimators.json")).unwrap()).unwrap();
        let rows: Vec<usize> =
            said["rows"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap() as usize).collect();
        let read = |said: &Value| {
            let set = read_points(said["points"].as_str().unwrap());
            Vectors { set, rows: rows.clone(), said: said.clone() }
        };
        said["sets"].as_object().unwrap().values().map(read).collect()
    }

    /// The number at a path as `skdim/mle/k_minus_1/mean/5`.
    fn number(&self, path: &str) -> f64 {
        self.said.pointer(&format!("/{path}")).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path}"))
    }

    fn check(&self, found: f64, path: &str) {
        close(found, self.number(path), 1e-6, || format!("{}, {path}", self.set.name));
    }

    /// Some samples' dimensions, and the mean of all, where there is one.
    fn check_local(&self, found: &Estimate, path: &str, mean: bool) {
        for (at, row) in self.rows.iter().enumerate() {
            self.check(found.local[*row], &format!("{path}/{at}"));
        }
        if mean {
            self.check(found.value, &format!("{}/mean", path.trim_end_matches("/pointwise")));
        }
    }

    fn find(&self, estimators: &[Estimator]) -> Vec<Estimate> {
        let found = intrinsic_dims(&Device::cpu(), &self.set.points(), estimators, &|_| ()).unwrap();
        found.into_iter().map(|found| found.unwrap()).collect()
    }
}

const NORMS: [(MleNorm, &str); 2] = [(MleNorm::KMinus1, "k_minus_1"), (MleNorm::KMinus2, "k_minus_2")];
const POOLINGS: [(Pooling, &str); 2] = [(Pooling::Harmonic, "harmonic"), (Pooling::Mean, "mean")];

#[test]
fn mle_is_scikit_dimensions_at_every_k() {
    for vectors in Vectors::all() {
        for (norm, norm_name) in NORMS {
            for (pooling, pooling_name) in POOLINGS {
                let estimators: Vec<Estimator> = (5..=40)
                    .map(|k| Estimator::Mle(Mle { k, norm, pooling, duplicates: DUPLICATES }))
                    .collect();
                let mut mean = 0.0;
                for (found, k) in vectors.find(&estimators).into_iter().zip(5..) {
                    let path = format!("skdim/mle/{norm_name}");
                    vectors.check(found.value, &format!("{path}/{pooling_name}/{k}"));
                    if [5, 10, 20, 40].contains(&k) {
                        vectors.check_local(&found, &format!("{path}/pointwise/{k}"), false);
                    }
                    mean += vectors.number(&format!("{path}/{pooling_name}/{k}")) / 36.0;
                }
                let range = MleRange { from: 5, to: 40, norm, pooling, duplicates: DUPLICATES };
                let found = vectors.find(&[Estimator::MleRange(range)]).remove(0);
                close(found.value, mean, 1e-6, || format!("{}, mean over k", vectors.set.name));
            }
        }
    }
}

/// TLE's epsilon is of T_k here and absolute there: no measurement of these sets is below either.
#[test]
fn estimates_from_neighbourhoods_are_scikit_dimensions() {
    for vectors in Vectors::all() {
        let correlation = Estimator::Correlation(Correlation { k1: 10, k2: 20 });
        let [whole, any] =
            [true, false].map(|whole| Estimator::MindMl(MindMl { k: 20, whole, duplicates: DUPLICATES }));
        let found = vectors.find(&[correlation, whole, any]);
        vectors.check(found[0].value, "skdim/corrint");
        vectors.check(found[1].value, "skdim/mind_ml/mli");
        vectors.check(found[2].value, "skdim/mind_ml/mlk");
        close(found[2].value, vectors.number("numpy/mind_mlk"), 1e-11, || "the root of the derivative");

        let tle = Estimator::Tle(Tle { k: 20, ..Tle::default() });
        vectors.check_local(&vectors.find(&[tle])[0], "skdim/tle/20/pointwise", true);
        for k in [20, 50] {
            let moments = Estimator::Moments(Moments { k, duplicates: DUPLICATES });
            let ess = Estimator::Ess(Ess { k, duplicates: DUPLICATES });
            let found = vectors.find(&[moments, ess]);
            vectors.check_local(&found[0], &format!("skdim/mom/{k}/pointwise"), true);
            vectors.check_local(&found[1], &format!("skdim/ess/{k}/pointwise"), true);
            let rules = [
                (PcaRule::Relative(0.05), "FO"),
                (PcaRule::Explained(0.05), "ratio_0.05"),
                (PcaRule::Explained(0.95), "ratio_0.95"),
                (PcaRule::Participation, "participation_ratio"),
            ];
            for (rule, name) in rules {
                let found =
                    vectors.find(&[Estimator::LocalPca(LocalPca { k, rule, duplicates: DUPLICATES })]);
                vectors.check_local(&found[0], &format!("skdim/lpca/{k}/{name}/pointwise"), true);
            }
        }
    }
}

/// They solve with N - 1 in the place of N: the naive formula stands between, which has both.
#[test]
fn gride_is_that_of_dadapy_and_scikit_dimension() {
    for vectors in Vectors::all() {
        let set = &vectors.set;
        let nearest = neighbours(&Device::cpu(), &set.points(), 64).unwrap();
        let scales = Gride::scales(64);
        assert_eq!(scales.iter().map(|gride| gride.n).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32]);
        for (at, gride) in scales.iter().enumerate() {
            let t: Vec<Vec<f64>> = (0..set.n()).map(|i| nearest.distances(i).collect()).collect();
            let mu: Vec<f64> = t.iter().map(|t| t[2 * gride.n - 1] / t[gride.n - 1]).collect();
            let count = mu.len() as f64;
            let unbiased = naive::gride(&mu, gride.n, count - 1.0);
            for library in ["skdim", "dadapy", "numpy"] {
                vectors.check(unbiased, &format!("{library}/gride/dimension/{at}"));
            }
            let found = estimate(&nearest, &Estimator::Gride(*gride)).unwrap();
            close(found.value, naive::gride(&mu, gride.n, count), 1e-9, || {
                format!("{}, {gride:?}", set.name)
            });
            vectors.check(gride.scale(&nearest).unwrap(), &format!("dadapy/gride/scale/{at}"));
        }
    }
}

#[test]
fn twonn_is_that_of_dadapy() {
    for vectors in Vectors::all() {
        for fraction in [0.5, 0.9, 0.95] {
            let found = vectors.find(&[fit(1.0 - fraction)]).remove(0);
            let key = if fraction == 0.5 { "0.5".to_owned() } else { fraction.to_string() };
            // Its curve_fit is good to 1e-8.
            vectors.check(found.value, &format!("dadapy/twonn/base/{key}"));
            close(found.value, vectors.number(&format!("numpy/twonn/base/{key}")), 1e-11, || key);
        }
        let n = vectors.set.n() as f64;
        let found = vectors.find(&[closed_form()]).remove(0);
        vectors.check(found.value * (n - 1.0) / n, "dadapy/twonn/ml");

        let bayes = TwoNn::Bayes { shape: 2.0, rate: 5.0, duplicates: DUPLICATES };
        let found = vectors.find(&[Estimator::TwoNn(bayes)]).remove(0);
        vectors.check(found.value, "dadapy/twonn/posterior/mean");
        // The mean of a gamma distribution of shape A is A / (A - 1) times its mode, and A^(1/2) its deviations.
        let shape = 2.0 + n;
        vectors.check(found.value * (shape - 1.0) / shape, "dadapy/twonn/posterior/mode");
        vectors.check(found.value / shape.sqrt(), "dadapy/twonn/posterior/sd");
    }
}
