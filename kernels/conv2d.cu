// Convolution of NHWC images with KRSC weights, and its gradients, as implicit matrix products: the matrix of patches
// is never stored, and its values are fetched from the image when they are multiplied. With x (n, h, w, c), weights
// (k, r, s, c), y and dy (n, p, q, k), stride S and padding Z, x being 0 outside the image:
//
//   forward  y[n,p,q,k]  = b[k] + sum over r, s, c of x[n, p S - Z + r, q S - Z + s, c] w[k,r,s,c]
//   input    dx[n,h,w,c] = sum over k and those r, s for which h = p S - Z + r and w = q S - Z + s of
//                          dy[n,p,q,k] w[k,r,s,c]
//   weight   dw[k,r,s,c] = sum over n, p, q of dy[n,p,q,k] x[n, p S - Z + r, q S - Z + s, c]
//
//            rows              columns    summed over           left operand      right operand
//   forward  output pixels     k          (r, s, c)             x, along c        w, along (r, s, c)
//   input    input pixels      c          (r, s, k) that hit    dy, along k       w, across, along c
//   weight   k                 (r, s, c)  output pixels         dy, across        x, across
//
// The input's gradient is gathered, so that one block computes a value of dx. With stride S the taps that hit depend only
// on (h + Z) mod S and (w + Z) mod S: pixels are processed by class, of which there are min(S, h) * min(S, w), and a class
// has about kernel^2 / S^2 taps. A class without taps, as with a 1 x 1 kernel, is zeros.
//
// A block owns a tile of one matrix (common/product_tile.cuh), its threads 64 or 32 sums each; grid (classes x tiles
// down x tiles across, splits). Where tiles are too few to fill a GPU, blockIdx.y selects a range of the sum (split-K) and
// writes partial sums, one whole output in floats per split; conv2d_sum then adds these in order. No sum depends on the order
// of blocks.
//
// _wide: tiles of 128 x 128; others have 64 columns (weight: rows), for layers of 64 channels; _any: values fetched one by
// one, where channels are no multiple of 16 bytes or a tensor is not aligned to 16, as for images of 1 or 3 channels.
// Bound: arithmetic; for few rows (a linear layer's batch) the bytes of the weights.
#include "common/activation.cuh"
#include "common/product_tile.cuh"

enum class Pass { Forward, Input, Weight };

// n / d by a multiplication, for n below 2^31. multiplier is 0 for d = 1. Mirrored in src/ops/conv2d/cuda.rs.
struct Divisor {
    uint32_t multiplier, shift;
};

__device__ __forceinline__ uint32_t divided(uint32_t n, Divisor by) {
    return by.multiplier ? __umulhi(n, by.multiplier) >> by.shift : n;
}

// Mirrored in src/ops/conv2d/cuda.rs.
struct Conv2dParams {
    uint64_t left;   // x or dy
    uint64_t right;  // w or x
    uint64_t bias;   // floats, or 0
    uint64_t out;    // y or dx in the operands' type, dw in floats; or splits x output in floats
    uint32_t batch, height, width, channels;      // of x
    uint32_t out_height, out_width, filters;      // of y
    uint32_t kernel, stride, padding;
    uint32_t tiles_down, tiles_across;            // of a class
    uint32_t splits;
    uint32_t whole;  // 1: the left operand is read in chunks of 16 bytes; 2: the right one
    Activation activation;  // applied to sums
    uint32_t add;    // 1: accumulate into the output
    // forward: channels, kernel, -; input: filters, taps along an axis at least and at most; weight: out_width,
    // out_height, -.
    Divisor inner, outer, outer_more;
};
static_assert(sizeof(Conv2dParams) == 120 && offsetof(Conv2dParams, batch) == 32);
static_assert(offsetof(Conv2dParams, inner) == 96);

// ---- the product's extents ------------------------------------------------------------------------------------------

