//! The table of all kernels: names, files, and what a launch may ask of them. Each is looked up when a
//! device is opened, so a missing one is an error there and not at its first launch.

/// Types that mirror a kernel's parameter struct byte for byte.
///
/// # Safety
/// `#[repr(C)]`, fixed-width fields, no padding.
pub(crate) unsafe trait Params: Copy {}

macro_rules! kernels {
    ($($variant:ident = $name:ident, $emulated:ident in $file:literal, $params:literal bytes, $shared:literal shared;)*) => {
        /// A kernel.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kernel {
            $($variant,)*
        }

        impl Kernel {
            /// All of them, in the order of their numbers.
            #[cfg(feature = "cuda")]
            pub(crate) const ALL: &[Kernel] = &[$(Kernel::$variant,)*];

            /// Its name in the CUDA source.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Kernel::$variant => stringify!($name),)*
                }
            }

            /// The file of kernels/ that it is in, without ending.
            #[cfg(feature = "cuda")]
            pub(crate) fn file(self) -> &'static str {
                match self {
                    $(Kernel::$variant => $file,)*
                }
            }

            /// Bytes of its parameter struct.
            pub(crate) fn params(self) -> usize {
                match self {
                    $(Kernel::$variant => $params,)*
                }
            }

            /// Dynamic shared memory that a launch may ask for.
            pub(crate) fn most_shared_bytes(self) -> u32 {
                match self {
                    $(Kernel::$variant => $shared,)*
                }
            }

            /// What the emulator calls for one thread.
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
    PrepareU8 = prepare_u8, emulate_prepare_u8 in "pairs", 56 bytes, 64 shared;
    PrepareF32 = prepare_f32, emulate_prepare_f32 in "pairs", 56 bytes, 64 shared;
    PrepareF16 = prepare_f16, emulate_prepare_f16 in "pairs", 56 bytes, 64 shared;
    PrepareBf16 = prepare_bf16, emulate_prepare_bf16 in "pairs", 56 bytes, 64 shared;
    SquaredDistancesF32 = squared_distances_f32, emulate_squared_distances_f32 in "pairs", 40 bytes, 0 shared;
    SquaredDistancesU8 = squared_distances_u8, emulate_squared_distances_u8 in "pairs", 40 bytes, 0 shared;
    SquaredDistancesF16 = squared_distances_f16, emulate_squared_distances_f16 in "pairs", 40 bytes, 0 shared;
    SquaredDistancesBf16 = squared_distances_bf16, emulate_squared_distances_bf16 in "pairs", 40 bytes, 0 shared;
    NeighboursU8L32 = neighbours_u8_32, emulate_neighbours_u8_32 in "neighbours", 144 bytes, 66048 shared;
    NeighboursU8L64 = neighbours_u8_64, emulate_neighbours_u8_64 in "neighbours", 144 bytes, 66048 shared;
    NeighboursU8L128 = neighbours_u8_128, emulate_neighbours_u8_128 in "neighbours", 144 bytes, 66048 shared;
    NeighboursU8L256 = neighbours_u8_256, emulate_neighbours_u8_256 in "neighbours", 144 bytes, 66048 shared;
    NeighboursF32L32 = neighbours_f32_32, emulate_neighbours_f32_32 in "neighbours", 144 bytes, 66048 shared;
    NeighboursF32L64 = neighbours_f32_64, emulate_neighbours_f32_64 in "neighbours", 144 bytes, 66048 shared;
    NeighboursF32L128 = neighbours_f32_128, emulate_neighbours_f32_128 in "neighbours", 144 bytes, 66048 shared;
    NeighboursF32L256 = neighbours_f32_256, emulate_neighbours_f32_256 in "neighbours", 144 bytes, 66048 shared;
    SharpnessU8L32 = sharpness_u8_32, emulate_sharpness_u8_32 in "sharpness", 192 bytes, 66048 shared;
    SharpnessU8L256 = sharpness_u8_256, emulate_sharpness_u8_256 in "sharpness", 192 bytes, 66048 shared;
    SharpnessF32L32 = sharpness_f32_32, emulate_sharpness_f32_32 in "sharpness", 192 bytes, 66048 shared;
    SharpnessF32L256 = sharpness_f32_256, emulate_sharpness_f32_256 in "sharpness", 192 bytes, 66048 shared;
    PairsWithinU8 = pairs_within_u8, emulate_pairs_within_u8 in "pairs_within", 152 bytes, 66048 shared;
    PairsWithinF32 = pairs_within_f32, emulate_pairs_within_f32 in "pairs_within", 152 bytes, 66048 shared;
    RatioQuantilesU8 = ratio_quantiles_u8, emulate_ratio_quantiles_u8 in "ratio_quantiles", 224 bytes, 66048 shared;
    RatioQuantilesF32 = ratio_quantiles_f32, emulate_ratio_quantiles_f32 in "ratio_quantiles", 224 bytes, 66048 shared;
    RatioQuantilesOpenF32 = ratio_quantiles_open_f32, emulate_ratio_quantiles_open_f32 in "ratio_quantiles", 224 bytes, 66048 shared;
    CountsU8 = counts_u8, emulate_counts_u8 in "counts", 208 bytes, 66048 shared;
    CountsF32 = counts_f32, emulate_counts_f32 in "counts", 208 bytes, 66048 shared;
    ResizeU8 = resize_u8, emulate_resize_u8 in "resize", 96 bytes, 0 shared;
    ResizeF32 = resize_f32, emulate_resize_f32 in "resize", 96 bytes, 0 shared;
    ScaleU8 = scale_u8, emulate_scale_u8 in "resize", 32 bytes, 64 shared;
    ScaleU16 = scale_u16, emulate_scale_u16 in "resize", 32 bytes, 64 shared;
    ScaleF32 = scale_f32, emulate_scale_f32 in "resize", 32 bytes, 64 shared;
    Conv2dForwardF32 = conv2d_forward_f32, emulate_conv2d_forward_f32 in "conv2d", 120 bytes, 49152 shared;
    Conv2dForwardF32Wide = conv2d_forward_f32_wide, emulate_conv2d_forward_f32_wide in "conv2d", 120 bytes, 65536 shared;
    Conv2dForwardF32Any = conv2d_forward_f32_any, emulate_conv2d_forward_f32_any in "conv2d", 120 bytes, 24576 shared;
    Conv2dForwardBf16 = conv2d_forward_bf16, emulate_conv2d_forward_bf16 in "conv2d", 120 bytes, 49152 shared;
    Conv2dForwardBf16Wide = conv2d_forward_bf16_wide, emulate_conv2d_forward_bf16_wide in "conv2d", 120 bytes, 65536 shared;
    Conv2dForwardBf16Any = conv2d_forward_bf16_any, emulate_conv2d_forward_bf16_any in "conv2d", 120 bytes, 24576 shared;
    Conv2dInputF32 = conv2d_input_f32, emulate_conv2d_input_f32 in "conv2d", 120 bytes, 49152 shared;
    Conv2dInputF32Wide = conv2d_input_f32_wide, emulate_conv2d_input_f32_wide in "conv2d", 120 bytes, 65536 shared;
    Conv2dInputF32Any = conv2d_input_f32_any, emulate_conv2d_input_f32_any in "conv2d", 120 bytes, 24576 shared;
    Conv2dInputBf16 = conv2d_input_bf16, emulate_conv2d_input_bf16 in "conv2d", 120 bytes, 49152 shared;
    Conv2dInputBf16Wide = conv2d_input_bf16_wide, emulate_conv2d_input_bf16_wide in "conv2d", 120 bytes, 65536 shared;
    Conv2dInputBf16Any = conv2d_input_bf16_any, emulate_conv2d_input_bf16_any in "conv2d", 120 bytes, 24576 shared;
    Conv2dWeightF32 = conv2d_weight_f32, emulate_conv2d_weight_f32 in "conv2d", 120 bytes, 49152 shared;
    Conv2dWeightF32Wide = conv2d_weight_f32_wide, emulate_conv2d_weight_f32_wide in "conv2d", 120 bytes, 65536 shared;
    Conv2dWeightF32Any = conv2d_weight_f32_any, emulate_conv2d_weight_f32_any in "conv2d", 120 bytes, 24576 shared;
    Conv2dWeightBf16 = conv2d_weight_bf16, emulate_conv2d_weight_bf16 in "conv2d", 120 bytes, 49152 shared;
    Conv2dWeightBf16Wide = conv2d_weight_bf16_wide, emulate_conv2d_weight_bf16_wide in "conv2d", 120 bytes, 65536 shared;
    Conv2dWeightBf16Any = conv2d_weight_bf16_any, emulate_conv2d_weight_bf16_any in "conv2d", 120 bytes, 24576 shared;
    Conv2dSumF32 = conv2d_sum_f32, emulate_conv2d_sum_f32 in "conv2d", 48 bytes, 0 shared;
    Conv2dSumBf16 = conv2d_sum_bf16, emulate_conv2d_sum_bf16 in "conv2d", 48 bytes, 0 shared;
    Conv2dBiasF32 = conv2d_bias_f32, emulate_conv2d_bias_f32 in "conv2d", 32 bytes, 0 shared;
    Conv2dBiasBf16 = conv2d_bias_bf16, emulate_conv2d_bias_bf16 in "conv2d", 32 bytes, 0 shared;
}
