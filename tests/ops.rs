//! Operations on every device, against naive oracles: neighbours, sharpness, the two between two sets, duplicates,
//! counts and distances of pairs, 16-bit floats, resize; of networks
//! batch normalisation and pools.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

mod ops {
    mod avg_pool;
    mod batch_norm;
    mod between;
    mod class_pairs;
    mod counts;
    mod duplicates;
    mod halves;
    mod max_pool;
    mod neighbours;
    mod pairs_within;
    mod points;
    mod ratio_quantiles;
    mod resize;
    mod sharpness;
}
