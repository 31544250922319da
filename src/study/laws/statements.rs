//! The paper's claims, each in a line, with a study's result for it in words.

use super::{BetweenDomains, Dependence, Excluded, Law, Laws, Over, PenaltyOf, Regression, Robustness};
use crate::study::fit::Correlation;

/// A claim and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The paper's claim, in a line.
    pub claim: String,
    /// The result with its 95 % interval, or why there is none.
    pub found: String,
    /// The number of points: observations, dataset means, or for exponents series of sizes.
    pub n: usize,
    /// What was left out, each with the reason.
    pub excluded: Vec<String>,
}

impl Laws {
    /// The result for each of the paper's claims, over all models, and by domain where the claim is about domains.
    /// Intervals are from the bootstrap over datasets; where there is none, by t, and the text says so.
    ///
    /// ```
    /// use sharpdim::study::{LawOptions, laws};
    /// let statements = laws(&[], &LawOptions::default()).statements();
    /// assert_eq!(statements[0].claim, "Test loss rises with the dimension of the training images, d_data.");
    /// assert_eq!(statements[0].found, "no result: 0 points for 2 coefficients: at least as many points are needed");
    /// ```
    pub fn statements(&self) -> Vec<Statement> {
        let mut all = Vec::new();
        for (dependence, rises, steeper) in [
            (
                &self.log_loss_on_d_data,
                "Test loss rises with the dimension of the training images, d_data.",
                "The rise with d_data is steeper for radiology than for natural images.",
            ),
            (
                &self.log_loss_on_d_repr,
                "Test loss rises with the dimension of the last hidden layer, d_repr.",
                "The rise with d_repr is equally steep in all domains: its law has no K_F.",
            ),
        ] {
            all.extend(by_domain(dependence).into_iter().map(|fit| slope(rises, fit)));
            all.extend(
                dependence.between_domains.first().map(|test| between(steeper, test, &dependence.fits[0])),
            );
        }
        for (laws, claim) in [
            (
                &self.generalization_data,
                "log L <~ -(1/d_data) log N + log K_F + a: both slopes are 1 where the bound is tight.",
            ),
            (&self.generalization_data_without_k_f, "log L <~ -(1/d_data) log N + a, without K_F."),
            (
                &self.generalization_repr,
                "log L <~ -(1/d_repr) log N + a: the slope is 1 where the bound is tight.",
            ),
        ] {
            let pooled = laws.iter().filter(|law| law.regression.scope.model.is_none());
            all.extend(pooled.map(|law| of_law(claim, law)));
        }
        all.push(self.exponent());
        let asked = |found: &&Robustness| {
            found.attack == self.options.attack
                && found.epsilon == self.options.epsilon
                && found.model.is_none()
                && found.over == Over::Datasets
        };
        let asked: Vec<Statement> =
            self.robustness.iter().filter(asked).flat_map(against_sharpness).collect();
        if asked.is_empty() {
            let found = "no result: the attack's strength is not finite".into();
            all.push(statement("An attack costs more where K_F is higher.", found, 0, &self.excluded));
        }
        all.extend(asked);
        let bounds = self.bound.iter().filter(|bound| bound.scope.model.is_none());
        all.extend(bounds.map(|bound| {
            let what =
                format!("{} by {} and {}", within(&bound.scope), bound.repr_estimator, bound.data_estimator);
            let (found, n) = match &bound.holding {
                Err(reason) => (format!("no result{what}: {reason}"), 0),
                Ok(holding) => (
                    format!(
                        "d_repr is at most d_data in {} of {} trainings{what}: {} % (95 % {}); {}",
                        holding.successes,
                        holding.n,
                        number(100.0 * holding.value),
                        range(holding.interval.map(|bound| 100.0 * bound)),
                        first_exceptions(&bound.exceptions)
                    ),
                    holding.n,
                ),
            };
            statement(
                "The representation's dimension is at most the data's, d_repr <~ d_data.",
                found,
                n,
                &bound.excluded,
            )
        }));
        all
    }

