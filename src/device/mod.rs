//! Where arrays live and how kernels launch.

/// Where an operation runs.
#[derive(Clone, Debug)]
pub struct Device;
