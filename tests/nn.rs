//! Networks: against torchvision's results, their state dicts and files, plans, and what they refuse.
//! GPU devices join where the build has them (`--features emulator`, `--features cuda`).

mod support;

mod nn {
    mod emulated;
    mod made;
    mod plan;
    mod refusals;
    mod same;
    mod state;
    mod torchvision;
    mod trainer;
}
