// The square root of the sum of the squares of n floats, in two launches: norm_partials sums pieces of 16384 values,
// norm_total sums the pieces. In double: squares of all floats are finite, and sums are
// far more precise than the result. The order of sums depends on n only.
//
// norm_partials: one block of 256 per piece; thread t takes vectors t, t + 256, ... of 4 values, or single values where x is
// not aligned to 16 bytes. Bound: bytes. norm_total: one block of 256. Bound: its launch.
#include "common/vectors.cuh"

// Mirrored in src/ops/norm/cuda.rs.
struct NormParams {
    uint64_t x;         // n floats
    uint64_t partials;  // a double for each piece
    uint64_t out;       // one float
    uint64_t len;       // n
    uint32_t pieces;
    uint32_t aligned;  // whether x lies at a multiple of 16 bytes
};
static_assert(sizeof(NormParams) == 40 && offsetof(NormParams, pieces) == 32);

constexpr uint64_t norm_piece = 16384;

// The sum of all threads' values, in thread 0 of a block of 256: always added in the same order.
__device__ __forceinline__ double block_sum(double value, double* shared) {
    for (int step = 16; step; step /= 2) value += __shfl_down_sync(0xFFFFFFFFu, value, step);
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    __syncthreads();
    double all = 0;
    if (threadIdx.x == 0)
        for (int warp = 0; warp < 8; warp++) all += shared[warp];
    return all;
}

SHARPDIM_KERNEL(256, norm_partials, NormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    uint64_t first = blockIdx.x * norm_piece;
    uint32_t count = uint32_t(p.len - first < norm_piece ? p.len - first : norm_piece);
    const float* x = at<const float>(p.x) + first;
    uint32_t in_vectors = p.aligned ? count / 4 * 4 : 0;
    double sum = 0;
    for (uint32_t i = 4 * threadIdx.x; i < in_vectors; i += 4 * 256) {
        float values[4];
        load(x + i, values);
#pragma unroll
        for (int k = 0; k < 4; k++) sum += double(values[k]) * double(values[k]);
    }
    for (uint32_t i = in_vectors + threadIdx.x; i < count; i += 256) sum += double(x[i]) * double(x[i]);
    sum = block_sum(sum, reinterpret_cast<double*>(shared));
    if (threadIdx.x == 0) at<double>(p.partials)[blockIdx.x] = sum;
}

SHARPDIM_KERNEL(256, norm_total, NormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    double sum = 0;
    for (uint32_t i = threadIdx.x; i < p.pieces; i += 256) sum += at<const double>(p.partials)[i];
    sum = block_sum(sum, reinterpret_cast<double*>(shared));
    if (threadIdx.x == 0) *at<float>(p.out) = float(sqrt(sum));
}