// The tile and class of a block.
struct Work {
    uint32_t rows, columns, depth;
    uint32_t row, column;  // the first ones of the tile
    // For the input's gradient: the class, the extents of its pixels, and its first taps and their number.
    uint32_t row_class, column_class, high, wide, first_row_tap, first_column_tap, row_taps, column_taps;
};

template <Pass PASS>
__device__ __forceinline__ Work work_of(const Conv2dParams& p, uint32_t lines_down, uint32_t lines_across) {
    Work work{};
    uint32_t tile = blockIdx.x;
    // Adjacent blocks share rows: the images' side, which is the longer.
    work.column = tile % p.tiles_across * lines_across, tile /= p.tiles_across;
    work.row = tile % p.tiles_down * lines_down, tile /= p.tiles_down;
    uint32_t patch = p.kernel * p.kernel * p.channels;
    if constexpr (PASS == Pass::Forward) {
        work.rows = p.batch * p.out_height * p.out_width, work.columns = p.filters, work.depth = patch;
    } else if constexpr (PASS == Pass::Weight) {
        work.rows = p.filters, work.columns = patch, work.depth = p.batch * p.out_height * p.out_width;
    } else {
        uint32_t stride = p.stride, classes_across = stride < p.width ? stride : p.width;
        work.row_class = tile / classes_across, work.column_class = tile % classes_across;
        work.high = (p.height - work.row_class + stride - 1) / stride;
        work.wide = (p.width - work.column_class + stride - 1) / stride;
        work.first_row_tap = (work.row_class + p.padding) % stride;
        work.first_column_tap = (work.column_class + p.padding) % stride;
        work.row_taps = p.kernel / stride + (work.first_row_tap < p.kernel % stride);
        work.column_taps = p.kernel / stride + (work.first_column_tap < p.kernel % stride);
        work.rows = p.batch * work.high * work.wide, work.columns = p.channels;
        work.depth = work.row_taps * work.column_taps * p.filters;
    }
    return work;
}

// ---- sources: where a matrix's values lie in the tensors -------- ----------------------------------------------------
// Offsets are below 2^31; intermediate sums may wrap around.

// Rows of patches, along the channels: of x for the output, or of dy for the input's gradient, where taps go backwards.
template <class T, class Side, bool BACK> struct Patches {
    const T* values;
    bool whole;
    int height, width, channels;  // of the tensor that is gathered from
    uint32_t depth, across;       // taps of a row
    Divisor by_channels, by_across;
    uint32_t base[Side::CHUNKS];  // of the first tap, at channel 0
    int row[Side::CHUNKS], column[Side::CHUNKS];
    uint32_t at;  // of the step: the first d of this thread's chunks, its tap and channel
    int tap_row, tap_column, channel;

    __device__ __forceinline__ Patches(const Conv2dParams& p, const Work& work) {
        values = ::at<const T>(p.left), whole = p.whole & 1;
        depth = work.depth, by_channels = p.inner;
        if constexpr (BACK) {
            height = int(p.out_height), width = int(p.out_width), channels = int(p.filters);
            across = work.column_taps;
            by_across = work.column_taps > p.kernel / p.stride ? p.outer_more : p.outer;
        } else {
            height = int(p.height), width = int(p.width), channels = int(p.channels);
            across = p.kernel, by_across = p.outer;
        }
        uint32_t high = BACK ? work.high : p.out_height, wide = BACK ? work.wide : p.out_width;
#pragma unroll
        for (int i = 0; i < Side::CHUNKS; i++) {
            uint32_t pixel = work.row + uint32_t(Side::line(i));
            uint32_t image = pixel / (high * wide), y = pixel / wide % high, x = pixel % wide;
            if constexpr (BACK) {
                // h + Z - r over S, for h = y S + class and the first r that divides.
                row[i] = int(y + (work.row_class + p.padding) / p.stride);
                column[i] = int(x + (work.column_class + p.padding) / p.stride);
            } else {
                row[i] = int(y * p.stride) - int(p.padding);
                column[i] = int(x * p.stride) - int(p.padding);
            }
            base[i] = ((image * uint32_t(height) + uint32_t(row[i])) * uint32_t(width) + uint32_t(column[i])) *
                      uint32_t(channels);
            if (pixel >= work.rows) row[i] = INT_MIN / 2;  // outside the image, whatever the tap
        }
    }

    __device__ __forceinline__ uint32_t offset_of(int i, int r, int s, int c) const {
        if (BACK) r = -r, s = -s;
        bool inside = uint32_t(row[i] + r) < uint32_t(height) && uint32_t(column[i] + s) < uint32_t(width);
        return inside ? base[i] + uint32_t((r * width + s) * channels + c) : NOWHERE;
    }
    __device__ __forceinline__ void step(uint32_t d) {
        at = d + uint32_t(Side::depth(0));
        uint32_t tap = divided(at, by_channels);
        channel = int(at - tap * uint32_t(channels));
        tap_row = int(divided(tap, by_across));
        tap_column = int(tap - uint32_t(tap_row) * across);
    }
    __device__ __forceinline__ uint32_t offset(int i) const {
        return at < depth ? offset_of(i, tap_row, tap_column, channel) : NOWHERE;
    }
    template <class Put> __device__ __forceinline__ void each(int i, Put put) const {
        int r = tap_row, s = tap_column, c = channel;
#pragma unroll
        for (int e = 0; e < CHUNK<T>; e++) {
            put(e, at + uint32_t(e) < depth ? offset_of(i, r, s, c) : NOWHERE);
            if (++c == channels) {
                c = 0;
                if (++s == int(across)) s = 0, r++;
            }
        }
    }
};

