//! The robustness of a network: penalties in loss and accuracy with intervals, and the smallest epsilon that changes an
//! image's predicted class.

use super::{Attack, Attacked, Target, each, ready};
use crate::bootstrap::{Resampler, interval};
use crate::{Error, Result};
use std::fmt;

/// Fewer draws have no 2.5 % quantiles.
const LEAST_DRAWS: usize = 40;

/// A mean over images, and its 95 % interval by the percentile bootstrap (Efron 1979), which resamples images.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The mean of the original sample.
    pub value: f64,
    /// The 2.5 % and 97.5 % quantiles of the draws.
    pub interval: [f64; 2],
}

/// Results at one epsilon.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// Radius of the ball, in pixel units.
    pub epsilon: f32,
    /// Mean cross-entropy under attack.
    pub loss: Estimate,
    /// Robust accuracy: the fraction of images classified correctly under attack.
    pub accuracy: Estimate,
    /// Attacked loss - clean loss. Its interval takes both from the same draws.
    pub loss_penalty: Estimate,
    /// Clean accuracy - attacked accuracy, likewise.
    pub accuracy_penalty: Estimate,
    /// Images whose gradient was 0 in every value at some step: see [`Attacked::masked`].
    pub masked: usize,
}

/// A network's robustness to an attack: an upper bound of its true robustness, which a better attack can only lower.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The attack, by name.
    pub attack: String,
    /// Number of images.
    pub images: usize,
    /// Mean cross-entropy of the clean images.
    pub clean_loss: Estimate,
    /// Clean accuracy: the fraction of them classified correctly.
    pub clean_accuracy: Estimate,
    /// For each epsilon, in the order given.
    pub levels: Vec<Level>,
}

/// Loss and accuracy of clean images and under attack at each epsilon, with the penalties of Konz & Mazurowski (ICLR
/// 2024) and 95 % intervals from `draws` bootstrap draws of images. See the module for an example.
///
/// # Errors
/// [`Error::Argument`] for fewer than 40 draws; as [`Attack::run`].
pub fn robustness<A: Attack + ?Sized>(
    attack: &A,
    target: &mut Target,
    images: &[f32],
    labels: &[u32],
    epsilons: &[f32],
    draws: usize,
    seed: u64,
) -> Result<Report> {
    enough(draws)?;
    ready(attack, target, images, labels, epsilons)?;
    let clean = unattacked(target, images, labels)?;
    let attacked = attack.run(target, images, labels, epsilons)?;
    report(&attack.name(), &clean, &attacked, draws, seed)
}

/// The report of [`robustness`], from existing results: `clean` from [`unattacked`], `attacked` from [`Attack::run`] on
/// the same images.
///
/// # Errors
/// [`Error::Argument`] for fewer than 40 draws, and for results that differ in their number of images.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::attack::{Attack, Fgsm, Target, report, unattacked};
/// use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
/// let settings = Settings { batch: 2, size: [32, 32], channels: 1, ..Settings::default() };
/// let device = Device::cpu();
/// let state = Network::new(NetworkPlan::new(&device, Model::ResNet18, &settings)?, 0)?.state()?;
/// let mut target = Target::of_state(&device, Model::ResNet18, &settings, &state, &[1.0 / 255.0, 0.0])?;
/// let (images, labels) = (vec![128.0; 2 * 32 * 32], [0, 1]);
/// let (fgsm, clean) = (Fgsm::default(), unattacked(&mut target, &images, &labels)?);
/// let found = fgsm.run(&mut target, &images, &labels, &[2.0])?;
/// let told = report(&fgsm.name(), &clean, &found, 100, 0)?;
/// assert_eq!(told.levels[0].loss.value, found[0].mean_loss());
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn report(
    attack: &str,
    clean: &Attacked,
    attacked: &[Attacked],
    draws: usize,
    seed: u64,
) -> Result<Report> {
    enough(draws)?;
    let images = clean.losses.len();
    if let Some(other) = attacked.iter().find(|other| other.losses.len() != images) {
        return Err(Error::Argument(format!(
            "{images} unattacked images, and {} attacked at {}: they must be the same",
            other.losses.len(),
            other.epsilon
        )));
    }
    let columns = |of: &Attacked| -> [Vec<f64>; 2] {
        let losses = of.losses.iter().map(|loss| f64::from(*loss)).collect();
        [losses, of.success.iter().map(|success| f64::from(u8::from(!success))).collect()]
    };
    // For each image: loss, accuracy, and for each epsilon loss, accuracy and both penalties.
    let [clean_loss, clean_right] = columns(clean);
    let less = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
    let levels: Vec<Vec<f64>> = attacked
        .iter()
        .flat_map(|of| {
            let [loss, right] = columns(of);
            let penalties = [less(&loss, &clean_loss), less(&clean_right, &right)];
            [vec![loss, right], penalties.to_vec()].concat()
        })
        .collect();
    let all = [vec![clean_loss, clean_right], levels].concat();
    let estimates = bootstrap(&all, draws, seed);
    let levels = attacked.iter().zip(estimates[2..].chunks_exact(4));
    Ok(Report {
        attack: attack.into(),
        images,
        clean_loss: estimates[0],
        clean_accuracy: estimates[1],
        levels: levels
            .map(|(of, found)| Level {
                epsilon: of.epsilon,
                loss: found[0],
                accuracy: found[1],
                loss_penalty: found[2],
                accuracy_penalty: found[3],
                masked: of.masked,
            })
            .collect(),
    })
}

