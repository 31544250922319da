//! What was measured, as JSON for programs. Fields are only ever added; what is not finite is null.

use crate::measured::Measured;
use serde_json::{Map, Value, json};
use sharpdim::data::Preprocess;
use sharpdim::measure::{Estimate, LabelSharpness, PaperProtocol, Protocol};
use sharpdim::ops::SharpPair;

impl Measured<'_> {
    pub fn json(&self) -> Value {
        let loaded = &self.loaded;
        let Preprocess { antialias, .. } = self.args.preprocess();
        let classes: Map<String, Value> =
            self.classes().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let estimates: Map<String, Value> = self
            .estimates
            .iter()
            .map(|(estimator, found)| (estimator.name().to_owned(), found.as_ref().ok().map(estimate).into()))
            .collect();
        let seconds = &self.seconds;
        let skipped: Vec<Value> =
            loaded.skipped.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect();
        json!({
            "n": loaded.samples.n(),
            "dim": loaded.samples.dim(),
            "classes": classes,
            "device": self.device.name(),
            "intrinsic_dim": estimates,
            "label_sharpness": self.sharpness.as_ref().map(|found| self.sharpness_json(found)),
            "seconds": {
                "load": seconds.load,
                "preprocess": seconds.preprocess,
                "neighbours": seconds.neighbours,
                "sharpness": seconds.sharpness,
                "total": seconds.total(),
            },
            "path": self.path.as_ref().map(|path| path.display().to_string()),
            "format": self.format,
            "height": loaded.height,
            "width": loaded.width,
            "channels": loaded.channels,
            "values": self.values(),
            "scale": self.scale(),
            "antialias": antialias && !loaded.features,
            "features": loaded.features,
            "seed": self.args.seed,
            "skipped": skipped,
            "notes": self.notes,
            "device_description": self.device.to_string(),
            "device_fallback": self.device.fallback(),
            "name": self.name,
        })
    }

    fn sharpness_json(&self, found: &LabelSharpness) -> Value {
        let pair = |sharp: &SharpPair| {
            json!({
                "pair": sharp.pair,
                "names": sharp.pair.map(|i| self.loaded.names[i].as_str()),
                "labels": sharp.pair.map(|i| self.class_of(i)),
                "distance": sharp.distance,
                "sharpness": sharp.ratio(),
            })
        };
        let first = pair(&found.sharpest[0]);
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
        if let Protocol::Paper(PaperProtocol { samples, repeats, seed }) = self.args.protocol() {
            object["protocol"] = "paper".into();
            object["samples"] = samples.into();
            object["repeats"] = repeats.into();
            object["seed"] = seed.into();
            object["draws"] = json!(found.draws);
        }
        object
    }
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
