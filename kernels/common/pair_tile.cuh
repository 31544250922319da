// Inner products of 128 rows with 128 rows on the tensor cores, shared by all pair kernels.
// Operands are rows of bytes from the prepare kernels of pairs.cu; the Policy defines their products.
//
// Layout: a row is `steps` groups of 64 bytes. For 8-bit data a group is 64 values; for floats it is 16
// values split into two bfloat16 each: 16 high parts, then 16 low parts. Both use the same pipeline, since a
// tensor-core fragment of 32 bytes per row has the same byte layout for either type.
//
// A block of 256 threads (8 warps, 2 x 4) owns a tile; a warp owns 64 x 32 of it, a thread 64 sums. Rows
// are copied by cp.async through 4 stages of 16 KiB, swizzled so that ldmatrix has no bank conflicts.
// blockIdx.y selects a range of the groups (split-K): the paper's N <= 1750 rows of 150 528 values make few
// tiles and long sums. Sums go to global memory even with a single split, so that selection has all
// registers. The block that arrives last adds the splits in order, so that the result does not depend on
// which block it is.
// Bound: arithmetic of mma.sync once a few hundred blocks run; before that, latency of the loads.
#pragma once

#include "cuda.cuh"
#include "ptx.cuh"

constexpr int TILE = 128;
constexpr int STEP_BYTES = 64;
constexpr int STAGES = 4;
constexpr int THREADS = 256;
constexpr int SUMS = 64;  // of a thread
constexpr int STAGE_BYTES = 2 * TILE * STEP_BYTES;
// Half a tile of values as doubles, with row stride 129, for selection; it reuses the pipeline's memory.
constexpr int HALF = TILE / 2;
constexpr int VALUE_STRIDE = TILE + 1;

// Parameters of every pair kernel. Mirrored in src/ops/pairs/cuda.rs.
struct PairParams {
    uint64_t left;       // prepared rows of the row side: left_rows x steps x 64 bytes
    uint64_t right;      // of the column side
    uint64_t left_term;  // double per row: |x|^2
    uint64_t right_term;
    uint64_t left_norm;  // double per row: what a value's error bound is made of; unused for 8-bit data
    uint64_t right_norm;
    uint64_t tiles;      // uint2 per tile: its row block and its column block
    uint64_t partial;    // sums, 64 KiB for each tile and split
    uint64_t arrived;    // uint32 per tile, 0; null where an earlier launch for the same tiles has left the sums
    uint32_t left_rows;
    uint32_t right_rows;
    uint32_t left_first;   // index of the first row among all samples
    uint32_t right_first;
    uint32_t steps;
    uint32_t splits;
    double eta;            // a value is off by at most eta (norm_i + norm_j)^2; 0 for 8-bit data
    double near;           // of near (norm_i + norm_j)^2 or less it is not accurate enough for a mean; 0 for 8-bit data
    uint32_t diagonal;     // 1 where both sides are the same rows
    uint32_t between;      // 1 where rows are queries, and columns the reference samples that only they ask about
};
static_assert(sizeof(PairParams) == 120 && offsetof(PairParams, left_rows) == 72 && offsetof(PairParams, eta) == 96);

// 8-bit values: exact. A split has at most 32 768 of them, so that int32 holds its sums.
struct Bytes {
    using Sum = int32_t;
    using Total = int64_t;
    static __device__ __forceinline__ void step(Sum sum[4], const uint32_t a[2][4], const uint32_t b[2][2]) {
        mma_m16n8k32_u8(sum, a[0], b[0]);
        mma_m16n8k32_u8(sum, a[1], b[1]);
    }
};

// Floats as high + low bfloat16: three of the four products, without low * low.
struct SplitFloats {
    using Sum = float;
    using Total = double;
    static __device__ __forceinline__ void step(Sum sum[4], const uint32_t a[2][4], const uint32_t b[2][2]) {
        mma_m16n8k16_bf16(sum, a[0], b[0]);
        mma_m16n8k16_bf16(sum, a[0], b[1]);
        mma_m16n8k16_bf16(sum, a[1], b[0]);
    }
};

// The offset of 16 bytes of a row in a stage: rows of 64 bytes, whose four chunks are permuted from row pair
// to row pair, so that 8 rows' chunks of one column fall into 8 different bank groups.
__device__ __forceinline__ int swizzled(int row, int chunk) {
    return row * STEP_BYTES + ((chunk ^ ((row >> 1) & 3)) << 4);
}

// Two samples of a tile.
struct TilePair {
    uint32_t j;      // row of the column side
    uint32_t other;  // its index among all samples
    bool valid;      // such a row exists, and the row side's sample is the lower: a pair is valid in one place only
    double value;
};

// A row of a tile whose values are in shared memory.
struct TileRow {
    const double* value;  // of each column
    uint32_t i;           // row of the row side
    uint32_t sample;      // its index among all samples
    uint32_t first_col;

