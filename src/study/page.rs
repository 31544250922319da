//! A study as one page: its tasks, the laws' fits, every figure, and the numbers behind them.

use super::draw::{FIGURES, Results, draw};
use super::laws::Excluded;
use super::store::State;
use super::{PUBLISHED, Status, Store};
use crate::report::{Column, Page, Section, Table};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files written for a study.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Figures, each as SVG and PNG, and the page.
    pub files: Vec<PathBuf>,
    /// Figures that could not be drawn, with the reason.
    pub not_drawn: Vec<(String, String)>,
}

/// Writes all figures of a study to `folder/figures`, as SVG and PNG, and `folder/report.html`, a self-contained page
/// with them and the numbers behind them.
///
/// # Errors
/// [`Error::Io`] where they cannot be written; as [`Store::entries`].
///
/// ```no_run
/// use sharpdim::study::{LawOptions, Results, Store, write_report};
/// let folder = std::path::Path::new("study");
/// let store = Store::open(&folder.join("study.sqlite"))?;
/// let written = write_report(&store, &Results::from_store(&store, &LawOptions::default())?, folder)?;
/// println!("{} files", written.files.len());
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn write_report(store: &Store, results: &Results, folder: &Path) -> Result<Written> {
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures).map_err(|source| Error::io(&figures, source))?;
    let mut written = Written::default();
    let mut section = Section::new("Figures");
    for named in FIGURES {
        match draw(results, named.name) {
            Ok(drawn) => {
                for ending in ["svg", "png"] {
                    let path = figures.join(format!("{}.{ending}", named.name));
                    drawn.figure.write(&path)?;
                    written.files.push(path);
                }
                let title = format!("{}: {}", named.name, named.about);
                section = section.subsection(Section::new(title).figure(&drawn.figure, &drawn.caption));
            }
            Err(Error::Data(reason)) => written.not_drawn.push((named.name.to_owned(), reason)),
            Err(other) => return Err(other),
        }
    }
    if !written.not_drawn.is_empty() {
        let mut table = Table::new("Not drawn", [Column::text("figure"), Column::text("why")]);
        for (name, reason) in &written.not_drawn {
            table = table.row([name, reason])?;
        }
        section = section.table(table);
    }
    let page = Page::new("A study of intrinsic dimension, label sharpness and generalization")
        .section(about(store, results, folder)?)
        .section(laws(results)?)
        .section(section)
        .section(exponents(results)?)
        .section(measured(results)?)
        .section(trained(results)?);
    let path = folder.join("report.html");
    page.write(&path)?;
    written.files.push(path);
    Ok(written)
}

/// A number of a table, in four digits.
fn cell(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        large if !(1e-2..1e4).contains(&large) => format!("{value:.3e}"),
        large if large >= 100.0 => format!("{value:.1}"),
        large if large >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), cell)
}

/// Tasks done, skipped and failed.
fn about(store: &Store, results: &Results, folder: &Path) -> Result<Section> {
    let status = Status::read(store, folder)?;
    let provenance = store.provenance()?;
    let mut facts = vec![
        ("store".to_owned(), store.path().display().to_string()),
        ("tasks done".to_owned(), status.done.len().to_string()),
        ("tasks left".to_owned(), (status.pending.len() + status.running.len()).to_string()),
        ("tasks failed".to_owned(), status.failed.len().to_string()),
        ("tasks skipped".to_owned(), status.skipped.len().to_string()),
        ("trainings".to_owned(), results.observations.len().to_string()),
    ];
    facts.extend(provenance);
    let mut section = Section::new("What was done")
        .paragraph(
            "Each training is of a network from random weights on images of two classes. Before it the images' intrinsic dimension \
             d_data and label sharpness K_F were measured; after it the test loss and accuracy, also under attack, and \
             the dimension d_repr of the last hidden layer's representation of the training images. Intervals are of 95 %.",
        )
        .facts("The study", facts);
    if !(status.pending.is_empty() && status.running.is_empty()) {
        section = section.warning("The study is not finished: these are the results so far.");
    }
    let mut reasons: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in status.skipped.iter().chain(&status.failed) {
        let reason = match &entry.state {
            State::Failed { error, .. } => format!("failed: {error}"),
            State::Skipped { reason } => format!("skipped: {reason}"),
            _ => continue,
        };
        *reasons.entry((entry.dataset.clone(), reason)).or_default() += 1;
    }
    if !reasons.is_empty() {
        let mut table =
            Table::new("Not done", [Column::text("dataset"), Column::number("tasks"), Column::text("why")]);
        for ((dataset, reason), count) in reasons {
            table = table.row([dataset, count.to_string(), reason])?;
        }
        section = section.table(table);
    }
    if let Some(text) = store.plan_text()? {
        let lines: Vec<(String, &str)> =
            text.lines().enumerate().map(|(at, line)| ((at + 1).to_string(), line)).collect();
        section = section.subsection(Section::new("The plan").facts("Lines of TOML", lines));
    }
    Ok(section)
}