    fn exponent(&self) -> Statement {
        let claim = "Test loss falls with the size of the training set at least as fast as N^(-1/d).";
        let measured: Vec<_> = self
            .exponents
            .found
            .iter()
            .filter_map(|exponent| Some((exponent.measured()?, exponent)))
            .collect();
        let mut excluded = self.exponents.excluded.clone();
        excluded.extend(self.exponents.found.iter().flat_map(|exponent| {
            let name = format!(
                "{}, {}",
                super::regression::task(&exponent.dataset, &exponent.classes),
                exponent.model
            );
            let unfit = exponent.fit.as_ref().err().map(|reason| Excluded { name, reason: reason.clone() });
            exponent.excluded.iter().cloned().chain(unfit)
        }));
        let found = if measured.is_empty() {
            "nothing: no dataset was trained on with 3 sizes".into()
        } else {
            let slopes: Vec<f64> = measured.iter().map(|(slope, _)| *slope).collect();
            let (low, middle, high) = spread(slopes);
            let mut found = format!(
                "the slope of log test loss on log N has median {} over {} (from {} to {})",
                number(middle),
                count(measured.len(), "series"),
                number(low),
                number(high)
            );
            for (name, by) in [
                (
                    "-1/d_data",
                    measured.iter().map(|(slope, exponent)| (*slope, exponent.by_data)).collect::<Vec<_>>(),
                ),
                ("-1/d_repr", measured.iter().map(|(slope, exponent)| (*slope, exponent.by_repr)).collect()),
            ] {
                let beside: Vec<(f64, f64)> =
                    by.into_iter().filter_map(|(slope, by)| Some((slope, by?))).collect();
                if beside.is_empty() {
                    found += &format!("; {name} is not known");
                    continue;
                }
                let fast = beside.iter().filter(|(slope, by)| slope <= by).count();
                let (_, middle, _) = spread(beside.iter().map(|(_, by)| *by).collect());
                found += &format!(
                    "; {name} has median {}, and the loss falls at least that fast in {fast} of {}",
                    number(middle),
                    beside.len()
                );
            }
            found
        };
        statement(claim, found, measured.len(), &excluded)
    }
}

/// The regression of each domain over all models; that of all domains where none is named.
fn by_domain(dependence: &Dependence) -> Vec<&Regression> {
    let pooled = dependence.fits.iter().filter(|fit| fit.scope.model.is_none());
    let domains: Vec<&Regression> = pooled.clone().filter(|fit| fit.scope.domain.is_some()).collect();
    if domains.is_empty() { pooled.collect() } else { domains }
}

fn slope(claim: &str, regression: &Regression) -> Statement {
    let found = match &regression.fit {
        Err(reason) => format!("no result{}: {reason}", within(&regression.scope)),
        Ok(fit) => {
            let value = fit.coefficients[1].value;
            let sign = if value < 0.0 { -1.0 } else { 1.0 };
            format!(
                "{} {} by {} ({}) per unit of {} over {}, {}",
                regression.y,
                if value < 0.0 { "falls" } else { "rises" },
                number(value.abs()),
                interval(regression, 0, sign),
                regression.columns[0],
                datasets(regression.datasets, regression.scope.domain.as_deref()),
                count(fit.n, "point")
            )
        }
    };
    statement(claim, found, regression.points.len(), &regression.excluded)
}

fn between(claim: &str, tests: &BetweenDomains, pooled: &Regression) -> Statement {
    let mut parts = Vec::new();
    for (test, what) in [
        (&tests.dataset_means, "over dataset means"),
        (&tests.observations, "over all points, which are not independent"),
    ] {
        parts.push(match test {
            Err(reason) => format!("no test {what}: {reason}"),
            Ok(test) => {
                let slopes: Vec<String> = test
                    .slopes
                    .iter()
                    .map(|group| format!("{} ({})", number(group.slope.value), group.group))
                    .collect();
                let [numerator, denominator] = test.test.degrees_of_freedom;
                format!(
                    "slopes {}; test of equal slopes: F({numerator}, {denominator}) = {}, {} {what}",
                    slopes.join(", "),
                    number(test.test.f),
                    probability(test.test.p)
                )
            }
        });
    }
    statement(claim, parts.join("; "), pooled.points.len(), &pooled.excluded)
}

fn of_law(claim: &str, law: &Law) -> Statement {
    let regression = &law.regression;
    let found = match &regression.fit {
        Err(reason) => format!("no result{}: {reason}", within(&regression.scope)),
        Ok(fit) => {
            let slopes: Vec<String> = law
                .slopes
                .iter()
                .enumerate()
                .map(|(at, slope)| {
                    let inside = match slope.one_inside_bootstrap.or(slope.one_inside) {
                        Some(true) => ", includes 1",
                        Some(false) => ", excludes 1",
                        None => "",
                    };
                    format!(
                        "{} on {} ({}{inside})",
                        number(slope.value),
                        slope.column,
                        interval(regression, at, 1.0)
                    )
                })
                .collect();
            let explained = fit.r_squared.map_or(String::new(), |part| format!(", r^2 {}", number(part)));
            let datasets = datasets(regression.datasets, regression.scope.domain.as_deref());
            let points = count(fit.n, "point");
            format!(
                "{} has the slope {} over {datasets}, {points}{explained}",
                regression.y,
                slopes.join(" and ")
            )
        }
    };
    statement(claim, found, regression.points.len(), &regression.excluded)
}