// Contiguous lines, each along d: the weights for the output.
template <class T, class Side> struct Lines {
    const T* values;
    bool whole;
    uint32_t depth;
    uint32_t base[Side::CHUNKS];
    bool there[Side::CHUNKS];
    uint32_t at;

    __device__ __forceinline__ Lines(const Conv2dParams& p, const Work& work) {
        values = ::at<const T>(p.right), whole = p.whole & 2;
        depth = work.depth;
#pragma unroll
        for (int i = 0; i < Side::CHUNKS; i++) {
            uint32_t line = work.column + uint32_t(Side::line(i));
            there[i] = line < work.columns;
            base[i] = line * depth;
        }
    }
    __device__ __forceinline__ void step(uint32_t d) { at = d + uint32_t(Side::depth(0)); }
    __device__ __forceinline__ uint32_t offset(int i) const { return there[i] && at < depth ? base[i] + at : NOWHERE; }
    template <class Put> __device__ __forceinline__ void each(int i, Put put) const {
#pragma unroll
        for (int e = 0; e < CHUNK<T>; e++)
            put(e, there[i] && at + uint32_t(e) < depth ? base[i] + at + uint32_t(e) : NOWHERE);
    }
};

// The weights for the input's gradient: d is (tap, k), and a line is a channel, the fastest extent.
template <class T, class Side> struct Taps {
    const T* values;
    bool whole;
    uint32_t depth, columns, column, filters, channels, kernel, stride, across, first_row_tap, first_column_tap;
    Divisor by_filters, by_across;
    uint32_t at;

    __device__ __forceinline__ Taps(const Conv2dParams& p, const Work& work) {
        values = ::at<const T>(p.right), whole = p.whole & 2;
        depth = work.depth, columns = work.columns, column = work.column + uint32_t(Side::line(0));
        filters = p.filters, channels = p.channels, kernel = p.kernel, stride = p.stride, across = work.column_taps;
        first_row_tap = work.first_row_tap, first_column_tap = work.first_column_tap;
        by_filters = p.inner;
        by_across = work.column_taps > p.kernel / p.stride ? p.outer_more : p.outer;
    }
    __device__ __forceinline__ void step(uint32_t d) { at = d; }
    __device__ __forceinline__ uint32_t offset(int i) const {
        uint32_t d = at + uint32_t(Side::depth(i));
        if (d >= depth || column >= columns) return NOWHERE;
        uint32_t tap = divided(d, by_filters), k = d - tap * filters;
        uint32_t j = divided(tap, by_across), r = first_row_tap + j * stride;
        uint32_t s = first_column_tap + (tap - j * across) * stride;
        return ((k * kernel + r) * kernel + s) * channels + column;
    }
    template <class Put> __device__ __forceinline__ void each(int i, Put put) const {
        uint32_t first = offset(i);
#pragma unroll
        for (int e = 0; e < CHUNK<T>; e++)
            put(e, first != NOWHERE && column + uint32_t(e) < columns ? first + uint32_t(e) : NOWHERE);
    }
};

