//! The paper's laws, on observations that keep or break them in a known way.

use approx::abs_diff_eq;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sharpdim::study::fit::linear;
use sharpdim::study::{LawOptions, Laws, Observation, Over, Penalty, PenaltyOf, Robustness, laws};

fn options() -> LawOptions {
    LawOptions { draws: 60, permutations: 200, seed: 5, ..LawOptions::default() }
}

fn near(got: f64, want: f64) -> bool {
    abs_diff_eq!(got, want, epsilon = 1e-9 * want.abs().max(1.0))
}

/// Four natural datasets and five of radiology, by two models, three sizes and two seeds: 108 trainings. The test loss is
/// what `log_loss` says, its logarithm 0.05 more for one seed and less for the other: no slope changes by that.
fn observations(log_loss: impl Fn(&Observation) -> f64) -> Vec<Observation> {
    let mut all = Vec::new();
    for (at, dataset) in
        ["mnist", "cifar10", "svhn", "imagenet", "brats", "dbc", "oai", "mura", "rsna"].iter().enumerate()
    {
        for model in ["resnet18", "vgg13"] {
            for train in [500, 1000, 1750] {
                for seed in 0..2 {
                    let d = [9.4, 16.5, 12.6, 18.0, 11.1, 17.0, 8.6, 10.8, 11.2][at];
                    let mut made = Observation {
                        dataset: dataset.to_string(),
                        domain: if at < 4 { "natural" } else { "radiology" }.into(),
                        classes: if at < 4 { "3 and 8" } else { "" }.into(),
                        model: model.into(),
                        train,
                        seed,
                        d_data: vec![("mle".into(), d)],
                        k_f: Some(1e4 * [1.6, 0.63, 1.05, 0.62, 2.05, 3.1, 3.4, 2.85, 2.1][at]),
                        d_repr: vec![("twonn".into(), 0.5 * d + at as f64 / 10.0)],
                        test_accuracy: 1.0 - d / 100.0,
                        ..Observation::default()
                    };
                    made.test_loss = (log_loss(&made) + if seed == 0 { 0.05 } else { -0.05 }).exp();
                    all.push(made);
                }
            }
        }
    }
    all
}

fn d_data(observation: &Observation) -> f64 {
    observation.d_data[0].1
}

fn by_size(d: f64, observation: &Observation) -> f64 {
    -(observation.train as f64).ln() / d
}

fn steep(observation: &Observation) -> f64 {
    if observation.domain == "natural" {
        -3.0 + 0.1 * d_data(observation)
    } else {
        -4.0 + 0.3 * d_data(observation)
    }
}

#[test]
fn slopes_on_dimensions_are_those_put_in() {
    let all = observations(steep);
    let found = laws(&all, &options());
    let on = &found.log_loss_on_d_data;
    // All, two domains; two models and all of them.
    assert_eq!(on.fits.len(), 9);
    for model in [None, Some("resnet18"), Some("vgg13")] {
        for (domain, slope, datasets) in [("natural", 0.1, 4), ("radiology", 0.3, 5)] {
            let law = on.over(Some(domain), model).unwrap();
            let fit = law.fit.as_ref().unwrap();
            let points = datasets * 6 * if model.is_none() { 2 } else { 1 };
            assert_eq!(
                (law.datasets, fit.n, law.points.len(), law.excluded.len()),
                (datasets, points, points, 0)
            );
            let coefficient = fit.coefficient("d_data").unwrap();
            assert!(near(coefficient.value, slope));
            let [low, high] = coefficient.inference.unwrap().interval;
            assert!(low < slope && slope < high && high - low < 0.05);
            // Each dataset's mean is on the line, so whatever is drawn has its slope.
            let drawn = &law.bootstrap.as_ref().unwrap().slopes[0];
            assert!(drawn.interval.iter().all(|&bound| near(bound, slope)), "{drawn:?}");
            assert!(fit.residuals.iter().all(|residual| near(residual.abs(), 0.05)));
            assert!(near(residual_of(&fit.residuals), points as f64 * 0.05 * 0.05));
        }
        let pooled = on.over(None, model).unwrap();
        assert_eq!((pooled.datasets, pooled.excluded.len()), (9, 0));
        let accuracy = found.accuracy_on_d_data.over(None, model).unwrap().fit.as_ref().unwrap();
        assert!(near(accuracy.coefficients[1].value, -0.01) && accuracy.exact);
    }

    // The interaction by hand: one slope leaves more than two by the sums of squares of x times the slopes' distance.
    let between = &on.between_domains[0];
    assert_eq!(between.model, None);
    let test = between.observations.as_ref().unwrap();
    let sums = ["natural", "radiology"].map(|domain| {
        let x: Vec<f64> = all.iter().filter(|observation| observation.domain == domain).map(d_data).collect();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
    });
    let common = (0.1 * sums[0] + 0.3 * sums[1]) / (sums[0] + sums[1]);
    let more = sums[0] * (common - 0.1f64).powi(2) + sums[1] * (0.3 - common).powi(2);
    assert!(near(test.common, common));
    assert!(near(test.test.f, more / (108.0 * 0.0025 / 104.0)));
    assert_eq!(test.test.degrees_of_freedom, [1, 104]);
    assert!(test.test.p < 1e-9);
    assert!(between.dataset_means.as_ref().unwrap_err().contains("on its line"));
    assert_eq!(on.between_domains.len(), 3);
}