fn enough(draws: usize) -> Result<()> {
    if draws >= LEAST_DRAWS {
        return Ok(());
    }
    Err(Error::Argument(format!("{draws} bootstrap draws: an interval of 95 % needs {LEAST_DRAWS} or more")))
}

/// The results of the clean images, in the form of an attack's.
///
/// # Errors
/// As [`Attack::run`].
pub fn unattacked(target: &mut Target, images: &[f32], labels: &[u32]) -> Result<Attacked> {
    target.check(images, labels)?;
    let zeros = vec![0.0; labels.len()];
    let numbers = vec![0; labels.len()];
    each(&super::UniformNoise::default(), target, images, labels, &zeros, &numbers)
}

/// The mean of each column, and its interval; all columns have the same draws.
fn bootstrap(columns: &[Vec<f64>], draws: usize, seed: u64) -> Vec<Estimate> {
    let count = columns[0].len();
    let mut resampler = Resampler::new(seed, 0, count);
    let mut means = vec![Vec::with_capacity(draws); columns.len()];
    let mut times = vec![0.0; count];
    for _ in 0..draws {
        times.fill(0.0);
        resampler.sample().for_each(|image| times[image] += 1.0);
        for (column, means) in columns.iter().zip(&mut means) {
            let sum: f64 = column.iter().zip(&times).map(|(v, times)| v * times).sum();
            means.push(sum / count as f64);
        }
    }
    let estimate = |(column, mut means): (&Vec<f64>, Vec<f64>)| Estimate {
        value: column.iter().sum::<f64>() / count as f64,
        interval: interval(&mut means),
    };
    columns.iter().zip(means).map(estimate).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |of: &Estimate| {
            let [low, high] = of.interval;
            format!("{:.4} [{low:.4}, {high:.4}]", of.value)
        };
        writeln!(f, "{}, {} images", self.attack, self.images)?;
        writeln!(
            f,
            "unattacked: loss {}, accuracy {}",
            words(&self.clean_loss),
            words(&self.clean_accuracy)
        )?;
        for level in &self.levels {
            write!(
                f,
                "epsilon {}: loss {}, accuracy {}, loss penalty {}, accuracy penalty {}",
                level.epsilon,
                words(&level.loss),
                words(&level.accuracy),
                words(&level.loss_penalty),
                words(&level.accuracy_penalty),
            )?;
            match level.masked {
                0 => writeln!(f)?,
                masked => writeln!(f, "; the gradient of {masked} images was 0")?,
            }
        }
        Ok(())
    }
}