fn laws(results: &Results) -> Result<Section> {
    let columns = [
        Column::text("the paper's claim"),
        Column::text("this study"),
        Column::number("points"),
        Column::number("left out"),
    ];
    let mut table = Table::new("Claims and results", columns);
    let statements = results.laws.statements();
    for statement in &statements {
        table = table.row([
            statement.claim.clone(),
            statement.found.clone(),
            statement.n.to_string(),
            statement.excluded.len().to_string(),
        ])?;
    }
    let mut excluded: Vec<&String> = statements.iter().flat_map(|statement| &statement.excluded).collect();
    excluded.sort();
    excluded.dedup();
    let mut section = Section::new("The laws").table(table).subsection(regressions(results)?);
    if !excluded.is_empty() {
        let mut table = Table::new("Left out of one or more fits", [Column::text("what, and why")]);
        for line in excluded {
            table = table.row([line])?;
        }
        section = section.table(table);
    }
    Ok(section)
}

/// Every regression by domain and network, with the size of its residuals.
fn regressions(results: &Results) -> Result<Section> {
    let columns = [
        Column::text("y"),
        Column::text("x"),
        Column::text("domain"),
        Column::text("network"),
        Column::number("slope"),
        Column::text("95 %, by t"),
        Column::text("95 %, bootstrap over datasets"),
        Column::number("residual s.e."),
        Column::number("largest residual"),
        Column::number("r²"),
        Column::number("points"),
        Column::number("datasets"),
        Column::number("left out"),
    ];
    let mut table = Table::new("Least squares", columns);
    let found = &results.laws;
    let dependences = [
        &found.log_loss_on_d_data,
        &found.log_loss_on_d_repr,
        &found.accuracy_on_d_data,
        &found.accuracy_on_d_repr,
    ];
    let laws =
        [&found.generalization_data, &found.generalization_data_without_k_f, &found.generalization_repr];
    let all = dependences.into_iter().flat_map(|dependence| &dependence.fits);
    for regression in all.chain(laws.into_iter().flatten().map(|law| &law.regression)) {
        let scope = |name: &Option<String>| name.clone().unwrap_or_else(|| "all".into());
        let range = |[low, high]: [f64; 2]| format!("{} .. {}", cell(low), cell(high));
        let row =
            |x: &str, slope: String, t: String, drawn: String, error: String, largest: String, r: String| {
                [
                    regression.y.clone(),
                    x.to_owned(),
                    scope(&regression.scope.domain),
                    scope(&regression.scope.model),
                    slope,
                    t,
                    drawn,
                    error,
                    largest,
                    r,
                    regression.points.len().to_string(),
                    regression.datasets.to_string(),
                    regression.excluded.len().to_string(),
                ]
            };
        let dash = || "–".to_owned();
        match &regression.fit {
            Err(reason) => {
                let x = regression.columns.join(", ");
                table = table.row(row(&x, dash(), reason.clone(), dash(), dash(), dash(), dash()))?;
            }
            Ok(fit) => {
                for (at, slope) in fit.coefficients[1..].iter().enumerate() {
                    let drawn =
                        regression.bootstrap.as_ref().ok().and_then(|bootstrap| bootstrap.slopes.get(at));
                    let largest =
                        fit.residuals.iter().fold(0.0f64, |most, residual| most.max(residual.abs()));
                    table = table.row(row(
                        &slope.name,
                        cell(slope.value),
                        slope.inference.map_or_else(dash, |inference| range(inference.interval)),
                        drawn.map_or_else(dash, |drawn| range(drawn.interval)),
                        or_dash(fit.residual_standard_error),
                        cell(largest),
                        or_dash(fit.r_squared),
                    ))?;
                }
            }
        }
    }
    Ok(Section::new("Regressions").table(table))
}