fn residual_of(residuals: &[f64]) -> f64 {
    residuals.iter().map(|residual| residual * residual).sum()
}

#[test]
fn one_point_for_each_dataset_tests_slopes_of_means() {
    // Means that are off the line, by dataset; those of classes count alike, however often each was trained on.
    let mut all = observations(|observation| steep(observation) + 0.1 * (observation.dataset.len() as f64));
    let mut more = all[0].clone();
    (more.classes, more.test_loss) = ("4 and 9".into(), 0.5);
    all.push(more);
    let found = laws(&all, &options());
    let test = found.log_loss_on_d_data.between_domains[0].dataset_means.as_ref().unwrap();
    assert_eq!((test.test.degrees_of_freedom, test.slopes[0].n, test.slopes[1].n), ([1, 5], 4, 5));
    let x = [9.4, 16.5, 12.6, 18.0];
    let y = [-3.0 + 0.94 + 0.5, -3.0 + 1.65 + 0.7, -3.0 + 1.26 + 0.4, -3.0 + 1.8 + 0.8];
    let mut natural = y;
    natural[0] = (y[0] + 0.5f64.ln()) / 2.0;
    let want = linear(&[("x", &x)], &natural).unwrap().coefficients[1].value;
    assert!(near(test.slopes[0].slope.value, want), "{test:?}");
}

#[test]
fn laws_of_generalization_find_slopes_of_one() {
    let all = observations(|observation| {
        0.5 + by_size(d_data(observation), observation) + observation.k_f.unwrap().ln()
    });
    let found = laws(&all, &options());
    assert_eq!(found.generalization_data.len(), 9);
    for law in &found.generalization_data {
        assert_eq!(law.regression.columns, ["-(1/d_data) log N", "log K_F"]);
        assert_eq!(law.slopes.len(), 2);
        for slope in &law.slopes {
            assert!(near(slope.value, 1.0), "{slope:?}");
            assert_eq!(slope.one_inside, Some(true));
            assert!(slope.bootstrap_interval.is_some() && slope.one_inside_bootstrap.is_some());
        }
        assert!(near(law.regression.fit.as_ref().unwrap().coefficients[0].value, 0.5));
    }
    // Without K_F its part is in the residuals, and the slope is another.
    let without = &found.generalization_data_without_k_f[0];
    assert!(!near(without.slopes[0].value, 1.0));
    assert_eq!(without.regression.columns, ["-(1/d_data) log N"]);

    let all = observations(|observation| 2.0 + 3.0 * by_size(observation.d_repr[0].1, observation));
    let found = laws(&all, &options());
    for law in &found.generalization_repr {
        assert!(near(law.slopes[0].value, 3.0));
        assert_eq!(
            (law.slopes[0].one_inside, law.slopes[0].one_inside_bootstrap),
            (Some(false), Some(false))
        );
    }
}

