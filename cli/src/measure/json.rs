//! What was measured, as JSON for programs. Fields are only ever added; what is not finite is null.

use crate::measure::calibrated::Calibrated;
use crate::measure::cross::Cross;
use crate::measure::measured::Measured;
use serde_json::{Map, Value, json};
use sharpdim::data::Preprocess;
use sharpdim::measure::{
    Against, ClassPair, Curation, Curve, CurvePoint, Estimate, Estimator, Group, LabelSharpness,
    PaperProtocol, Protocol, ReleasedProtocol, Spread, Truth,
};
use sharpdim::ops::SharpPair;

impl Measured<'_> {
    pub fn json(&self) -> Value {
        let loaded = &self.loaded;
        let Preprocess { antialias, .. } = self.args.preprocess();
        let classes: Map<String, Value> =
            self.classes().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let steps = self.seconds.steps().into_iter().chain([("total", self.seconds.total())]);
        let seconds: Map<String, Value> = steps.map(|(step, took)| (step.to_owned(), took.into())).collect();
        let skipped: Vec<Value> =
            loaded.skipped.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect();
        json!({
            "n": loaded.samples.n(),
            "dim": loaded.dim(),
            "classes": classes,
            "device": self.device.name(),
            "intrinsic_dim": estimates(&self.estimates),
            "true_dimension": self.calibrated.as_ref().map(calibrated),
            "label_sharpness": self.sharpness.as_ref().map(|found| self.sharpness_json(found)),
            "between_patients": self.apart.as_ref().map(|apart| json!({
                "max": apart.max,
                "sharpest": apart.sharpest.iter().map(|sharp| self.pair_json(sharp)).collect::<Vec<_>>(),
                "within": apart.within.as_ref().map(|sharp| self.pair_json(sharp)),
            })),
            "seconds": seconds,
            "path": self.path.as_ref().map(|path| path.display().to_string()),
            "format": self.format,
            "height": loaded.height,
            "width": loaded.width,
            "channels": loaded.channels,
            "values": self.values(),
            "embedding": loaded.samples.embedding().map(|embedding| {
                let [height, width] = embedding.geometry().from;
                json!({ "height": height, "width": width, "dim": embedding.dim() })
            }),
            "preprocessing": self.preprocessing(),
            "scale": self.scale(),
            "antialias": antialias && !loaded.features,
            "features": loaded.features,
            "seed": self.args.seed,
            "skipped": skipped,
            "notes": self.notes,
            "device_description": self.device.to_string(),
            "device_fallback": self.device.fallback(),
            "name": self.name,
            "cache": self.cache.as_ref().map(|(cache, size)| json!({
                "from_cache": loaded.from_cache,
                "folder": cache.folder().display().to_string(),
                "images": size.images,
                "bytes": size.bytes,
            })),
            "curves": self.curves.as_ref().map(|curves| curves.iter().map(curve).collect::<Vec<_>>()),
            "query": self.cross.as_ref().map(|cross| self.cross_json(cross)),
            "curation": self.curation.as_ref().map(|curation| self.curation_json(curation)),
        })
    }

    fn cross_json(&self, cross: &Cross) -> Value {
        let pair = |sharp: &SharpPair| {
            let [own, query] = sharp.pair;
            let class = &cross.loaded.class_names[cross.loaded.labels[query] as usize];
            json!({
                "pair": sharp.pair,
                "names": [&self.loaded.names[own], &cross.loaded.names[query]],
                "labels": [self.class_of(own), class],
                "distance": sharp.distance,
                "sharpness": sharp.ratio(),
            })
        };
        let sharpness = cross.sharpness.as_ref().map(|found| {
            json!({
                "max": found.max,
                "mean": found.mean,
                "sd": found.sd,
                "pairs_compared": found.pairs_compared,
                "contradictions": found.contradictions,
                "sharpest": found.sharpest.iter().map(pair).collect::<Vec<_>>(),
            })
        });
        json!({
            "name": cross.name,
            "path": cross.path.as_ref().map(|path| path.display().to_string()),
            "n": cross.loaded.samples.n(),
            "intrinsic_dim": estimates(&cross.estimates),
            "label_sharpness": sharpness,
            "notes": cross.notes,
        })
    }

    fn pair_json(&self, sharp: &SharpPair) -> Value {
        json!({
            "pair": sharp.pair,
            "names": sharp.pair.map(|i| self.loaded.names[i].as_str()),
            "labels": sharp.pair.map(|i| self.class_of(i)),
            "distance": sharp.distance,
            "sharpness": sharp.ratio(),
        })
    }

    fn curation_json(&self, curation: &Curation) -> Value {
        let groups = |groups: &[Group]| -> Vec<Value> {
            let group = |group: &Group| {
                json!({
                    "samples": group.samples,
                    "names": group.samples.iter().map(|&i| self.loaded.names[i].as_str()).collect::<Vec<_>>(),
                    "labels": group.samples.iter().map(|&i| self.class_of(i)).collect::<Vec<_>>(),
                    "classes": group.classes,
                    "closest": group.closest,
                    "farthest_link": group.farthest_link,
                })
            };
            groups.iter().map(group).collect()
        };
        let pair = |pair: &ClassPair| {
            let mut object = self.pair_json(&pair.sharpest);
            object["classes"] = json!(pair.classes.map(|class| &self.loaded.class_names[class as usize]));
            object["mean"] = pair.mean.into();
            object["pairs"] = pair.pairs.into();
            object
        };
        json!({
            "near_radius": curation.near_radius,
            "contradictions": groups(&curation.contradictions),
            "near_duplicates": groups(&curation.near_duplicates),
            "left_out": curation.left_out,
            "all": spread(&curation.all),
            "without_contradictions": curation.without_contradictions.as_ref().map(spread),
            "without_near_duplicates": curation.without_near_duplicates.as_ref().map(spread),
            "class_pairs": curation.class_pairs.iter().map(pair).collect::<Vec<_>>(),
        })
    }

    fn sharpness_json(&self, found: &LabelSharpness) -> Value {
        let pair = |sharp: &SharpPair| self.pair_json(sharp);
        // The released code may see no pair that counts.
        let first = found.sharpest.first().map_or(Value::Null, pair);
        let mut object = json!({
            "max": found.max,
            "mean": found.mean,
            "sd": found.sd,
            "pair": first["pair"],
            "pairs_compared": found.pairs_compared,
            "contradictions": found.contradictions,
            "protocol": "all-pairs",
            "distance": first["distance"],
            "pair_names": first["names"],
            "pair_labels": first["labels"],
            "sharpest": found.sharpest.iter().map(pair).collect::<Vec<_>>(),
        });
        let mut drawn = |protocol: &str, samples: usize, repeats: usize, seed: u64| {
            object["protocol"] = protocol.into();
            object["samples"] = samples.into();
            object["repeats"] = repeats.into();
            object["seed"] = seed.into();
            object["draws"] = json!(found.draws);
        };
        match self.args.protocol() {
            Protocol::AllPairs => (),
            Protocol::Paper(PaperProtocol { samples, repeats, seed }) => {
                drawn("paper", samples, repeats, seed);
            }
            Protocol::Released(ReleasedProtocol { samples, batch, repeats, seed }) => {
                drawn("released", samples, repeats, seed);
                object["batch"] = batch.into();
            }
        }
        if let Some(released) = &found.released {
            object["infinite_draws"] = released.infinite_draws.into();
            object["definition"] = json!(released.definition);
            object["definition_max"] = released.definition_max().into();
        }
        object
    }
}

