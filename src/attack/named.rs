//! The table of attacks by name, read by command lines, study plans and docs.

use super::{Apgd, Attack, Bim, Fgsm, Goal, Loss, MiFgsm, Norm, Pgd, SignNoise, Square, UniformNoise};
use crate::{Error, Result};

/// Settings of an attack made by name. Each attack uses those that apply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The norm that epsilon bounds.
    pub norm: Norm,
    /// Untargeted, or the target class.
    pub goal: Goal,
    /// Gradient steps; where `None`, the attack's default.
    pub steps: Option<u32>,
    /// Random starts; the best result is kept.
    pub restarts: u32,
    /// Forward passes of an attack without gradients.
    pub queries: u32,
    /// Seed of random starts and directions.
    pub seed: u64,
    /// Classes of the network that will be attacked.
    pub classes: usize,
}

impl Default for Settings {
    /// L∞, untargeted, each attack's own number of steps, one random start, 1 000 queries, seed 0, two classes.
    fn default() -> Self {
        Settings {
            norm: Norm::Linf,
            goal: Goal::Away,
            steps: None,
            restarts: 1,
            queries: 1000,
            seed: 0,
            classes: 2,
        }
    }
}

type Make = fn(&Settings) -> Result<Box<dyn Attack>, String>;

/// An attack in the table.
pub struct NamedAttack {
    name: &'static str,
    about: &'static str,
    make: Make,
}

/// From weak to strong.
static ATTACKS: [NamedAttack; 9] = [
    row("noise", "uniform noise, as a control", |&Settings { norm, seed, .. }| {
        Ok(Box::new(UniformNoise { norm, seed }))
    }),
    row("signs", "random signs of epsilon, as a control", |settings| {
        linf_only(settings)?;
        Ok(Box::new(SignNoise { seed: settings.seed }))
    }),
    row("fgsm", "one step along the gradient", |&Settings { norm, goal, .. }| {
        Ok(Box::new(Fgsm { norm, goal }))
    }),
    row("bim", "iterated FGSM from the image", |&Settings { norm, goal, steps, .. }| {
        let default = Bim::default();
        Ok(Box::new(Bim { norm, goal, steps: steps.unwrap_or(default.steps), ..default }))
    }),
    row("mi-fgsm", "iterated FGSM with momentum", |&Settings { norm, goal, steps, .. }| {
        let default = MiFgsm::default();
        Ok(Box::new(MiFgsm { norm, goal, steps: steps.unwrap_or(default.steps), ..default }))
    }),
    row(
        "pgd",
        "projected gradient descent from random starts",
        |&Settings { norm, goal, steps, restarts, seed, .. }| {
            let default = Pgd::default();
            let steps = steps.unwrap_or(default.steps);
            Ok(Box::new(Pgd { norm, goal, steps, restarts, seed, ..default }))
        },
    ),
    row("apgd", "PGD with adaptive steps, on the cross-entropy", |settings| Ok(Box::new(apgd(settings)))),
    row("apgd-dlr", "PGD with adaptive steps, on the DLR loss", |settings| {
        let least = if settings.goal == Goal::Away { 3 } else { 4 };
        if settings.classes < least {
            let classes = settings.classes;
            return Err(format!(
                "the DLR loss needs {least} classes, and the network has {classes}: take apgd"
            ));
        }
        Ok(Box::new(Apgd { loss: Loss::Dlr, ..apgd(settings) }))
    }),
    row("square", "random search, without gradients", |settings| {
        linf_only(settings)?;
        let &Settings { goal, queries, seed, .. } = settings;
        Ok(Box::new(Square { goal, queries, seed, ..Square::default() }))
    }),
];

const fn row(name: &'static str, about: &'static str, make: Make) -> NamedAttack {
    NamedAttack { name, about, make }
}

fn apgd(&Settings { norm, goal, steps, restarts, seed, .. }: &Settings) -> Apgd {
    let default = Apgd::default();
    Apgd { norm, goal, steps: steps.unwrap_or(default.steps), restarts, seed, ..default }
}

fn linf_only(settings: &Settings) -> Result<(), String> {
    match settings.norm {
        Norm::Linf => Ok(()),
        Norm::L2 => Err("it has no L2 form, only L∞".into()),
    }
}

impl NamedAttack {
    /// All attacks, from weak to strong.
    pub fn all() -> &'static [NamedAttack] {
        &ATTACKS
    }

    /// Finds an attack by name.
    ///
    /// # Errors
    /// [`Error::Argument`] for an unknown name; it lists the known ones.
    ///
    /// ```
    /// use sharpdim::attack::{NamedAttack, NamedSettings};
    /// let pgd = NamedAttack::find("pgd")?.with(&NamedSettings { steps: Some(20), ..Default::default() })?;
    /// assert_eq!(pgd.name(), "PGD (L∞, 20 steps of 2.5 epsilon / steps, random start)");
    /// assert!(NamedAttack::find("pdg").is_err());
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn find(name: &str) -> Result<&'static NamedAttack> {
        ATTACKS.iter().find(|attack| attack.name == name).ok_or_else(|| {
            let known: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
            Error::Argument(format!("there is no attack {name:?}; there are {}", known.join(", ")))
        })
    }

    /// The name in command lines and plans.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A short description.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The attack with these settings.
    ///
    /// # Errors
    /// [`Error::Argument`] where the attack does not support that norm, or needs more classes.
    pub fn with(&self, settings: &Settings) -> Result<Box<dyn Attack>> {
        (self.make)(settings).map_err(|reason| Error::Argument(format!("attack {}: {reason}", self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row makes the attack that it names.
    #[test]
    fn each_name_makes_its_attack() {
        let settings = Settings { classes: 4, ..Settings::default() };
        let made: Vec<(&str, String)> =
            ATTACKS.iter().map(|row| (row.name, row.with(&settings).unwrap().name())).collect();
        let begins = [
            ("noise", "uniform noise"),
            ("signs", "noise of random signs"),
            ("fgsm", "FGSM"),
            ("bim", "BIM"),
            ("mi-fgsm", "MI-FGSM"),
            ("pgd", "PGD"),
            ("apgd", "APGD-CE"),
            ("apgd-dlr", "APGD-DLR"),
            ("square", "Square"),
        ];
        assert_eq!(made.len(), begins.len());
        for ((name, made), (wanted, begin)) in made.iter().zip(begins) {
            assert!(*name == wanted && made.starts_with(begin), "{name} made {made}, not {begin}");
        }
    }

    #[test]
    fn what_cannot_be_made_says_why() {
        let says = |name: &str, settings: &Settings, words: &str| {
            let error = NamedAttack::find(name).and_then(|attack| attack.with(settings)).err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        };
        let l2 = Settings { norm: Norm::L2, ..Settings::default() };
        says("signs", &l2, "attack signs: it has no L2 form");
        says("square", &l2, "attack square: it has no L2 form");
        says("apgd-dlr", &Settings::default(), "needs 3 classes, and the network has 2");
        let targeted = Settings { goal: Goal::Next, classes: 3, ..Settings::default() };
        says("apgd-dlr", &targeted, "needs 4 classes, and the network has 3");
        says("fsgm", &Settings::default(), "no attack \"fsgm\"; there are noise, signs, fgsm");
    }
}