// The output's gradient for the weights: d is an output pixel, and a line is a filter, the fastest extent.
template <class T, class Side> struct Pixels {
    const T* values;
    bool whole;
    uint32_t depth, filters, filter, at;

    __device__ __forceinline__ Pixels(const Conv2dParams& p, const Work& work) {
        values = ::at<const T>(p.left), whole = p.whole & 1;
        depth = work.depth, filters = work.rows, filter = work.row + uint32_t(Side::line(0));
    }
    __device__ __forceinline__ void step(uint32_t d) { at = d; }
    __device__ __forceinline__ uint32_t offset(int i) const {
        uint32_t pixel = at + uint32_t(Side::depth(i));
        return pixel < depth && filter < filters ? pixel * filters + filter : NOWHERE;
    }
    template <class Put> __device__ __forceinline__ void each(int i, Put put) const {
        uint32_t first = offset(i);
#pragma unroll
        for (int e = 0; e < CHUNK<T>; e++)
            put(e, first != NOWHERE && filter + uint32_t(e) < filters ? first + uint32_t(e) : NOWHERE);
    }
};

// Patches of x for the weights: d is an output pixel, and a line is a tap and channel, fixed per thread.
template <class T, class Side> struct Columns {
    const T* values;
    bool whole;
    int height, width, channels, kernel, stride, padding;
    uint32_t depth, columns, column, out_height, out_width;
    Divisor by_width, by_height;
    int tap_row, tap_column, channel;
    uint32_t at;

    __device__ __forceinline__ Columns(const Conv2dParams& p, const Work& work) {
        values = ::at<const T>(p.right), whole = p.whole & 2;
        height = int(p.height), width = int(p.width), channels = int(p.channels);
        kernel = int(p.kernel), stride = int(p.stride), padding = int(p.padding);
        depth = work.depth, columns = work.columns, column = work.column + uint32_t(Side::line(0));
        out_height = p.out_height, out_width = p.out_width;
        by_width = p.inner, by_height = p.outer;
        uint32_t tap = column / p.channels;
        channel = int(column % p.channels), tap_row = int(tap / p.kernel), tap_column = int(tap % p.kernel);
    }
    __device__ __forceinline__ void step(uint32_t d) { at = d; }
    template <class Put> __device__ __forceinline__ void visit(int i, int count, Put put) const {
        uint32_t pixel = at + uint32_t(Side::depth(i));
        uint32_t line = divided(pixel, by_width), image = divided(line, by_height);
        int row = int(line - image * out_height) * stride - padding;
        int col = int(pixel - line * out_width) * stride - padding;
        uint32_t first = (image * uint32_t(height) + uint32_t(row)) * uint32_t(width) + uint32_t(col);
        uint32_t base = first * uint32_t(channels);
        int r = tap_row, s = tap_column, c = channel;
#pragma unroll
        for (int e = 0; e < count; e++) {
            bool inside = pixel < depth && column + uint32_t(e) < columns && uint32_t(row + r) < uint32_t(height) &&
                          uint32_t(col + s) < uint32_t(width);
            put(e, inside ? base + uint32_t((r * width + s) * channels + c) : NOWHERE);
            if (++c == channels) {
                c = 0;
                if (++s == kernel) s = 0, r++;
            }
        }
    }
    __device__ __forceinline__ uint32_t offset(int i) const {
        uint32_t found = NOWHERE;
        visit(i, 1, [&](int, uint32_t offset) { found = offset; });
        return found;
    }
    template <class Put> __device__ __forceinline__ void each(int i, Put put) const { visit(i, CHUNK<T>, put); }
};

