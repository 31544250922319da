//! Activations that operations fuse into writing their output.

/// An activation that is fused into the operation before it: [`conv2d`](super::conv2d) and
/// [`batch_norm`](super::batch_norm) take one.
///
/// ```
/// use sharpdim::ops::Activation;
/// assert_eq!(Activation::default(), Activation::Identity);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// None.
    #[default]
    Identity,
    /// ReLU: max(x, 0).
    Relu,
}

impl Activation {
    /// The kernels' code: `Activation` of kernels/common/activation.cuh.
    #[cfg(gpu)]
    pub(crate) const fn code(self) -> u32 {
        match self {
            Activation::Identity => 0,
            Activation::Relu => 1,
        }
    }

    /// Applies it in place.
    #[inline(always)]
    pub(crate) fn apply(self, values: &mut [f32]) {
        match self {
            Activation::Identity => (),
            // Not `max`, which would turn NaN into a number.
            Activation::Relu => values.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v }),
        }
    }
}