#[test]
fn exponents_are_measured_by_size() {
    let mut all = observations(|observation| {
        1.0 - (0.2 + observation.dataset.len() as f64 / 100.0) * (observation.train as f64).ln()
    });
    // Two sizes left, of which one is named.
    for observation in
        all.iter_mut().filter(|observation| observation.dataset == "oai" && observation.train == 500)
    {
        observation.test_loss = 0.0;
    }
    let found = laws(&all, &options()).exponents;
    assert_eq!(found.found.len(), 16);
    for exponent in &found.found {
        assert!(near(exponent.measured().unwrap(), -0.2 - exponent.dataset.len() as f64 / 100.0));
        assert_eq!(
            (&exponent.sizes[..], exponent.points.len(), exponent.excluded.len()),
            (&[500, 1000, 1750][..], 6, 0)
        );
        let d = d_data(all.iter().find(|like| like.dataset == exponent.dataset).unwrap());
        assert!(near(exponent.by_data.unwrap(), -1.0 / d));
        assert!(exponent.by_repr.unwrap() < exponent.by_data.unwrap());
    }
    assert_eq!(found.excluded.len(), 2);
    assert_eq!(found.excluded[0].name, "oai, resnet18");
    assert_eq!(
        found.excluded[0].reason,
        "2 sizes (2 left out, the first since the test loss is 0.0: its logarithm is undefined): an exponent needs 3"
    );
}

fn robust(found: &Laws, penalty: PenaltyOf, over: Over, model: Option<&str>) -> Robustness {
    let wanted = |r: &&Robustness| {
        (&r.attack[..], r.epsilon, r.penalty, r.over, r.model.as_deref())
            == ("fgsm", 2.0, penalty, over, model)
    };
    let mut all = found.robustness.iter().filter(wanted);
    let one = all.next().unwrap().clone();
    assert!(all.next().is_none());
    one
}

#[test]
fn penalties_go_with_sharpness_as_put_in() {
    let mut all = observations(steep);
    for observation in &mut all {
        let k_f = observation.k_f.unwrap();
        let sign = if observation.seed == 0 { 1.1 } else { 0.9 };
        observation.attacks = vec![
            Penalty {
                attack: "fgsm".into(),
                epsilon: 2.0,
                loss: sign * k_f / 1e4,
                accuracy: -sign * k_f * k_f / 1e10,
            },
            Penalty { attack: "fgsm".into(), epsilon: 8.0, loss: 1.0, accuracy: f64::NAN },
        ];
    }
    all[0].attacks.pop();
    let found = laws(&all, &options());
    // Two strengths, three choices of models, two penalties, three kinds of points.
    assert_eq!(found.robustness.len(), 36);
    for model in [None, Some("vgg13")] {
        let means = robust(&found, PenaltyOf::Loss, Over::Datasets, model);
        assert_eq!((means.points.len(), means.datasets, means.excluded.len()), (9, 9, 0));
        assert_eq!(means.points[0].observations, if model.is_none() { 12 } else { 6 });
        assert_eq!(means.pearson.as_ref().unwrap().r, 1.0);
        assert_eq!(means.spearman.as_ref().unwrap().r, 1.0);
        assert!(near(means.line.as_ref().unwrap().coefficient("K_F").unwrap().value * 1e4, 1.0));
        assert!(near(means.law.slopes[0].value, 1.0));
        assert_eq!(means.law.regression.y, "log loss penalty");

        // Each observation is 10 % off, so that only the law's slope is as it was.
        let each = robust(&found, PenaltyOf::Loss, Over::Observations, model);
        assert_eq!(each.points.len(), if model.is_none() { 108 } else { 54 });
        assert!(each.pearson.as_ref().unwrap().r < 0.999);
        assert!(near(each.law.slopes[0].value, 1.0));
        assert_eq!(each.law.slopes[0].one_inside, Some(true));

        // A gain instead of a loss has no logarithm; correlations take it.
        let accuracy = robust(&found, PenaltyOf::Accuracy, Over::Datasets, model);
        assert_eq!(accuracy.spearman.as_ref().unwrap().r, -1.0);
        assert_eq!(accuracy.law.regression.excluded.len(), 9);
        assert!(accuracy.law.regression.excluded[0].reason.contains("its logarithm is undefined"));
        assert!(accuracy.law.regression.fit.as_ref().unwrap_err().contains("0 points"));
        assert!(accuracy.law.slopes.is_empty());
    }
    let at_8: Vec<&Robustness> =
        found.robustness.iter().filter(|robustness| robustness.epsilon == 8.0).collect();
    let loss = at_8.iter().find(|robustness| robustness.penalty == PenaltyOf::Loss).unwrap();
    assert!(loss.pearson.as_ref().unwrap_err().contains("y is 1.0 in all 9 points"));
    assert_eq!(loss.excluded.len(), 1);
    assert_eq!(loss.excluded[0].name, "mnist (3 and 8), resnet18, 500 images, seed 0");
    assert_eq!(loss.excluded[0].reason, "it has no fgsm of strength 8");
    let accuracy = at_8.iter().find(|robustness| robustness.penalty == PenaltyOf::Accuracy).unwrap();
    assert_eq!((accuracy.points.len(), accuracy.excluded.len()), (0, 108));
}