    __device__ __forceinline__ TilePair pair(const PairParams& p, int c) const {
        uint32_t j = first_col + uint32_t(c), other = p.right_first + j;
        return {j, other, j < p.right_rows && sample < other, value[c]};
    }
};

// A tile being computed; its sums are in registers.
template <class Policy> struct PairTile {
    using Sum = typename Policy::Sum;
    Sum sum[4][4][4];  // [16 rows][8 columns][fragment]
    int row_block, col_block;

    // Row and column within the tile of sum [m][n][e] of thread t.
    static __device__ __forceinline__ int row_of(int t, int m, int e) {
        return t / 128 * 64 + m * 16 + t % 32 / 4 + e / 2 * 8;
    }
    static __device__ __forceinline__ int col_of(int t, int n, int e) {
        return t / 32 % 4 * 32 + n * 8 + t % 4 * 2 + e % 2;
    }

    // Copies step `step` of both sides into its stage: 1024 chunks of 16 bytes, 4 per thread.
    __device__ __forceinline__ void load(const PairParams& p, unsigned char* shared, uint32_t step) const {
        unsigned char* stage = shared + (step % STAGES) * STAGE_BYTES;
        for (int i = 0; i < 4; i++) {
            int chunk = i * THREADS + int(threadIdx.x);
            int side = chunk / (TILE * 4), row = chunk / 4 % TILE;
            uint32_t index = uint32_t((side ? col_block : row_block) * TILE + row);
            bool exists = index < (side ? p.right_rows : p.left_rows);
            const unsigned char* rows = at<const unsigned char>(side ? p.right : p.left);
            // Rows past the end are filled with zeros; their source is any valid address, the first row's.
            size_t from = exists ? (size_t(index) * p.steps + step) * STEP_BYTES + size_t(chunk % 4) * 16 : 0;
            cp_async_16(stage + side * TILE * STEP_BYTES + swizzled(row, chunk % 4), rows + from, exists ? 16 : 0);
        }
    }

    __device__ __forceinline__ void multiply(const unsigned char* stage) {
        int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
        uint32_t a[4][2][4], b[4][2][2];
        // A fragment of 16 rows and 32 bytes is four 8 x 16-byte matrices: rows 0-7 and 8-15 of the first
        // 16 bytes, then of the second.
#pragma unroll
        for (int m = 0; m < 4; m++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int row = (warp / 4) * 64 + m * 16 + lane % 16;
                ldmatrix_x4(a[m][half], stage + swizzled(row, half * 2 + lane / 16));
            }
        // Two fragments of 8 columns at a time: columns 0-7 first and second 16 bytes, then columns 8-15.
#pragma unroll
        for (int n = 0; n < 4; n += 2)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int col = (warp % 4) * 32 + n * 8 + lane % 8 + (lane / 16) * 8;
                uint32_t four[4];
                ldmatrix_x4(four, stage + TILE * STEP_BYTES + swizzled(col, half * 2 + lane / 8 % 2));
                b[n][half][0] = four[0], b[n][half][1] = four[1];
                b[n + 1][half][0] = four[2], b[n + 1][half][1] = four[3];
            }
#pragma unroll
        for (int m = 0; m < 4; m++)
#pragma unroll
            for (int n = 0; n < 4; n++) Policy::step(sum[m][n], a[m], b[n]);
    }

    // Multiplies this block's share of the steps. True for the block that continues with the tile,
    // the last to arrive.
    __device__ __forceinline__ bool run(const PairParams& p, unsigned char* shared) {
        uint2 tile = at<const uint2>(p.tiles)[blockIdx.x];
        row_block = int(tile.x), col_block = int(tile.y);
        if (p.arrived == 0) return blockIdx.y == 0;
        uint32_t first = uint32_t(uint64_t(p.steps) * blockIdx.y / p.splits);
        uint32_t last = uint32_t(uint64_t(p.steps) * (blockIdx.y + 1) / p.splits);
#pragma unroll
        for (int i = 0; i < SUMS; i++) sum[i / 16][i / 4 % 4][i % 4] = 0;
        for (uint32_t step = first; step < first + STAGES - 1; step++) {
            if (step < last) load(p, shared, step);
            cp_async_commit();
        }
        for (uint32_t step = first; step < last; step++) {
            // This step's loads are all but the latest STAGES - 2 groups; the barrier makes all threads'
            // loads visible, and ensures that all have read the stage that is loaded next.
            cp_async_wait<STAGES - 2>();
            __syncthreads();
            if (step + STAGES - 1 < last) load(p, shared, step + STAGES - 1);
            cp_async_commit();
            multiply(shared + (step % STAGES) * STAGE_BYTES);
        }
        cp_async_wait<0>();
        __syncthreads();

        // Sum i of thread t is at i * 256 + t, so that writes are coalesced.
        Sum* partial = at<Sum>(p.partial) + (size_t(blockIdx.x) * p.splits + blockIdx.y) * TILE * TILE;
#pragma unroll
        for (int i = 0; i < SUMS; i++) partial[i * THREADS + threadIdx.x] = sum[i / 16][i / 4 % 4][i % 4];
        __threadfence();
        __syncthreads();
        unsigned* ticket = reinterpret_cast<unsigned*>(shared);
        if (threadIdx.x == 0) *ticket = atomicAdd(at<unsigned>(p.arrived) + blockIdx.x, 1u);
        __syncthreads();
        bool last_here = *ticket == p.splits - 1;
        __syncthreads();
        if (last_here) __threadfence();
        return last_here;
    }

    // Writes the values (squared distances, for floats with errors up to eta (norm_i + norm_j)^2) of rows
    // 64 `half` .. + 64 of the tile into shared memory; NaN for rows and columns past the end.
    __device__ __forceinline__ void values(const PairParams& p, int half, double* value) const {
        const Sum* partial = at<const Sum>(p.partial) + size_t(blockIdx.x) * p.splits * TILE * TILE;
        for (int k = int(threadIdx.x); k < HALF * TILE; k += THREADS) {
            // Sum i of thread t, of the 128 threads that own this half.
            int i = k / (THREADS / 2), t = half * (THREADS / 2) + k % (THREADS / 2);
            typename Policy::Total total = 0;
            // Written by other blocks meanwhile: volatile, so that no stale line of the L1 cache is
            // read.
            for (uint32_t s = 0; s < p.splits; s++)
                total += static_cast<const volatile Sum*>(partial)[size_t(s) * TILE * TILE + i * THREADS + t];
            int r = row_of(t, i / 16, i % 4), c = col_of(t, i / 4 % 4, i % 4);
            uint32_t row = uint32_t(row_block * TILE + r), col = uint32_t(col_block * TILE + c);
            double v = __longlong_as_double(0x7FF8000000000000ll);
            if (row < p.left_rows && col < p.right_rows)
                v = at<const double>(p.left_term)[row] + at<const double>(p.right_term)[col] - 2.0 * double(total);
            value[(r - half * HALF) * VALUE_STRIDE + c] = v;
        }
    }

    // Writes the values to shared memory half a tile at a time, and calls visit(TileRow) for each row, by one warp.
    template <class Visit>
    __device__ __forceinline__ void for_each_row(const PairParams& p, unsigned char* shared, Visit visit) const {
        double* value = reinterpret_cast<double*>(shared);
        for (int half = 0; half < 2; half++) {
            values(p, half, value);
            __syncthreads();
            for (int r = int(threadIdx.x) / 32; r < HALF; r += THREADS / 32) {
                uint32_t i = uint32_t(row_block * TILE + half * HALF + r);
                if (i >= p.left_rows) break;
                visit(TileRow{value + r * VALUE_STRIDE, i, p.left_first + i, uint32_t(col_block * TILE)});
            }
            __syncthreads();
        }
    }

    // Whether this tile's rows and columns are the same samples.
    __device__ __forceinline__ bool on_diagonal(const PairParams& p) const {
        return p.diagonal && row_block == col_block;
    }
};

