//! How to read the page, in a few sentences.

use sharpdim::measure::Estimator;
use sharpdim::report::Section;

pub fn section(estimators: &[Estimator]) -> Section {
    let each = estimators.iter().map(|estimator| (estimator.name(), estimator.about()));
    let each = Section::new("The estimators").glossary(each);
    Section::new("How to read this").glossary(WORDS).subsection(each)
}

const WORDS: [(&str, &str); 7] = [
    (
        "Intrinsic dimension",
        "In how many independent ways the images vary, near each image. It is estimated from how distances to \
             neighbours grow; the paper's estimator is mle. A dataset of higher dimension needs more images to be \
             learnt as well.",
    ),
    (
        "Local dimension",
        "The same at one image, from its own neighbours. It is noisy: compare many, not two.",
    ),
    (
        "Label sharpness, K_F",
        "1 / the distance of the two nearest images of different classes. Where it is high, a small change of \
             the image changes its label: harder to learn, and easier to attack. Only its ratio to that of another \
             dataset preprocessed alike means anything.",
    ),
    (
        "95 % interval",
        "What chance in drawing the images may do to the value. It does not cover an estimator's bias: every \
             one comes out low where the dimension is high and the images are few.",
    ),
    (
        "True dimension",
        "With --calibrate: where the dimension is that gives such an estimate, bias included. By the same estimator \
             on as many samples of manifolds whose dimension is known: 95 % of the nearest estimates are of such ones.",
    ),
    (
        "Excluded",
        "Images without a value of their own, for having an identical twin at distance 0. They stay neighbours \
             of others.",
    ),
    ("Contradiction", "Identical images with different labels. They are counted, and left out of K_F."),
];
