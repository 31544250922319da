//! Operations on every device, against naive oracles: neighbours, sharpness, the two between two sets, duplicates,
//! counts and distances of pairs, 16-bit floats, resize.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

mod ops {
    mod between;
    mod counts;
    mod duplicates;
    mod halves;
    mod neighbours;
    mod points;
    mod resize;
    mod sharpness;
}