#[test]
fn a_dataset_is_the_mean_of_its_classes_drawn() {
    let made = |dataset: &str, classes: &str, seed, k_f, loss| Observation {
        dataset: dataset.into(),
        classes: classes.into(),
        seed,
        k_f: Some(k_f),
        attacks: vec![Penalty { attack: "fgsm".into(), epsilon: 2.0, loss, accuracy: loss }],
        ..Observation::default()
    };
    let mut all = vec![
        made("a", "0 and 1", 0, 1.0, 1.0),
        made("a", "0 and 1", 1, 3.0, 2.0),
        made("a", "2 and 3", 0, 6.0, 4.5),
        made("b", "", 0, 5.0, 1.0),
        made("c", "", 0, 7.0, 3.0),
    ];
    let found = laws(&all, &options());
    let values = |over| {
        let robustness = robust(&found, PenaltyOf::Loss, over, None);
        robustness
            .points
            .iter()
            .map(|p| (p.name.clone(), p.columns[0], p.y, p.observations))
            .collect::<Vec<_>>()
    };
    let name = |name: &str| name.to_string();
    let [b, c] = [(name("b"), 5.0, 1.0, 1), (name("c"), 7.0, 3.0, 1)];
    assert_eq!(values(Over::Datasets), [(name("a"), 4.0, 3.0, 3), b.clone(), c.clone()]);
    let [first, second] = [(name("a (0 and 1)"), 2.0, 1.5, 2), (name("a (2 and 3)"), 6.0, 4.5, 1)];
    assert_eq!(values(Over::Tasks), [first, second, b, c]);
    assert_eq!(values(Over::Observations).len(), 5);

    // An attack whose strength is no number is told of, and nothing is made of it.
    all[0].attacks.push(Penalty { attack: "fgsm".into(), epsilon: f64::NAN, loss: 1.0, accuracy: 1.0 });
    let found = laws(&all, &options());
    assert_eq!(found.excluded.len(), 1);
    assert_eq!(found.excluded[0].reason, "fgsm of strength NaN: not finite");
    assert!(found.robustness.iter().all(|robustness| robustness.epsilon == 2.0));
    let found = laws(&all, &LawOptions { epsilon: f64::INFINITY, ..options() });
    assert_eq!(found.excluded[0].reason, "fgsm of strength inf: not finite");
    let said = found.statements();
    let statement =
        said.iter().find(|statement| statement.claim == "An attack costs more where K_F is higher.").unwrap();
    assert_eq!(
        (&statement.found[..], statement.excluded.len()),
        ("no result: the attack's strength is not finite", 2)
    );
}

