//! A family with a number of latents: how far each latent reaches, and images of them.

use super::canvas::Canvas;
use super::family::Family;
use super::params::{Move, POSES, Params};
use super::{objects, radiology};
use crate::random::Random;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Latents at most.
pub const MOST: usize = 64;

pub struct Scene {
    family: Family,
    /// What each latent moves, and by how much from 0 to 1.
    moves: Vec<(Move, f32)>,
}

impl Scene {
    /// Made once, as it takes a few hundred small images to find how far latents reach.
    pub fn get(family: Family, latents: usize) -> &'static Scene {
        static MADE: [[OnceLock<Scene>; MOST + 1]; 2] = [const { [const { OnceLock::new() }; MOST + 1] }; 2];
        MADE[family as usize][latents].get_or_init(|| Scene::balanced(family, latents))
    }

    /// Reaches by which each latent moves images equally fast, in the mean over a few of them, and all together make
    /// the family's spread: of two uniform numbers the mean squared difference is 1/6.
    fn balanced(family: Family, latents: usize) -> Scene {
        const SIZE: usize = 32;
        const PLACES: u64 = 6;
        const ROUNDS: usize = 4;
        const STEP: f64 = 0.1;
        let moves = match family {
            Family::Objects => objects::moves(),
            Family::Radiology => radiology::moves(),
        };
        let wanted = family.spread() / 255.0 * (6.0 / latents as f64).sqrt();
        let mut scene =
            Scene { family, moves: moves.iter().map(|what| (*what, 0.1)).take(latents).collect() };
        for _ in 0..ROUNDS {
            let speeds = (0..latents).into_par_iter().map(|latent| {
                let mut canvases =
                    [Canvas::new(SIZE, family.channels()), Canvas::new(SIZE, family.channels())];
                let mut squares = 0.0;
                for place in 0..PLACES {
                    let mut rng = Random::stream(place, 0);
                    let mut at: Vec<f64> = (0..latents).map(|_| rng.fraction()).collect();
                    let from = at[latent] * (1.0 - STEP);
                    for (canvas, value) in canvases.iter_mut().zip([from, from + STEP]) {
                        at[latent] = value;
                        scene.paint(&at, canvas);
                    }
                    let [a, b] = &canvases;
                    squares += mean_square(a.common.iter().zip(&b.common).map(|(a, b)| a - b));
                }
                (squares / PLACES as f64).sqrt() / STEP
            });
            let speeds: Vec<f64> = speeds.collect();
            for ((_, reach), speed) in scene.moves.iter_mut().zip(speeds) {
                // No further than three times at once: far out, an image hardly moves any more.
                *reach *= (wanted / speed).clamp(1.0 / 3.0, 3.0) as f32;
            }
        }
        scene
    }

    fn paint(&self, latents: &[f64], canvas: &mut Canvas) {
        let mut params = Params::default();
        for (latent, (what, reach)) in latents.iter().zip(&self.moves) {
            params.add(*what, *reach * (*latent as f32 - 0.5), self.family.channels());
        }
        debug_assert!(params.pose.len() == POSES);
        match self.family {
            Family::Objects => objects::paint(&params, canvas),
            Family::Radiology => radiology::paint(&params, latents, canvas),
        }
    }

    /// Gray levels, 0 to 255, of the image of some latents in a class.
    pub fn levels(
        &self,
        latents: &[f64],
        class: usize,
        contrast: f64,
        canvas: &mut Canvas,
        levels: &mut [f32],
    ) {
        self.paint(latents, canvas);
        let size = mean_square(canvas.change.iter().copied()).sqrt();
        // Between two classes of things the mean image is half way; a lesion is added to what is there.
        let share = match (self.family, class) {
            (Family::Objects, 0) => -0.5,
            (Family::Objects, _) => 0.5,
            (Family::Radiology, class) => class as f64,
        };
        let change = (share * contrast * self.family.spread() / size) as f32;
        for ((level, common), part) in levels.iter_mut().zip(&canvas.common).zip(&canvas.change) {
            *level = (255.0 * common + change * part).clamp(0.0, 255.0);
        }
    }
}

fn mean_square(values: impl ExactSizeIterator<Item = f32>) -> f64 {
    let len = values.len() as f64;
    values.map(|value| f64::from(value * value)).sum::<f64>() / len
}
