//! Training and test steps on images that stay on the device.

use super::network::{MOST_STEPS, Network, run_recorded};
use super::settings::Mode;
use crate::Result;
use crate::ops::take_images::Choice;

impl Network {
    /// Writes the images that stay on the device, in two parts, and the factors and offsets of their channels.
    pub(super) fn set_data(&mut self, parts: [&[u8]; 2], scale: &[f32]) -> Result<()> {
        let mut from = 0;
        for part in parts {
            self.arena.write_bytes(self.plan.data.images, from, part)?;
            from += part.len();
        }
        self.arena.write(self.plan.data.scale, scale)
    }

    /// A training step on the chosen images, with their labels; results go into the table from row `from` on. Nothing
    /// is read back: on a GPU the step is launched asynchronously.
    pub(super) fn train_taken(
        &mut self,
        choices: &[Choice],
        labels: &[u32],
        from: usize,
        rate: f32,
    ) -> Result<()> {
        self.choose(choices, labels, from, Mode::Training)?;
        self.whole("training mode")?;
        self.write_rate(rate)?;
        self.write_count()?;
        run_recorded(&mut self.recorded_taken[self.program], &mut self.arena, |arena| {
            self.plan.taken_step(arena, self.program)
        })?;
        self.batches.iter_mut().for_each(|batches| *batches += 1);
        self.stepped();
        Ok(())
    }

    /// Writes the losses of the chosen images, and whether they are classified correctly, into the table.
    pub(super) fn test_taken(&mut self, choices: &[Choice], labels: &[u32], from: usize) -> Result<()> {
        self.choose(choices, labels, from, Mode::Evaluation)?;
        self.plan.taken_test(&mut self.arena, self.program)
    }

    /// The first layer whose weights or output are not finite, on a batch of images on the device.
    pub(super) fn first_not_finite(
        &mut self,
        choices: &[Choice],
        mode: Mode,
        step: u32,
    ) -> Result<Option<String>> {
        for (entry, place) in self.plan.entries.iter().zip(&self.plan.places) {
            if self.arena.to_vec(place.value)?.iter().any(|value| !value.is_finite()) {
                return Ok(Some(format!("the weights of {}", entry.name)));
            }
        }
        self.choose(choices, &vec![0; choices.len()], 0, mode)?;
        self.arena.write(self.plan.count, &[(step % MOST_STEPS) as f32])?;
        let passes = &self.plan.programs[self.program];
        passes.take(&mut self.arena, &self.plan.data)?;
        passes.first_not_finite(&mut self.arena, mode, self.plan.count)
    }

    fn choose(&mut self, choices: &[Choice], labels: &[u32], from: usize, mode: Mode) -> Result<()> {
        match self.plan.tests {
            Some(tests) if mode == Mode::Evaluation => self.begin(tests, choices.len()),
            _ => self.fit(choices.len())?,
        }
        self.set_labels(labels)?;
        self.plan.programs[self.program].choose(&mut self.arena, choices)?;
        self.arena.write(self.plan.data.place, &[from as f32, choices.len() as f32])
    }
}