// A list of pairs, appended to by blocks in any order. Mirrored in src/ops/pairs/cuda.rs.
struct PairList {
    uint64_t pairs;   // uint2, capacity: lower sample, higher sample
    uint64_t values;  // double, capacity; null where pairs alone are kept
    uint64_t count;   // uint32: how many were appended, also where they do not fit
    uint64_t capacity;
};
static_assert(sizeof(PairList) == 32);

__device__ __forceinline__ void append(const PairList& list, uint32_t i, uint32_t j, double value = 0.0) {
    unsigned place = atomicAdd(at<unsigned>(list.count), 1u);
    if (place >= list.capacity) return;
    at<uint2>(list.pairs)[place] = make_uint2(i, j);
    if (list.values) at<double>(list.values)[place] = value;
}

// norm_i + norm_j, which bounds a value's error; 0 for 8-bit data, whose values are exact.
__device__ __forceinline__ double norms(const PairParams& p, uint32_t i, uint32_t j) {
    return p.eta == 0.0 ? 0.0 : at<const double>(p.left_norm)[i] + at<const double>(p.right_norm)[j];
}

// The error bound of a value as a squared distance.
__device__ __forceinline__ double slack(const PairParams& p, double norms) { return p.eta * norms * norms; }

__device__ __forceinline__ double slack(const PairParams& p, uint32_t i, uint32_t j) {
    return slack(p, norms(p, i, j));
}

// Whether a value is too small relative to its error bound to be used in a mean; the host then has the pair
// recomputed. True for NaN.
__device__ __forceinline__ bool is_near(const PairParams& p, double value, double norms) {
    return !(value > p.near * norms * norms);
}
