//! Operations on every device, against naive oracles: neighbours, sharpness, the two between two sets, duplicates,
//! resize.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

mod ops {
    mod between;
    mod duplicates;
    mod neighbours;
    mod points;
    mod resize;
    mod sharpness;
}