// The sources of a pass.
template <Pass PASS, class T, int ROWS, int COLS> struct Operands;
template <class T, int ROWS, int COLS> struct Operands<Pass::Forward, T, ROWS, COLS> {
    using LeftSide = Side<T, ROWS, true>;
    using RightSide = Side<T, COLS, true>;
    using Left = Patches<T, LeftSide, false>;
    using Right = Lines<T, RightSide>;
};
template <class T, int ROWS, int COLS> struct Operands<Pass::Input, T, ROWS, COLS> {
    using LeftSide = Side<T, ROWS, true>;
    using RightSide = Side<T, COLS, false>;
    using Left = Patches<T, LeftSide, true>;
    using Right = Taps<T, RightSide>;
};
template <class T, int ROWS, int COLS> struct Operands<Pass::Weight, T, ROWS, COLS> {
    using LeftSide = Side<T, ROWS, false>;
    using RightSide = Side<T, COLS, false>;
    using Left = Pixels<T, LeftSide>;
    using Right = Columns<T, RightSide>;
};

// ---- epilogue: writing sums -----------------------------------------------------------------------------------------

__device__ __forceinline__ float as_float(float v) { return v; }
__device__ __forceinline__ float as_float(__nv_bfloat16 v) { return __bfloat162float(v); }
__device__ __forceinline__ void put(float* to, float v) { *to = v; }
__device__ __forceinline__ void put(__nv_bfloat16* to, float v) { *to = __float2bfloat16_rn(v); }

// Consecutive values, at an address aligned for such a group.
template <int RUN> __device__ __forceinline__ void put_run(float* to, const float (&v)[RUN]) {
    if constexpr (RUN == 4) *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
    else *reinterpret_cast<float2*>(to) = make_float2(v[0], v[1]);
}
template <int RUN> __device__ __forceinline__ void put_run(__nv_bfloat16* to, const float (&v)[RUN]) {
    static_assert(RUN == 2);
    *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(v[0], v[1]);
}

// Writes a thread's sums to `out`, which has `columns` per row; `finished` ones after the epilogue.
template <Pass PASS, class Tile, class Out>
__device__ __forceinline__ void write(const Conv2dParams& p, const Work& work, Tile& tile, Out* out, bool finished) {
    constexpr int RUN = Tile::RUN;
    bool runs = work.columns % RUN == 0 && reinterpret_cast<uintptr_t>(out) % (RUN * sizeof(Out)) == 0;
    const float* bias = finished && p.bias ? at<const float>(p.bias) : nullptr;
    Activation activation = finished ? p.activation : Activation::Identity;
    bool add = finished && p.add;
#pragma unroll
    for (int i = 0; i < Tile::I; i++) {
        uint32_t row = work.row + uint32_t(Tile::row_of(i));
        if (row >= work.rows) continue;
        if constexpr (PASS == Pass::Input) {
            uint32_t line = row / work.wide, image = line / work.high;
            uint32_t y = (line - image * work.high) * p.stride + work.row_class;
            uint32_t x = (row - line * work.wide) * p.stride + work.column_class;
            row = (image * p.height + y) * p.width + x;
        }
        Out* start = out + size_t(row) * work.columns;
#pragma unroll
        for (int j = 0; j < 8; j += RUN) {
            uint32_t column = work.column + uint32_t(Tile::col_of(j));
            float v[RUN];
#pragma unroll
            for (int e = 0; e < RUN; e++) {
                v[e] = tile.value(i, j + e);
                if (column + uint32_t(e) >= work.columns) continue;
                if (bias) v[e] += bias[column + uint32_t(e)];
                if (add) v[e] += as_float(start[column + uint32_t(e)]);
                v[e] = activated(activation, v[e]);
            }
            if (runs) {
                if (column < work.columns) put_run<RUN>(start + column, v);
            } else {
#pragma unroll
                for (int e = 0; e < RUN; e++)
                    if (column + uint32_t(e) < work.columns) put(start + column + e, v[e]);
            }
        }
    }
}