#[test]
fn the_bound_is_counted_with_its_exceptions() {
    let mut all = observations(steep);
    all[3].d_repr[0].1 = 30.0;
    all[70].d_repr[0].1 = d_data(&all[70]);
    all[71].d_repr.clear();
    all[80].d_data[0].1 = f64::NAN;
    for observation in &mut all {
        observation.d_repr.push(("mle".into(), 10.0));
    }
    let found = laws(&all, &options());
    let bound = &found.bound[0];
    let holding = bound.holding.as_ref().unwrap();
    assert_eq!((holding.successes, holding.n), (105, 106));
    assert_eq!(
        bound.exceptions,
        ["mnist (3 and 8), resnet18, 1000 images, seed 1: d_repr 30.00, d_data 9.40"]
    );
    assert_eq!(bound.excluded.len(), 2);
    assert_eq!(bound.excluded[0].reason, "it has no d_repr by twonn");
    assert_eq!(bound.excluded[1].reason, "d_data is NaN: not finite");
    let natural = &found.bound[1];
    assert_eq!(natural.scope.domain.as_deref(), Some("natural"));
    assert_eq!(natural.holding.as_ref().unwrap().n, 48);
    // By one estimator for both, too: two datasets' 9.4 and 8.6 are below 10; one of these 24 trainings has none.
    assert_eq!(found.bound.len(), 18);
    let alike = &found.bound[9];
    assert_eq!([&alike.data_estimator[..], &alike.repr_estimator], ["mle", "mle"]);
    assert_eq!(alike.holding.as_ref().unwrap().successes, 107 - 23);
    let said = found.statements();
    let statement = said.iter().find(|statement| statement.found.contains("by mle and mle")).unwrap();
    assert!(
        statement.found.contains(
            "d_data in 84 of 107 trainings by mle and mle: 78.5 % (95 % 69.8 .. 85.2); exceptions: mnist"
        ),
        "{}",
        statement.found
    );
    assert!(statement.found.ends_with("d_repr 10.00, d_data 9.40; and 18 more"), "{}", statement.found);
}

#[test]
fn what_has_no_logarithm_is_left_out_by_name() {
    let mut all = observations(steep);
    all[0].test_loss = 0.0;
    all[1].test_loss = f64::INFINITY;
    all[2].test_loss = -0.5;
    all[3].d_data.clear();
    all[4].d_data[0].1 = 0.0;
    all[5].k_f = None;
    all[6].k_f = Some(0.0);
    all[7].train = 0;
    let found = laws(&all, &options());
    let law = found.log_loss_on_d_data.over(None, None).unwrap();
    let said: Vec<(&str, &str)> =
        law.excluded.iter().map(|point| (&point.name[..], &point.reason[..])).collect();
    assert_eq!(
        said,
        [
            (
                "mnist (3 and 8), resnet18, 500 images, seed 0",
                "the test loss is 0.0: its logarithm is undefined"
            ),
            ("mnist (3 and 8), resnet18, 500 images, seed 1", "the test loss is inf: not finite"),
            (
                "mnist (3 and 8), resnet18, 1000 images, seed 0",
                "the test loss is -0.5: its logarithm is undefined"
            ),
            ("mnist (3 and 8), resnet18, 1000 images, seed 1", "it has no d_data by mle"),
            ("mnist (3 and 8), resnet18, 1750 images, seed 0", "d_data is 0.0: a dimension is above 0"),
        ]
    );
    assert_eq!(law.points.len(), 103);
    let law = &found.generalization_data[0].regression;
    assert_eq!((law.points.len(), law.excluded.len()), (100, 8));
    assert_eq!(law.excluded[5].reason, "it has no K_F");
    assert_eq!(law.excluded[6].reason, "K_F is 0.0: its logarithm is undefined");
    assert_eq!(law.excluded[7].reason, "N is 0.0: its logarithm is undefined");
}