fn against_sharpness(robustness: &Robustness) -> [Statement; 2] {
    let (what, claim) = match robustness.penalty {
        PenaltyOf::Loss => ("loss", "An attack raises the loss more where K_F is higher."),
        PenaltyOf::Accuracy => ("accuracy", "An attack lowers the accuracy more where K_F is higher."),
    };
    let of_attack = format!("the {what} penalty of {} of strength {}", robustness.attack, robustness.epsilon);
    let correlation = |name: &str, found: &Result<Correlation, String>| match found {
        Err(reason) => format!("no {name}: {reason}"),
        Ok(found) => format!(
            "{name} {} ({}), {}, permutation test {}",
            number(found.r),
            found
                .interval
                .map_or("no interval: fewer than 4 points".into(), |ends| format!("95 % {}", range(ends))),
            probability(found.p),
            probability(found.permuted.p)
        ),
    };
    let found = format!(
        "{of_attack} against K_F over {}: {}; {}",
        count(robustness.points.len(), "dataset mean"),
        correlation("Pearson's r", &robustness.pearson),
        correlation("Spearman's r", &robustness.spearman)
    );
    let mut law =
        of_law(&format!("log R >~ -log K_F + log b: {what} penalty rises as K_F at most."), &robustness.law);
    law.found = format!("{of_attack}: {}", law.found);
    [statement(claim, found, robustness.points.len(), &robustness.excluded), law]
}

/// The interval of a slope, times a sign, and its method.
fn interval(regression: &Regression, at: usize, sign: f64) -> String {
    let signed = |[low, high]: [f64; 2]| if sign < 0.0 { [-high, -low] } else { [low, high] };
    let inference = regression.fit.as_ref().ok().and_then(|fit| fit.coefficients[at + 1].inference);
    match (&regression.bootstrap, inference) {
        (Ok(bootstrap), _) => {
            let unfitted = match bootstrap.unfitted {
                0 => String::new(),
                count => format!(", {count} of {} resamples not fitted", bootstrap.draws),
            };
            format!("95 % {}{unfitted}", range(signed(bootstrap.slopes[at].interval)))
        }
        (Err(_), Some(inference)) => {
            format!("95 % {} by t, assuming independent points", range(signed(inference.interval)))
        }
        (Err(reason), None) => format!("no interval: {reason}"),
    }
}

fn statement(claim: &str, found: String, n: usize, excluded: &[Excluded]) -> Statement {
    let excluded =
        excluded.iter().map(|left_out| format!("{}: {}", left_out.name, left_out.reason)).collect();
    Statement { claim: claim.into(), found, n, excluded }
}

/// The first exceptions by name, and how many more there are.
fn first_exceptions(exceptions: &[String]) -> String {
    const NAMED: usize = 5;
    match exceptions.len() {
        0 => "no exceptions".into(),
        all if all <= NAMED => format!("exceptions: {}", exceptions.join("; ")),
        all => format!("exceptions: {}; and {} more", exceptions[..NAMED].join("; "), all - NAMED),
    }
}

fn within(scope: &super::Scope) -> String {
    scope.domain.as_ref().map_or(String::new(), |domain| format!(" on {domain} images"))
}

/// Minimum, median and maximum of one or more values.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    (values[0], (values[last / 2] + values[last.div_ceil(2)]) / 2.0, values[last])
}

fn datasets(count: usize, domain: Option<&str>) -> String {
    let domain = domain.map_or(String::new(), |domain| format!("{domain} "));
    format!("{count} {domain}dataset{}", if count == 1 { "" } else { "s" })
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 || what.ends_with('s') { "" } else { "s" })
}

fn range([low, high]: [f64; 2]) -> String {
    format!("{} .. {}", number(low), number(high))
}

fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {}", number(p)) }
}

/// A number with three significant digits, or two below 1.
fn number(value: f64) -> String {
    match value.abs() {
        size if size < 1e-15 => "0".into(),
        // Limits allow for rounding: 0.0996 is written as 0.10, not as 0.100.
        size if !(0.0009995..9999.5).contains(&size) => format!("{value:.1e}"),
        size if size < 0.0995 => format!("{value:.3}"),
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_near_a_power_of_ten() {
        let found =
            [0.0, 0.00099, 0.0009996, 0.0994, 0.09999, 0.1, -9.994, 9.996, 99.94, 99.96, 9999.4, 9999.6];
        let found = found.map(super::number);
        let want = [
            "0", "9.9e-4", "0.001", "0.099", "0.10", "0.10", "-9.99", "10.0", "99.9", "100", "9999", "1.0e4",
        ];
        assert_eq!(found, want);
    }
}