template <Pass PASS, class T, int ROWS, int COLS, bool COPIED>
__device__ __forceinline__ void conv2d(const Conv2dParams& p, unsigned char* shared) {
    using Ops = Operands<PASS, T, ROWS, COLS>;
    using Tile = ProductTile<T, typename Ops::LeftSide, typename Ops::RightSide, COPIED>;
    Work work = work_of<PASS>(p, ROWS, COLS);
    if (work.row >= work.rows) return;  // classes differ in pixels
    typename Ops::Left left(p, work);
    typename Ops::Right right(p, work);
    uint32_t steps = (work.depth + STEP<T> - 1) / STEP<T>;
    uint32_t first = uint32_t(uint64_t(steps) * blockIdx.y / p.splits);
    uint32_t last = uint32_t(uint64_t(steps) * (blockIdx.y + 1) / p.splits);
    Tile tile;
    tile.run(left, right, first, last, shared);
    if (p.splits > 1) {
        size_t size = PASS == Pass::Forward ? size_t(work.rows) * work.columns
                      : PASS == Pass::Input ? size_t(p.batch) * p.height * p.width * work.columns
                                            : size_t(work.rows) * work.columns;
        write<PASS>(p, work, tile, at<float>(p.out) + blockIdx.y * size, false);
    } else if constexpr (PASS == Pass::Weight) {
        write<PASS>(p, work, tile, at<float>(p.out), true);
    } else {
        write<PASS>(p, work, tile, at<T>(p.out), true);
    }
}

#define CONV2D(name, PASS, T, ROWS, COLS, COPIED)                                                                      \
    SHARPDIM_KERNEL(256, name, Conv2dParams) {                                                                         \
        SHARPDIM_DYNAMIC_SHARED(shared);                                                                               \
        conv2d<Pass::PASS, T, ROWS, COLS, COPIED>(p, shared);                                                          \
    }

CONV2D(conv2d_forward_f32, Forward, float, 128, 64, true)
CONV2D(conv2d_forward_f32_wide, Forward, float, 128, 128, true)
CONV2D(conv2d_forward_f32_any, Forward, float, 128, 64, false)
CONV2D(conv2d_forward_bf16, Forward, __nv_bfloat16, 128, 64, true)
CONV2D(conv2d_forward_bf16_wide, Forward, __nv_bfloat16, 128, 128, true)
CONV2D(conv2d_forward_bf16_any, Forward, __nv_bfloat16, 128, 64, false)
CONV2D(conv2d_input_f32, Input, float, 128, 64, true)
CONV2D(conv2d_input_f32_wide, Input, float, 128, 128, true)
CONV2D(conv2d_input_f32_any, Input, float, 128, 64, false)
CONV2D(conv2d_input_bf16, Input, __nv_bfloat16, 128, 64, true)
CONV2D(conv2d_input_bf16_wide, Input, __nv_bfloat16, 128, 128, true)
CONV2D(conv2d_input_bf16_any, Input, __nv_bfloat16, 128, 64, false)
CONV2D(conv2d_weight_f32, Weight, float, 64, 128, true)
CONV2D(conv2d_weight_f32_wide, Weight, float, 128, 128, true)
CONV2D(conv2d_weight_f32_any, Weight, float, 64, 128, false)
CONV2D(conv2d_weight_bf16, Weight, __nv_bfloat16, 64, 128, true)
CONV2D(conv2d_weight_bf16_wide, Weight, __nv_bfloat16, 128, 128, true)
CONV2D(conv2d_weight_bf16_any, Weight, __nv_bfloat16, 64, 128, false)