#[test]
fn few_observations_say_why_nothing_is_fitted() {
    let found = laws(&[], &options());
    for statement in found.statements() {
        assert!(
            statement.found.contains("0 points") || statement.found.contains("0 cases") || statement.n == 0
        );
    }
    let all = observations(steep);
    let found = laws(&all[..1], &options());
    assert_eq!(
        found.log_loss_on_d_data.fits[0].fit,
        Err("1 point for 2 coefficients: at least as many points are needed".into())
    );
    assert!(found.robustness[0].pearson.as_ref().unwrap_err().contains("0 points"));
    assert!(found.exponents.found.is_empty());
    // One dataset has one dimension.
    let found = laws(&all[..12], &options());
    let why = found.log_loss_on_d_data.fits[0].fit.as_ref().unwrap_err();
    assert_eq!(why, "column d_data is 9.4 in all 12 points: a constant column has no slope");
    assert!(
        found.log_loss_on_d_data.between_domains[0]
            .observations
            .as_ref()
            .unwrap_err()
            .contains("at least two groups")
    );
    // Two of them have a slope, and too few to draw from.
    let found = laws(&all[..24], &options());
    let law = &found.log_loss_on_d_data.fits[0];
    assert!(near(law.fit.as_ref().unwrap().coefficients[1].value, 0.1));
    assert_eq!(law.bootstrap, Err("2 groups to draw from: a bootstrap needs at least 3".into()));
    let said = &found.statements()[0].found;
    assert!(
        said.contains(
            "by t, assuming independent points) per unit of d_data over 2 natural datasets, 24 points"
        ),
        "{said}"
    );
    // No draw is asked for.
    let none = LawOptions { draws: 0, permutations: 0, ..options() };
    let found = laws(&all, &none);
    assert!(found.log_loss_on_d_data.fits[0].fit.is_ok());
    assert!(found.log_loss_on_d_data.fits[0].bootstrap.as_ref().unwrap_err().contains("0 draws"));
}

#[test]
fn a_seed_gives_the_same_and_order_gives_alike() {
    let mut all =
        observations(|observation| steep(observation) + 0.2 * (observation.dataset.len() as f64).sin());
    let found = laws(&all, &options());
    assert_eq!(found, laws(&all, &options()));
    let other = laws(&all, &LawOptions { seed: 6, ..options() });
    assert_ne!(found.log_loss_on_d_data, other.log_loss_on_d_data);
    all.reverse();
    let turned = laws(&all, &options());
    for (one, other) in found.log_loss_on_d_data.fits.iter().zip(&turned.log_loss_on_d_data.fits) {
        assert_eq!(one.scope, other.scope);
        let [one, other] = [one, other].map(|law| law.bootstrap.as_ref().unwrap().slopes[0].interval);
        assert!(near(one[0], other[0]) && near(one[1], other[1]), "{one:?} {other:?}");
    }
}

#[test]
fn statements_say_what_was_found() {
    let mut all = observations(steep);
    for observation in &mut all {
        let k_f = observation.k_f.unwrap() / 1e4;
        observation.attacks = vec![Penalty {
            attack: "fgsm".into(),
            epsilon: 2.0,
            loss: k_f * k_f,
            accuracy: 0.1 - 0.01 * k_f,
        }];
    }
    all[0].test_loss = 0.0;
    all[107].test_loss = 0.0;
    let said = laws(&all, &options()).statements();
    let find = |start: &str, words: &str| {
        let found = said
            .iter()
            .find(|statement| statement.claim.starts_with(start) && statement.found.contains(words));
        found.unwrap_or_else(|| panic!("{start}: {words}: {said:#?}"))
    };
    let rise = find(
        "Test loss rises with the dimension of the training images",
        "log test loss rises by 0.10 (95 % 0.10 .. 0.10",
    );
    assert!(rise.found.ends_with("per unit of d_data over 4 natural datasets, 47 points"), "{}", rise.found);
    assert_eq!(rise.n, 47);
    assert_eq!(
        rise.excluded,
        ["mnist (3 and 8), resnet18, 500 images, seed 0: the test loss is 0.0: its logarithm is undefined"]
    );
    find("Test loss rises with the dimension of the training images", "over 5 radiology datasets, 59 points");
    let between = find("The rise with d_data is steeper", "over all points, which are not independent");
    assert!(
        between
            .found
            .starts_with("slopes 0.10 (natural), 0.30 (radiology); test of equal slopes: F(1, 5) = ")
    );
    assert!(between.found.contains("F(1, 102) = "), "{}", between.found);
    assert_eq!((between.n, between.excluded.len()), (106, 2));
    find(
        "An attack raises the loss more",
        "loss penalty of fgsm of strength 2 against K_F over 9 dataset means: Pearson's r 0.9",
    );
    find(
        "An attack lowers the accuracy more",
        "Pearson's r -1.00 (95 % -1.00 .. -1.00), p < 0.001, permutation test p = 0.005",
    );
    find("log R >~", "log loss penalty has the slope 2.00 on log K_F (95 % 2.00 .. 2.00, excludes 1)");
    find(
        "The representation's dimension",
        "at most d_data in 108 of 108 trainings by twonn and mle: 100 % (95 % 96.6 .. 100)",
    );
    find("log L <~ -(1/d_data) log N + log K_F", "on -(1/d_data) log N (95 % ");
    find("Test loss falls with the size", "over 18 series");

    // A slope that falls has its interval turned too, and is said as what it falls by.
    let mut turned = observations(|observation| {
        0.1 * (observation.dataset.len() as f64).cos() - 0.2 * d_data(observation)
    });
    turned.retain(|observation| observation.domain == "natural");
    let found = laws(&turned, &options());
    let [low, high] = found.log_loss_on_d_data.fits[1].bootstrap.as_ref().unwrap().slopes[0].interval;
    assert!(low < -0.2 && -0.2 < high && high < -0.1, "{low} {high}");
    let said = &found.statements()[0].found;
    let interval = format!("falls by 0.20 (95 % {:.2} .. {:.2}", -high, -low);
    assert!(said.contains(&interval), "{said}: {interval}");
}