/// For each image an epsilon, found by bisection to `tolerance`, at which the attack succeeds: 0 where the clean image
/// is misclassified, `None` where the attack fails at `upper`.
///
/// It is an upper bound of the smallest one, for two reasons: a better attack may need less, and where the attack fails
/// at some epsilon but succeeds at a smaller one, bisection may miss the smaller one.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::attack::{Attack, Fgsm, Target, smallest_epsilon};
/// use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
/// let settings = Settings { batch: 2, size: [32, 32], channels: 1, ..Settings::default() };
/// let device = Device::cpu();
/// let state = Network::new(NetworkPlan::new(&device, Model::ResNet18, &settings)?, 0)?.state()?;
/// let mut target = Target::of_state(&device, Model::ResNet18, &settings, &state, &[1.0 / 255.0, 0.0])?;
/// let images = vec![128.0; 2 * 32 * 32];
/// // Of two images that are alike, one has the label that the network gives both.
/// let found = smallest_epsilon(&Fgsm::default(), &mut target, &images, &[0, 1], 64.0, 1.0)?;
/// assert!(found.contains(&Some(0.0)));
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for a tolerance that is not above 0; as [`Attack::run`].
pub fn smallest_epsilon<A: Attack + ?Sized>(
    attack: &A,
    target: &mut Target,
    images: &[f32],
    labels: &[u32],
    upper: f32,
    tolerance: f32,
) -> Result<Vec<Option<f32>>> {
    if !(tolerance.is_finite() && tolerance > 0.0) {
        return Err(Error::Argument(format!("a tolerance of {tolerance}: it must be finite, and above 0")));
    }
    ready(attack, target, images, labels, &[upper])?;
    let image = target.image_len();
    // Whether the attack succeeds on some of the images, each at its own epsilon.
    let mut flips = |which: &[usize], epsilons: &[f32]| -> Result<Vec<bool>> {
        if which.is_empty() {
            return Ok(Vec::new());
        }
        let pixels: Vec<f32> =
            which.iter().flat_map(|at| &images[at * image..(at + 1) * image]).copied().collect();
        let labels: Vec<u32> = which.iter().map(|at| labels[*at]).collect();
        let numbers: Vec<u32> = which.iter().map(|at| *at as u32).collect();
        Ok(each(attack, target, &pixels, &labels, epsilons, &numbers)?.success)
    };
    let mut found = vec![None; labels.len()];
    let mut low = vec![0.0; labels.len()];
    let all: Vec<usize> = (0..labels.len()).collect();
    let already = flips(&all, &low)?;
    all.iter().zip(&already).filter(|(_, already)| **already).for_each(|(at, _)| found[*at] = Some(0.0));
    let right: Vec<usize> = all.into_iter().filter(|at| !already[*at]).collect();
    let at_upper = flips(&right, &vec![upper; right.len()])?;
    for (at, _) in right.iter().zip(at_upper).filter(|(_, flipped)| *flipped) {
        found[*at] = Some(upper);
    }
    loop {
        let middle = |at: &usize| {
            let high = found[*at]?;
            let middle = low[*at] + (high - low[*at]) / 2.0;
            // Adjacent floats have none.
            (high - low[*at] > tolerance && low[*at] < middle && middle < high).then_some((*at, middle))
        };
        let (open, middles): (Vec<usize>, Vec<f32>) = right.iter().filter_map(middle).unzip();
        if open.is_empty() {
            return Ok(found);
        }
        for ((at, middle), flipped) in open.iter().zip(&middles).zip(flips(&open, &middles)?) {
            if flipped {
                found[*at] = Some(*middle);
            } else {
                low[*at] = *middle;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn intervals_are_those_of_means() {
        // The mean of 400 values of standard deviation 1 has a standard deviation of 1/20.
        let values: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let found = bootstrap(&[values, vec![3.0; 400]], 4000, 7);
        assert_eq!(found[0].value, 0.0);
        for (end, want) in found[0].interval.into_iter().zip([-0.098, 0.098]) {
            assert_abs_diff_eq!(end, want, epsilon = 0.008);
        }
        assert_eq!(found[1], Estimate { value: 3.0, interval: [3.0; 2] });
    }
}