// ---- sums of splits -------------------------------------------------------------------------------------------------

// Mirrored in src/ops/conv2d/cuda.rs.
struct Conv2dSumParams {
    uint64_t partial;  // splits x len floats
    uint64_t bias;     // floats, `channels` of them, or 0
    uint64_t out;      // len values
    uint32_t len;
    uint32_t channels;
    uint32_t splits;
    Activation activation;
    uint32_t add;
    uint32_t unused;
};
static_assert(sizeof(Conv2dSumParams) == 48 && offsetof(Conv2dSumParams, len) == 24);

// out[i] = the sum of all splits' i, in order, with bias, accumulation into the output, and activation. One thread per
// value, grid (ceil(len / 256)). Bound: bytes.
template <class T> __device__ __forceinline__ void sum_of_splits(const Conv2dSumParams& p) {
    size_t i = size_t(blockIdx.x) * 256 + threadIdx.x;
    if (i >= p.len) return;
    const float* partial = at<const float>(p.partial) + i;
    float sum = 0;
    for (uint32_t split = 0; split < p.splits; split++) sum += partial[split * size_t(p.len)];
    if (p.bias) sum += at<const float>(p.bias)[i % p.channels];
    T* out = at<T>(p.out) + i;
    if (p.add) sum += as_float(*out);
    put(out, activated(p.activation, sum));
}

SHARPDIM_KERNEL(256, conv2d_sum_f32, Conv2dSumParams) { sum_of_splits<float>(p); }
SHARPDIM_KERNEL(256, conv2d_sum_bf16, Conv2dSumParams) { sum_of_splits<__nv_bfloat16>(p); }

// ---- the bias' gradient ---------------------------------------------------------------------------------------------

// Mirrored in src/ops/conv2d/cuda.rs.
struct Conv2dBiasParams {
    uint64_t dy;       // pixels x filters values
    uint64_t partial;  // parts x filters floats
    uint32_t pixels;
    uint32_t filters;
    uint32_t parts;
    uint32_t unused;
};
static_assert(sizeof(Conv2dBiasParams) == 32 && offsetof(Conv2dBiasParams, pixels) == 16);

// Partial sums of dy, each over one part of the pixels; conv2d_sum_f32 adds the parts. One block per 32 filters and part,
// grid (ceil(filters / 32), parts); 8 warps share the part's pixels, one lane per filter. Bound: bytes of dy.
template <class T> __device__ __forceinline__ void sum_of_pixels(const Conv2dBiasParams& p) {
    __shared__ float sums[8][32];
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, filter = blockIdx.x * 32 + lane;
    uint32_t first = uint32_t(uint64_t(p.pixels) * blockIdx.y / p.parts);
    uint32_t last = uint32_t(uint64_t(p.pixels) * (blockIdx.y + 1) / p.parts);
    float sum = 0;
    if (filter < p.filters) {
        const T* dy = at<const T>(p.dy) + filter;
        for (uint32_t pixel = first + warp; pixel < last; pixel += 8) sum += as_float(dy[size_t(pixel) * p.filters]);
    }
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp != 0 || filter >= p.filters) return;
    for (int other = 1; other < 8; other++) sum += sums[other][lane];
    at<float>(p.partial)[size_t(blockIdx.y) * p.filters + filter] = sum;
}

SHARPDIM_KERNEL(256, conv2d_bias_f32, Conv2dBiasParams) { sum_of_pixels<float>(p); }
SHARPDIM_KERNEL(256, conv2d_bias_bf16, Conv2dBiasParams) { sum_of_pixels<__nv_bfloat16>(p); }
