//! The table of all kernels: names, files, and limits of their launches. Each is looked up when a
//! device is opened, so a missing one is an error there and not at its first launch.

use bytemuck::NoUninit;

/// Grid, block and dynamic shared memory of a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub grid: [u32; 3],
    pub threads: u32,
    pub shared_bytes: u32,
}

/// A kernel's parameter struct, the same as in its file of kernels/: `#[repr(C)]`, without padding, of fixed-width fields.
/// [`params`] implements it.
pub(crate) trait Params: NoUninit {
    /// The struct's name, the same in both languages.
    const NAME: &'static str;
}

/// Makes a struct a kernel's [`Params`]. Its size and offsets are asserted here as they are in kernels/, by `static_assert`.
macro_rules! params {
    ($name:ident: $size:literal bytes $(, $field:ident at $offset:literal)*) => {
        impl $crate::device::Params for $name {
            const NAME: &'static str = stringify!($name);
        }
        const _: () = assert!(size_of::<$name>() == $size);
        $(const _: () = assert!(std::mem::offset_of!($name, $field) == $offset);)*
    };
}
pub(crate) use params;

macro_rules! kernels {
    ($($variant:ident = $name:ident, $emulated:ident in $file:literal, $params:ident, $shared:literal shared;)*) => {
        /// A kernel.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kernel {
            $($variant,)*
        }

        impl Kernel {
            /// All of them, in the order of their numbers.
            #[cfg(any(feature = "cuda", test))]
            pub(crate) const ALL: &[Kernel] = &[$(Kernel::$variant,)*];

            /// Its name in the CUDA source.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Kernel::$variant => stringify!($name),)*
                }
            }

            /// The file of kernels/ that it is in, without ending.
            #[cfg(any(feature = "cuda", test))]
            pub(crate) fn file(self) -> &'static str {
                match self {
                    $(Kernel::$variant => $file,)*
                }
            }

            /// Its parameter struct's name.
            pub(crate) fn params(self) -> &'static str {
                match self {
                    $(Kernel::$variant => stringify!($params),)*
                }
            }

            /// The most dynamic shared memory of a launch.
            pub(crate) fn most_shared_bytes(self) -> u32 {
                match self {
                    $(Kernel::$variant => $shared,)*
                }
            }

            /// The function that the emulator calls for each thread.
            #[cfg(feature = "emulator")]
            pub(crate) fn emulated(self) -> unsafe extern "C" fn(*const std::ffi::c_void) {
                unsafe extern "C" {
                    $(fn $emulated(params: *const std::ffi::c_void);)*
                }
                match self {
                    $(Kernel::$variant => $emulated,)*
                }
            }
        }
    };
}