#[test]
fn nothing_strange_comes_of_strange_observations() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let strange = [
        0.0,
        -0.0,
        1.0,
        1.0,
        2.0,
        0.5,
        12.0,
        -3.0,
        1e-320,
        1e300,
        -1e300,
        1e150,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let mut pick = move |count: usize| random.next_u64() as usize % count;
    for round in 0..150 {
        // In some rounds most values are plain, so that fits are made.
        let value = |pick: &mut dyn FnMut(usize) -> usize| {
            if round % 3 > 0 && pick(20) > 0 {
                1.0 + pick(1000) as f64 / 100.0
            } else {
                strange[pick(strange.len())]
            }
        };
        let all: Vec<Observation> = (0..pick(30))
            .map(|_| Observation {
                dataset: format!("{}", pick(5)),
                domain: ["natural", "radiology"][pick(2)].into(),
                classes: ["", "0 and 1"][pick(2)].into(),
                model: ["resnet18", "vgg13"][pick(2)].into(),
                train: [0, 1, 500, 1000, 1750][pick(5)],
                seed: pick(2) as u64,
                d_data: (0..pick(5).min(1)).map(|_| ("mle".into(), value(&mut pick))).collect(),
                k_f: (pick(5) > 0).then(|| value(&mut pick)),
                d_repr: (0..pick(5).min(1))
                    .map(|_| (["twonn", "mle"][pick(2)].into(), value(&mut pick)))
                    .collect(),
                test_loss: value(&mut pick),
                test_accuracy: value(&mut pick),
                attacks: (0..pick(3))
                    .map(|_| Penalty {
                        attack: "fgsm".into(),
                        epsilon: if pick(3) > 0 { 2.0 } else { value(&mut pick) },
                        loss: value(&mut pick),
                        accuracy: value(&mut pick),
                    })
                    .collect(),
            })
            .collect();
        let found = laws(&all, &LawOptions { draws: 10, permutations: 10, ..options() });
        let text = format!("{found:?} {:?}", found.statements());
        // Reasons name what they refuse; nothing else is no number.
        for bad in ["NaN", "inf"] {
            for (at, _) in text.match_indices(bad) {
                let before = text[..at].chars().next_back().is_some_and(char::is_alphabetic);
                let after = &text[at + bad.len()..];
                let word = before || after.starts_with(char::is_alphabetic);
                assert!(
                    word || after.starts_with(": not finite") || after.starts_with(" in row"),
                    "round {round}: {}",
                    &text[at.saturating_sub(200)..at + 40]
                );
            }
        }
    }
}
