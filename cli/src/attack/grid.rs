//! The picture of --out: images, each attack's perturbations, magnified, and the attacked images, with predicted classes.

use crate::attack::args::Args;
use crate::attack::run::Found;
use crate::failure::Failure;
use crate::inputs::Input;
use sharpdim::figure::{Cell, Figure, Pictures};
use sharpdim::nn::Trained;

/// Longer side of a picture in the figure.
const SIDE: u32 = 112;

pub fn draw(
    args: &Args,
    trained: &Trained,
    input: &Input,
    labels: &[u32],
    found: &Found,
) -> Result<Figure, Failure> {
    let attacks: Vec<_> = found.ran.iter().filter_map(|ran| Some((ran, ran.pictures.as_ref()?))).collect();
    let [height, width, channels] = input.images.shape();
    let (image, shape) = (height * width * channels, [height, width, channels]);
    // There may be more logits than names.
    let name = |class: u32| {
        let name = trained.class_names.get(class as usize);
        name.cloned().unwrap_or_else(|| format!("class {class}"))
    };
    let original = |at: usize| &input.images.pixels()[at * image..(at + 1) * image];
    // What an attack added to the shown image of this number.
    let added = |pixels: &[f32], number: usize| -> Vec<f32> {
        let attacked = &pixels[number * image..(number + 1) * image];
        attacked.iter().zip(original(found.shown[number])).map(|(x, x0)| x - f32::from(*x0)).collect()
    };

    let mut heads = vec!["image".to_owned()];
    // So that the greatest change of an attack is black or white.
    let mut factors = Vec::new();
    for (ran, pictures) in &attacks {
        let greatest = (0..found.shown.len()).flat_map(|number| added(&pictures.images, number));
        let greatest = greatest.fold(0.0, |most: f32, v| most.max(v.abs()));
        let factor = if greatest > 0.0 { 127.5 / greatest } else { 1.0 };
        heads.push(format!("added, x {}", rounded(factor)));
        let short = ran.report.attack.split(' ').next().unwrap_or_default();
        heads.push(format!("{short}, {}", pictures.epsilon));
        factors.push(factor);
    }
    let epsilon = args.epsilon.iter().copied().fold(0.0, f32::max);
    let title = format!("{}, epsilon {epsilon}", trained.model);
    let mut all = Pictures::new(title, SIDE, &heads);
    for (number, at) in found.shown.iter().enumerate() {
        let told = |prediction: u32, loss: f32, cell: Cell| {
            let cell = cell.caption(format!("told {}", name(prediction))).caption(format!("loss {loss:.3}"));
            if prediction == labels[*at] { cell } else { cell.marked() }
        };
        let clean = Cell::new(original(*at), shape)?.caption(format!("is {}", name(labels[*at])));
        let mut row = vec![told(found.clean.predictions[*at], found.clean.losses[*at], clean)];
        for ((_, pictures), factor) in attacks.iter().zip(&factors) {
            let delta = added(&pictures.images, number);
            let magnified: Vec<u8> = delta.iter().map(|v| (127.5 + factor * v).round() as u8).collect();
            let most = delta.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
            let norm = delta.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            row.push(
                Cell::new(&magnified, shape)?
                    .caption(format!("L∞ {}", rounded(most)))
                    .caption(format!("L2 {}", rounded(norm as f32))),
            );
            let attacked = &pictures.images[number * image..(number + 1) * image];
            let attacked: Vec<u8> = attacked.iter().map(|v| v.round() as u8).collect();
            let cell = Cell::new(&attacked, shape)?;
            row.push(told(pictures.predictions[number], pictures.losses[number], cell));
        }
        all = all.row(row);
    }
    Ok(all.draw()?)
}

/// With three digits.
fn rounded(value: f32) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