fn exponents(results: &Results) -> Result<Section> {
    let columns = [
        Column::text("dataset"),
        Column::text("domain"),
        Column::text("network"),
        Column::number("sizes"),
        Column::number("slope of log loss on log N"),
        Column::text("95 %"),
        Column::number("-1/d_data"),
        Column::number("-1/d_repr"),
        Column::number("points"),
    ];
    let mut table = Table::new("Measured exponents and the laws' exponents", columns);
    for exponent in &results.laws.exponents.found {
        let slope = exponent.fit.as_ref().ok().map(|fit| &fit.coefficients[1]);
        let interval = match (&exponent.fit, slope.and_then(|slope| slope.inference)) {
            (Err(reason), _) => reason.clone(),
            (_, Some(inference)) => {
                format!("{} .. {}", cell(inference.interval[0]), cell(inference.interval[1]))
            }
            _ => "–".into(),
        };
        let classes =
            if exponent.classes.is_empty() { String::new() } else { format!(" ({})", exponent.classes) };
        table = table.row([
            format!("{}{classes}", exponent.dataset),
            exponent.domain.clone(),
            exponent.model.clone(),
            exponent.sizes.len().to_string(),
            or_dash(exponent.measured()),
            interval,
            or_dash(exponent.by_data),
            or_dash(exponent.by_repr),
            exponent.points.len().to_string(),
        ])?;
    }
    let mut section = Section::new("Exponents").paragraph(
        "How fast the test loss falls with the number of training images N, for each dataset and network: the slope of log loss on log N. \
         The laws bound the loss from above by N to the power of -1/d.",
    );
    section = section.table(table);
    let left_out: Vec<String> = results
        .laws
        .exponents
        .excluded
        .iter()
        .map(|Excluded { name, reason }| format!("{name}: {reason}"))
        .collect();
    if !left_out.is_empty() {
        section = section.paragraph(&format!("Left out: {}.", left_out.join("; ")));
    }
    Ok(section)
}

fn measured(results: &Results) -> Result<Section> {
    let columns = [
        Column::text("dataset"),
        Column::text("domain"),
        Column::text("classes"),
        Column::number("images"),
        Column::number("seed"),
        Column::text("estimator"),
        Column::number("d_data"),
        Column::text("95 %"),
        Column::number("K_F"),
        Column::number("published d_data"),
        Column::number("published K_F"),
    ];
    let mut table = Table::new("Measurements of the training images", columns);
    for measurement in &results.measurements {
        let published = PUBLISHED.iter().find(|known| known.dataset == measurement.dataset);
        table = table.row([
            measurement.dataset.clone(),
            measurement.domain.clone(),
            measurement.classes.clone(),
            measurement.train.to_string(),
            measurement.seed.to_string(),
            measurement.estimator.clone(),
            cell(measurement.d_data[0]),
            format!("{} .. {}", cell(measurement.d_data[1]), cell(measurement.d_data[2])),
            or_dash(measurement.k_f),
            or_dash(published.filter(|_| measurement.estimator == "mle").map(|known| known.d_data)),
            or_dash(published.map(|known| known.k_f)),
        ])?;
    }
    Ok(Section::new("Measurements").table(table))
}

fn trained(results: &Results) -> Result<Section> {
    let columns = [
        Column::text("dataset"),
        Column::text("classes"),
        Column::text("network"),
        Column::number("images"),
        Column::number("seed"),
        Column::number("test loss"),
        Column::number("test accuracy, %"),
        Column::text("d_repr"),
        Column::text("rise of the loss under attack"),
    ];
    let mut table = Table::new("Results of the trainings", columns);
    for observation in &results.observations {
        let dims = observation.d_repr.iter().map(|(name, value)| format!("{} ({name})", cell(*value)));
        let attacks = observation
            .attacks
            .iter()
            .map(|attack| format!("{} at {}: {}", attack.attack, attack.epsilon, cell(attack.loss)));
        table = table.row([
            observation.dataset.clone(),
            observation.classes.clone(),
            observation.model.clone(),
            observation.train.to_string(),
            observation.seed.to_string(),
            cell(observation.test_loss),
            format!("{:.1}", 100.0 * observation.test_accuracy),
            dims.collect::<Vec<_>>().join(", "),
            attacks.collect::<Vec<_>>().join(", "),
        ])?;
    }
    Ok(Section::new("Trainings").table(table))
}