kernels! {
    PrepareU8 = prepare_u8, emulate_prepare_u8 in "pairs", PrepareParams, 64 shared;
    PrepareF32 = prepare_f32, emulate_prepare_f32 in "pairs", PrepareParams, 64 shared;
    PrepareF64 = prepare_f64, emulate_prepare_f64 in "pairs", PrepareParams, 64 shared;
    PrepareF16 = prepare_f16, emulate_prepare_f16 in "pairs", PrepareParams, 64 shared;
    PrepareBf16 = prepare_bf16, emulate_prepare_bf16 in "pairs", PrepareParams, 64 shared;
    SquaredDistancesF32 = squared_distances_f32, emulate_squared_distances_f32 in "pairs", DistancesParams, 0 shared;
    SquaredDistancesU8 = squared_distances_u8, emulate_squared_distances_u8 in "pairs", DistancesParams, 0 shared;
    SquaredDistancesF64 = squared_distances_f64, emulate_squared_distances_f64 in "pairs", DistancesParams, 0 shared;
    SquaredDistancesF16 = squared_distances_f16, emulate_squared_distances_f16 in "pairs", DistancesParams, 0 shared;
    SquaredDistancesBf16 = squared_distances_bf16, emulate_squared_distances_bf16 in "pairs", DistancesParams, 0 shared;
    NeighboursU8L32 = neighbours_u8_32, emulate_neighbours_u8_32 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursU8L64 = neighbours_u8_64, emulate_neighbours_u8_64 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursU8L128 = neighbours_u8_128, emulate_neighbours_u8_128 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursU8L256 = neighbours_u8_256, emulate_neighbours_u8_256 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursF32L32 = neighbours_f32_32, emulate_neighbours_f32_32 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursF32L64 = neighbours_f32_64, emulate_neighbours_f32_64 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursF32L128 = neighbours_f32_128, emulate_neighbours_f32_128 in "neighbours", NeighboursParams, 66048 shared;
    NeighboursF32L256 = neighbours_f32_256, emulate_neighbours_f32_256 in "neighbours", NeighboursParams, 66048 shared;
    SharpnessU8L32 = sharpness_u8_32, emulate_sharpness_u8_32 in "sharpness", SharpnessParams, 66048 shared;
    SharpnessU8L256 = sharpness_u8_256, emulate_sharpness_u8_256 in "sharpness", SharpnessParams, 66048 shared;
    SharpnessF32L32 = sharpness_f32_32, emulate_sharpness_f32_32 in "sharpness", SharpnessParams, 66048 shared;
    SharpnessF32L256 = sharpness_f32_256, emulate_sharpness_f32_256 in "sharpness", SharpnessParams, 66048 shared;
    PairsWithinU8 = pairs_within_u8, emulate_pairs_within_u8 in "pairs_within", PairsWithinParams, 66048 shared;
    PairsWithinF32 = pairs_within_f32, emulate_pairs_within_f32 in "pairs_within", PairsWithinParams, 66048 shared;
    RatioQuantilesU8 = ratio_quantiles_u8, emulate_ratio_quantiles_u8 in "ratio_quantiles", RatioQuantilesParams, 66048 shared;
    RatioQuantilesF32 = ratio_quantiles_f32, emulate_ratio_quantiles_f32 in "ratio_quantiles", RatioQuantilesParams, 66048 shared;
    RatioQuantilesOpenF32 = ratio_quantiles_open_f32, emulate_ratio_quantiles_open_f32 in "ratio_quantiles", RatioQuantilesParams, 66048 shared;
    ClassPairsU8 = class_pairs_u8, emulate_class_pairs_u8 in "class_pairs", ClassPairsParams, 70400 shared;
    ClassPairsF32 = class_pairs_f32, emulate_class_pairs_f32 in "class_pairs", ClassPairsParams, 70400 shared;
    CountsU8 = counts_u8, emulate_counts_u8 in "counts", CountsParams, 66048 shared;
    CountsF32 = counts_f32, emulate_counts_f32 in "counts", CountsParams, 66048 shared;
    ResizeU8 = resize_u8, emulate_resize_u8 in "resize", ResizeParams, 0 shared;
    ResizeF32 = resize_f32, emulate_resize_f32 in "resize", ResizeParams, 0 shared;
    ScaleU8 = scale_u8, emulate_scale_u8 in "resize", ScaleParams, 64 shared;
    ScaleU16 = scale_u16, emulate_scale_u16 in "resize", ScaleParams, 64 shared;
    ScaleF32 = scale_f32, emulate_scale_f32 in "resize", ScaleParams, 64 shared;
    ReluForwardF32 = relu_forward_f32, emulate_relu_forward_f32 in "elementwise", ElementwiseParams, 0 shared;
    ReluForwardBf16 = relu_forward_bf16, emulate_relu_forward_bf16 in "elementwise", ElementwiseParams, 0 shared;
    ReluBackwardF32 = relu_backward_f32, emulate_relu_backward_f32 in "elementwise", ElementwiseParams, 0 shared;
    ReluBackwardBf16 = relu_backward_bf16, emulate_relu_backward_bf16 in "elementwise", ElementwiseParams, 0 shared;
    AddF32 = add_f32, emulate_add_f32 in "elementwise", ElementwiseParams, 0 shared;
    AddBf16 = add_bf16, emulate_add_bf16 in "elementwise", ElementwiseParams, 0 shared;
    DropoutF32 = dropout_f32, emulate_dropout_f32 in "dropout", DropoutParams, 0 shared;
    DropoutBf16 = dropout_bf16, emulate_dropout_bf16 in "dropout", DropoutParams, 0 shared;
    CrossEntropyForwardF32 = cross_entropy_forward_f32, emulate_cross_entropy_forward_f32 in "cross_entropy", CrossEntropyParams, 0 shared;
    CrossEntropyForwardBf16 = cross_entropy_forward_bf16, emulate_cross_entropy_forward_bf16 in "cross_entropy", CrossEntropyParams, 0 shared;
    CrossEntropyBackwardF32 = cross_entropy_backward_f32, emulate_cross_entropy_backward_f32 in "cross_entropy", CrossEntropyParams, 0 shared;
    CrossEntropyBackwardBf16 = cross_entropy_backward_bf16, emulate_cross_entropy_backward_bf16 in "cross_entropy", CrossEntropyParams, 0 shared;
    Adam = adam, emulate_adam in "adam", AdamParams, 0 shared;
    Sgd = sgd, emulate_sgd in "sgd", SgdParams, 0 shared;
    NormPartials = norm_partials, emulate_norm_partials in "norm", NormParams, 64 shared;
    NormTotal = norm_total, emulate_norm_total in "norm", NormParams, 64 shared;
    ConvertF32F32 = convert_f32_f32, emulate_convert_f32_f32 in "convert", ConvertParams, 0 shared;
    ConvertF32Bf16 = convert_f32_bf16, emulate_convert_f32_bf16 in "convert", ConvertParams, 0 shared;
    ConvertBf16F32 = convert_bf16_f32, emulate_convert_bf16_f32 in "convert", ConvertParams, 0 shared;
    ConvertBf16Bf16 = convert_bf16_bf16, emulate_convert_bf16_bf16 in "convert", ConvertParams, 0 shared;
    BatchNormMomentsF32 = batch_norm_moments_f32, emulate_batch_norm_moments_f32 in "batch_norm", BatchNormParams, 9216 shared;
    BatchNormGradientSumsF32 = batch_norm_gradient_sums_f32, emulate_batch_norm_gradient_sums_f32 in "batch_norm", BatchNormParams, 8192 shared;
    BatchNormApplyF32 = batch_norm_apply_f32, emulate_batch_norm_apply_f32 in "batch_norm", BatchNormParams, 0 shared;
    BatchNormGradientF32 = batch_norm_gradient_f32, emulate_batch_norm_gradient_f32 in "batch_norm", BatchNormParams, 0 shared;
    BatchNormMomentsBf16 = batch_norm_moments_bf16, emulate_batch_norm_moments_bf16 in "batch_norm", BatchNormParams, 17408 shared;
    BatchNormGradientSumsBf16 = batch_norm_gradient_sums_bf16, emulate_batch_norm_gradient_sums_bf16 in "batch_norm", BatchNormParams, 16384 shared;
    BatchNormApplyBf16 = batch_norm_apply_bf16, emulate_batch_norm_apply_bf16 in "batch_norm", BatchNormParams, 0 shared;
    BatchNormGradientBf16 = batch_norm_gradient_bf16, emulate_batch_norm_gradient_bf16 in "batch_norm", BatchNormParams, 0 shared;
    BatchNormStatistics = batch_norm_statistics, emulate_batch_norm_statistics in "batch_norm", BatchNormParams, 6144 shared;
    BatchNormRunning = batch_norm_running, emulate_batch_norm_running in "batch_norm", BatchNormParams, 0 shared;
    BatchNormSums = batch_norm_sums, emulate_batch_norm_sums in "batch_norm", BatchNormParams, 4096 shared;
    MaxPoolF32 = max_pool_f32, emulate_max_pool_f32 in "max_pool", MaxPoolParams, 0 shared;
    MaxPoolGradientF32 = max_pool_gradient_f32, emulate_max_pool_gradient_f32 in "max_pool", MaxPoolParams, 0 shared;
    MaxPoolBf16 = max_pool_bf16, emulate_max_pool_bf16 in "max_pool", MaxPoolParams, 0 shared;
    MaxPoolGradientBf16 = max_pool_gradient_bf16, emulate_max_pool_gradient_bf16 in "max_pool", MaxPoolParams, 0 shared;
    AvgPoolF32 = avg_pool_f32, emulate_avg_pool_f32 in "avg_pool", AvgPoolParams, 0 shared;
    AvgPoolGradientF32 = avg_pool_gradient_f32, emulate_avg_pool_gradient_f32 in "avg_pool", AvgPoolParams, 0 shared;
    AvgPoolBf16 = avg_pool_bf16, emulate_avg_pool_bf16 in "avg_pool", AvgPoolParams, 0 shared;
    AvgPoolGradientBf16 = avg_pool_gradient_bf16, emulate_avg_pool_gradient_bf16 in "avg_pool", AvgPoolParams, 0 shared;
    Conv2dForwardF32 = conv2d_forward_f32, emulate_conv2d_forward_f32 in "conv2d", Conv2dParams, 49152 shared;
    Conv2dForwardF32Wide = conv2d_forward_f32_wide, emulate_conv2d_forward_f32_wide in "conv2d", Conv2dParams, 65536 shared;
    Conv2dForwardF32Any = conv2d_forward_f32_any, emulate_conv2d_forward_f32_any in "conv2d", Conv2dParams, 24576 shared;
    Conv2dForwardBf16 = conv2d_forward_bf16, emulate_conv2d_forward_bf16 in "conv2d", Conv2dParams, 49152 shared;
    Conv2dForwardBf16Wide = conv2d_forward_bf16_wide, emulate_conv2d_forward_bf16_wide in "conv2d", Conv2dParams, 65536 shared;
    Conv2dForwardBf16Any = conv2d_forward_bf16_any, emulate_conv2d_forward_bf16_any in "conv2d", Conv2dParams, 24576 shared;
    Conv2dInputF32 = conv2d_input_f32, emulate_conv2d_input_f32 in "conv2d", Conv2dParams, 49152 shared;
    Conv2dInputF32Wide = conv2d_input_f32_wide, emulate_conv2d_input_f32_wide in "conv2d", Conv2dParams, 65536 shared;
    Conv2dInputF32Any = conv2d_input_f32_any, emulate_conv2d_input_f32_any in "conv2d", Conv2dParams, 24576 shared;
    Conv2dInputBf16 = conv2d_input_bf16, emulate_conv2d_input_bf16 in "conv2d", Conv2dParams, 49152 shared;
    Conv2dInputBf16Wide = conv2d_input_bf16_wide, emulate_conv2d_input_bf16_wide in "conv2d", Conv2dParams, 65536 shared;
    Conv2dInputBf16Any = conv2d_input_bf16_any, emulate_conv2d_input_bf16_any in "conv2d", Conv2dParams, 24576 shared;
    Conv2dWeightF32 = conv2d_weight_f32, emulate_conv2d_weight_f32 in "conv2d", Conv2dParams, 49152 shared;
    Conv2dWeightF32Wide = conv2d_weight_f32_wide, emulate_conv2d_weight_f32_wide in "conv2d", Conv2dParams, 65536 shared;
    Conv2dWeightF32Any = conv2d_weight_f32_any, emulate_conv2d_weight_f32_any in "conv2d", Conv2dParams, 24576 shared;
    Conv2dWeightBf16 = conv2d_weight_bf16, emulate_conv2d_weight_bf16 in "conv2d", Conv2dParams, 49152 shared;
    Conv2dWeightBf16Wide = conv2d_weight_bf16_wide, emulate_conv2d_weight_bf16_wide in "conv2d", Conv2dParams, 65536 shared;
    Conv2dWeightBf16Any = conv2d_weight_bf16_any, emulate_conv2d_weight_bf16_any in "conv2d", Conv2dParams, 24576 shared;
    Conv2dSumF32 = conv2d_sum_f32, emulate_conv2d_sum_f32 in "conv2d", Conv2dSumParams, 0 shared;
    Conv2dSumBf16 = conv2d_sum_bf16, emulate_conv2d_sum_bf16 in "conv2d", Conv2dSumParams, 0 shared;
    Conv2dBiasF32 = conv2d_bias_f32, emulate_conv2d_bias_f32 in "conv2d", Conv2dBiasParams, 0 shared;
    Conv2dBiasBf16 = conv2d_bias_bf16, emulate_conv2d_bias_bf16 in "conv2d", Conv2dBiasParams, 0 shared;
    TakeImagesF32 = take_images_f32, emulate_take_images_f32 in "take_images", TakeImagesParams, 0 shared;
    TakeImagesBf16 = take_images_bf16, emulate_take_images_bf16 in "take_images", TakeImagesParams, 0 shared;
    TallyF32 = tally_f32, emulate_tally_f32 in "tally", TallyParams, 0 shared;
    TallyBf16 = tally_bf16, emulate_tally_bf16 in "tally", TallyParams, 0 shared;
    PerturbGradientNorms = perturb_gradient_norms, emulate_perturb_gradient_norms in "perturb", PerturbParams, 128 shared;
    PerturbNormalise = perturb_normalise, emulate_perturb_normalise in "perturb", PerturbParams, 0 shared;
    PerturbStepLinf = perturb_step_linf, emulate_perturb_step_linf in "perturb", PerturbParams, 0 shared;
    PerturbStepL2 = perturb_step_l2, emulate_perturb_step_l2 in "perturb", PerturbParams, 128 shared;
    PerturbStepApgdLinf = perturb_step_apgd_linf, emulate_perturb_step_apgd_linf in "perturb", PerturbParams, 0 shared;
    PerturbStepApgdL2 = perturb_step_apgd_l2, emulate_perturb_step_apgd_l2 in "perturb", PerturbParams, 128 shared;
    PerturbAccumulate = perturb_accumulate, emulate_perturb_accumulate in "perturb", PerturbParams, 0 shared;
    PerturbNoiseLinf = perturb_noise_linf, emulate_perturb_noise_linf in "perturb", PerturbParams, 0 shared;
    PerturbNoiseL2 = perturb_noise_l2, emulate_perturb_noise_l2 in "perturb", PerturbParams, 128 shared;
    PerturbKeep = perturb_keep, emulate_perturb_keep in "perturb", PerturbParams, 0 shared;
    PerturbSquare = perturb_square, emulate_perturb_square in "perturb", PerturbParams, 0 shared;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table names the same struct as the kernel's file: `SHARPDIM_KERNEL(threads, name, Params)`.
    #[test]
    fn parameter_structs_are_those_of_the_files() {
        for kernel in Kernel::ALL {
            let path = format!("{}/kernels/{}.cu", env!("CARGO_MANIFEST_DIR"), kernel.file());
            let source = std::fs::read_to_string(&path).unwrap();
            let declared: Vec<[&str; 3]> = source
                .split("SHARPDIM_KERNEL(")
                .skip(1)
                .filter_map(|rest| {
                    let arguments: Vec<_> = rest.split_once(')')?.0.split(", ").collect();
                    arguments.try_into().ok()
                })
                .collect();
            // A macro takes the name of its kernel, or a part of it.
            let by_macro = |name: &str| name == "name" || name.contains("##");
            let found = declared.iter().find(|[_, name, _]| *name == kernel.name());
            let found = found.or_else(|| declared.iter().find(|[_, name, _]| by_macro(name)));
            assert_eq!(found.map(|[_, _, params]| *params), Some(kernel.params()), "{}", kernel.name());
        }
    }
}