fn spread(spread: &Spread) -> Value {
    let quantile = |&(at, value): &(f64, f64)| json!({ "at": at, "value": value });
    json!({
        "max": spread.max,
        "mean": spread.mean,
        "sd": spread.sd,
        "quantiles": spread.quantiles.iter().map(quantile).collect::<Vec<_>>(),
        "pairs": spread.pairs,
        "samples": spread.samples,
    })
}

fn curve(curve: &Curve) -> Value {
    let point = |point: &CurvePoint| json!({ "at": point.at, "value": point.value, "low": point.low, "high": point.high });
    json!({
        "estimator": curve.estimator.name(),
        "against": match curve.against {
            Against::Neighbours => "k",
            Against::Samples => "samples",
        },
        "points": curve.points.iter().map(point).collect::<Vec<_>>(),
        "warning": curve.warning,
    })
}

/// Each by its name.
fn calibrated(found: &Calibrated) -> Value {
    let one = |(estimator, truth): &(Estimator, Truth)| {
        (estimator.name().to_owned(), json!({ "low": truth.low, "high": truth.high }))
    };
    json!({ "draws": found.draws(), "by": found.truths.iter().map(one).collect::<Map<String, Value>>() })
}

/// Each by its name; null where there is none.
fn estimates(all: &[(Estimator, Result<Estimate, String>)]) -> Map<String, Value> {
    let one = |(estimator, found): &(Estimator, Result<Estimate, String>)| {
        (estimator.name().to_owned(), found.as_ref().ok().map(estimate).into())
    };
    all.iter().map(one).collect()
}

fn estimate(found: &Estimate) -> Value {
    let why: Map<String, Value> =
        found.excluded.reasons().iter().map(|(count, why)| ((*why).to_owned(), (*count).into())).collect();
    json!({
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "excluded": found.excluded.count(),
        "convention": found.estimator.to_string(),
        "excluded_why": why,
    })
}
