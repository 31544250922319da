//! Choosing classes and drawing from them: order, numbers, the seed, and what cannot be had.

use super::make::*;
use proptest::prelude::*;
use sharpdim::data::{Dataset, Selection};

/// Images whose one pixel is their number, of the classes "0" .. "9" in turns.
fn numbered(count: u8) -> (Folder, Dataset) {
    let folder = Folder::new();
    let pixels: Vec<u8> = (0..count).collect();
    let labels: Vec<u8> = (0..count).map(|at| at % 10).collect();
    folder.file("train-images-idx3-ubyte", idx_images(count.into(), 1, 1, &pixels));
    folder.file("train-labels-idx1-ubyte", idx_labels(&labels));
    let dataset = Dataset::open(folder.path()).unwrap();
    (folder, dataset)
}

fn names(classes: &[&str]) -> Option<Vec<String>> {
    Some(classes.iter().map(|name| name.to_string()).collect())
}

fn pixels(dataset: &Dataset) -> Vec<f32> {
    values(&dataset.load(&raw(), &|_| {}).unwrap())
}

#[test]
fn classes_get_labels_in_the_order_given() {
    let (_folder, dataset) = numbered(40);
    let chosen = dataset.select(&Selection { classes: names(&["8", "3"]), ..Selection::default() }).unwrap();
    assert_eq!(chosen.class_names(), ["8", "3"]);
    assert_eq!(chosen.labels(), [1, 0, 1, 0, 1, 0, 1, 0]);
    assert_eq!(pixels(&chosen), [3.0, 8.0, 13.0, 18.0, 23.0, 28.0, 33.0, 38.0]);
    assert_eq!(chosen.name(1), "train-images-idx3-ubyte#8");
    // And from what was chosen, again.
    let again = chosen.select(&Selection { classes: names(&["3"]), ..Selection::default() }).unwrap();
    assert_eq!((again.labels(), pixels(&again)), (&[0, 0, 0, 0][..], vec![3.0, 13.0, 23.0, 33.0]));
}

#[test]
fn the_draw_is_pinned() {
    let (_folder, dataset) = numbered(200);
    let selection = Selection { classes: names(&["3", "8"]), per_class: Some(4), seed: 7 };
    let drawn = dataset.select(&selection).unwrap();
    // A change here changes every number that was measured on a draw.
    assert_eq!(pixels(&drawn), [23.0, 28.0, 33.0, 83.0, 88.0, 188.0, 193.0, 198.0]);
    let other = dataset.select(&Selection { seed: 8, ..selection }).unwrap();
    assert_ne!(pixels(&drawn), pixels(&other));
}

#[test]
fn a_draw_is_uniform() {
    let (_folder, dataset) = numbered(100);
    let mut drawn = [0; 10];
    for seed in 0..2000 {
        let selection = Selection { classes: names(&["4"]), per_class: Some(3), seed };
        for pixel in pixels(&dataset.select(&selection).unwrap()) {
            drawn[pixel as usize / 10] += 1;
        }
    }
    // 600 each, with a standard deviation of about 20.
    assert!(drawn.iter().all(|count| (500..700).contains(count)), "{drawn:?}");
}

#[test]
fn draws_of_two_classes_are_independent() {
    let (_folder, dataset) = numbered(200);
    let mut shared = 0;
    for seed in 0..1000 {
        let selection = Selection { classes: names(&["3", "8"]), per_class: Some(4), seed };
        let drawn = pixels(&dataset.select(&selection).unwrap());
        let places = |class| drawn.iter().filter(move |p| **p % 10.0 == class).map(|p| *p as usize / 10);
        shared += places(3.0).filter(|place| places(8.0).any(|other| other == *place)).count();
    }
    // 4 * 4 / 20 each time, with a standard deviation of about 25 in all.
    assert!((700..900).contains(&shared), "{shared}");
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_draw_is_without_replacement_and_balanced(per_class in 1usize..=20, seed: u64) {
        let (_folder, dataset) = numbered(200);
        let selection = Selection { classes: None, per_class: Some(per_class), seed };
        let drawn = dataset.select(&selection).unwrap();
        prop_assert_eq!(drawn.class_counts(), vec![per_class; 10]);
        let drawn = pixels(&drawn);
        prop_assert!(drawn.is_sorted_by(|a, b| a < b), "{:?}", drawn);
        prop_assert_eq!(&drawn, &pixels(&dataset.select(&selection).unwrap()));
    }
}

