//! Operations on every device, against naive oracles: neighbours, sharpness, the two between two sets, duplicates,
//! counts and distances of pairs, 16-bit floats, resize; those of networks, and recorded work.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

mod ops {
    mod adam;
    mod all_pairs;
    mod avg_pool;
    mod batch_norm;
    mod between;
    mod class_pairs;
    mod conv2d;
    mod convert;
    mod counts;
    mod cross_entropy;
    mod dropout;
    mod duplicates;
    mod elementwise;
    mod guard;
    mod halves;
    mod max_pool;
    mod neighbours;
    mod norm;
    mod pairs_within;
    mod perturb;
    mod points;
    mod ratio_quantiles;
    mod recordings;
    mod resize;
    mod sgd;
    mod sharpness;
    mod take_images;
    mod tally;
}
