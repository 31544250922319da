//! The picture of a training: loss and accuracy, of training and test images, by epoch.

use sharpdim::Result;
use sharpdim::figure::{Axis, Figure, Lines, Series, Size};
use sharpdim::nn::{Epoch, Trainer};

const SIZE: Size = Size { width: 520, height: 380 };

pub fn draw(trainer: &Trainer) -> Result<Figure> {
    let history = trainer.history();
    let epochs: Vec<f64> = history.iter().map(|epoch| f64::from(epoch.epoch)).collect();
    let chart = |title: &str, y: Axis, parts: [fn(&Epoch) -> f64; 2]| {
        let series = |name: &str, value: fn(&Epoch) -> f64| {
            Series::new(name, &epochs, &history.iter().map(value).collect::<Vec<_>>())
        };
        Lines::new(title, Axis::linear("epoch"), y)
            .series(series("training", parts[0]))
            .series(series("test", parts[1]))
            .draw(SIZE)
    };
    let loss = Axis::linear("cross-entropy");
    let loss = chart("Loss", loss, [|epoch| epoch.train_loss, |epoch| epoch.test_loss])?;
    let percent = Axis::linear("accuracy, %");
    let accuracy =
        [|epoch: &Epoch| 100.0 * epoch.train_accuracy, |epoch: &Epoch| 100.0 * epoch.test_accuracy];
    let accuracy = chart("Accuracy", percent, accuracy)?;
    let name = trainer.network().plan().name();
    Figure::beside(format!("{name}: loss and accuracy by epoch"), &[loss, accuracy])
}