#[test]
fn too_few_images_names_the_class() {
    let (_folder, dataset) = numbered(35);
    assert_says(
        dataset.select(&Selection { per_class: Some(4), ..Selection::default() }),
        &["class \"5\"", "has 3 images", "fewer than the 4"],
    );
}

#[test]
fn an_unknown_class_names_those_there_are() {
    let folder = Folder::new();
    folder.file("data_batch_1.bin", cifar(&[0, 1]));
    let dataset = Dataset::open(folder.path()).unwrap();
    let select = |name| dataset.select(&Selection { classes: names(&[name]), ..Selection::default() });
    assert_says(select("Catt"), &["no class \"Catt\"", "airplane, automobile, bird, cat", "mean \"cat\"?"]);
    assert_says(select("mobile"), &["mean \"automobile\"?"]);
    let far = select("zebra crossing").unwrap_err().to_string();
    assert!(!far.contains("mean"), "{far}");
    assert_says(select(""), &["no class \"\""]);
}

#[test]
fn selections_that_make_no_sense() {
    let (_folder, dataset) = numbered(20);
    let select = |classes, per_class| dataset.select(&Selection { classes, per_class, seed: 0 });
    assert_says(select(names(&["3", "3"]), None), &["class \"3\"", "twice"]);
    assert_says(select(names(&[]), None), &["keeps no images"]);
    assert_says(select(None, Some(0)), &["keeps no images"]);
}

/// 40 images, 4 of each class "0" .. "9"; splits of 10 and 13: one of each, and two of the first three.
#[test]
fn a_split_is_balanced_and_shares_nothing() {
    let (_folder, dataset) = numbered(40);
    for seed in 0..20 {
        let (train, test) = dataset.split(10, 13, seed).unwrap();
        assert_eq!(train.class_counts(), [1; 10]);
        assert_eq!(test.class_counts(), [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
        let (a, b) = (pixels(&train), pixels(&test));
        assert!(a.iter().all(|pixel| !b.contains(pixel)), "seed {seed}: {a:?} and {b:?}");
        // The labels are the images' own: the pixel is its number, and its class that modulo 10.
        for (part, pixels) in [(&train, &a), (&test, &b)] {
            assert!(pixels.windows(2).all(|two| two[0] < two[1]), "images keep their order");
            for (pixel, label) in pixels.iter().zip(part.labels()) {
                assert_eq!(*pixel as u32 % 10, *label);
            }
        }
        assert_eq!(pixels(&dataset.split(10, 13, seed).unwrap().0), a);
        assert_eq!(pixels(&dataset.balanced(10, seed).unwrap()), a, "as the first part of a split");
    }
    let drawn: Vec<Vec<f32>> = (0..5).map(|seed| pixels(&dataset.split(10, 10, seed).unwrap().0)).collect();
    assert!(drawn.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn a_split_takes_all_there_is_but_no_more() {
    let (_folder, dataset) = numbered(40);
    let (train, test) = dataset.split(30, 10, 0).unwrap();
    let mut all = [pixels(&train), pixels(&test)].concat();
    all.sort_by(f32::total_cmp);
    assert_eq!(all, (0..40).map(|at| at as f32).collect::<Vec<_>>());
    let message = |train, test| dataset.split(train, test, 0).unwrap_err().to_string();
    let too_few = message(31, 10);
    assert_eq!(
        too_few,
        "class \"0\" has 4 images, too few for 4 to train on and 1 to test on: take fewer images"
    );
    assert!(message(0, 10).contains("0 images to train on"));
    assert!(message(10, 0).contains("0 images to test on"));
    let balanced = dataset.balanced(41, 0).unwrap_err().to_string();
    assert_eq!(balanced, "class \"0\" has 4 images, too few for 5 to take: take fewer images");
}
