//! Operations on every device, against naive oracles: neighbours, sharpness, the two between two sets, duplicates,
//! counts and distances of pairs, 16-bit floats, resize; and the operations of networks.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

mod ops {
    mod between;
    mod class_pairs;
    mod conv2d;
    mod counts;
    mod duplicates;
    mod halves;
    mod neighbours;
    mod pairs_within;
    mod points;
    mod ratio_quantiles;
    mod resize;
    mod sharpness;
}
