// Kernels other than the tiles of pairs: preparing rows for the tensor cores, and squared distances of listed pairs
// from the data itself.
#include "common/pair_tile.cuh"

// Mirrored in src/ops/pairs/cuda.rs.
struct PrepareParams {
    uint64_t values;  // rows x dim: uint8, float, double, half or bfloat16
    uint64_t centre;  // per column, for floats: double for double values, else float
    uint64_t out;     // rows x steps x 64 bytes
    uint64_t term;    // double per row: |x|^2 of the prepared row
    uint64_t norm;    // double per row, for floats: sqrt(|x|^2 + 1e-24)
    uint32_t rows;
    uint32_t dim;
    uint32_t steps;
    float scale;
};
static_assert(sizeof(PrepareParams) == 56 && offsetof(PrepareParams, rows) == 40);

// A value as a float, which represents each of these types exactly, or as a double.
__device__ __forceinline__ float widened(unsigned char v) { return float(v); }
__device__ __forceinline__ float widened(float v) { return v; }
__device__ __forceinline__ double widened(double v) { return v; }
__device__ __forceinline__ float widened(__half v) { return __half2float(v); }
__device__ __forceinline__ float widened(__nv_bfloat16 v) { return __bfloat162float(v); }

// The sum of all threads' values, in a fixed order; for every thread of a block of 256.
template <class T> __device__ __forceinline__ T block_sum(T value, T* shared) {
    for (int step = 16; step; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, step);
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    __syncthreads();
    T total = 0;
    for (int warp = 0; warp < THREADS / 32; warp++) total += shared[warp];
    return total;
}

// A value minus its column's centre, scaled: doubles are rounded to float after that, with relative error 2^-24.
template <class T> __device__ __forceinline__ float centred(const PrepareParams& p, T v, uint32_t column) {
    return (widened(v) - at<const float>(p.centre)[column]) * p.scale;
}
template <> __device__ __forceinline__ float centred<double>(const PrepareParams& p, double v, uint32_t column) {
    return float((v - at<const double>(p.centre)[column]) * double(p.scale));
}

// 8-bit rows, padded with zeros to whole steps. One block per row, 4 bytes per thread and iteration.
// Bound: bytes, dim read and steps * 64 written per row.
SHARPDIM_KERNEL(256, prepare_u8, PrepareParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    const unsigned char* row = at<const unsigned char>(p.values) + size_t(blockIdx.x) * p.dim;
    uint32_t* out = at<uint32_t>(p.out) + size_t(blockIdx.x) * p.steps * (STEP_BYTES / 4);
    unsigned long long squares = 0;
    for (uint32_t word = threadIdx.x; word < p.steps * (STEP_BYTES / 4); word += THREADS) {
        uint32_t four = 0;
        for (uint32_t b = 0; b < 4; b++) {
            uint32_t column = word * 4 + b;
            uint32_t v = column < p.dim ? row[column] : 0u;
            four |= v << (8 * b);
            squares += v * v;
        }
        out[word] = four;
    }
    unsigned long long total = block_sum(squares, reinterpret_cast<unsigned long long*>(shared));
    if (threadIdx.x == 0) at<double>(p.term)[blockIdx.x] = double(total);
}

// Float rows, centred and scaled, as high and low bfloat16: x = high + low up to 2^-18 |x|. The term is
// computed from the stored values, so that the only error is the omitted product. 16-bit floats are widened first,
// and give the same as these values in 32 bits. One block per row, one value per thread and iteration.
// Bound: bytes, 4 (or 2, or 8) read and 4 written per value.
template <class T> __device__ __forceinline__ void prepare(const PrepareParams& p, unsigned char* shared) {
    const T* row = at<const T>(p.values) + size_t(blockIdx.x) * p.dim;
    __nv_bfloat16* out = at<__nv_bfloat16>(p.out) + size_t(blockIdx.x) * p.steps * (STEP_BYTES / 2);
    double squares = 0;
    for (uint32_t column = threadIdx.x; column < p.steps * 16; column += THREADS) {
        float x = column < p.dim ? centred(p, row[column], column) : 0.0f;
        __nv_bfloat16 high = __float2bfloat16_rn(x);
        __nv_bfloat16 low = __float2bfloat16_rn(x - __bfloat162float(high));
        size_t place = size_t(column / 16) * 32 + column % 16;
        out[place] = high;
        out[place + 16] = low;
        double stored = double(__bfloat162float(high)) + double(__bfloat162float(low));
        squares += stored * stored;
    }
    double total = block_sum(squares, reinterpret_cast<double*>(shared));
    if (threadIdx.x == 0) {
        at<double>(p.term)[blockIdx.x] = total;
        at<double>(p.norm)[blockIdx.x] = sqrt(total + 1e-24);
    }
}

SHARPDIM_KERNEL(256, prepare_f32, PrepareParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    prepare<float>(p, shared);
}
SHARPDIM_KERNEL(256, prepare_f64, PrepareParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    prepare<double>(p, shared);
}
SHARPDIM_KERNEL(256, prepare_f16, PrepareParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    prepare<__half>(p, shared);
}
SHARPDIM_KERNEL(256, prepare_bf16, PrepareParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    prepare<__nv_bfloat16>(p, shared);
}

// Mirrored in src/ops/pairs/cuda.rs.
struct DistancesParams {
    uint64_t left;   // left_rows x dim values, as given
    uint64_t right;  // right_rows x dim values
    uint64_t pairs;  // uint2 per pair: row of left, row of right
    uint64_t out;    // double per pair
    uint32_t count;
    uint32_t dim;
};
static_assert(sizeof(DistancesParams) == 40);

// Squared distances of listed pairs as sums of squared differences in double: 8 pairs per block, one per
// warp. A difference of two floats is exact in double unless their exponents differ by 29; one of two doubles has a
// relative error of 2^-53; sums of bytes are exact.
// Bound: bytes of 2 dim values per pair, mostly from the L2 cache.
template <class T> __device__ __forceinline__ void squared_distances(const DistancesParams& p) {
    uint32_t pair = blockIdx.x * 8 + threadIdx.x / 32;
    if (pair >= p.count) return;
    uint2 rows = at<const uint2>(p.pairs)[pair];
    const T* x = at<const T>(p.left) + size_t(rows.x) * p.dim;
    const T* y = at<const T>(p.right) + size_t(rows.y) * p.dim;
    double sum[4] = {0, 0, 0, 0};  // four loads in flight
    uint32_t column = threadIdx.x % 32;
    for (; column + 96 < p.dim; column += 128)
        for (int u = 0; u < 4; u++) {
            double difference = double(widened(x[column + 32 * u])) - double(widened(y[column + 32 * u]));
            sum[u] += difference * difference;
        }
    for (; column < p.dim; column += 32) {
        double difference = double(widened(x[column])) - double(widened(y[column]));
        sum[0] += difference * difference;
    }
    double total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int step = 16; step; step /= 2) total += __shfl_xor_sync(0xFFFFFFFFu, total, step);
    if (threadIdx.x % 32 == 0) at<double>(p.out)[pair] = total;
}

SHARPDIM_KERNEL(256, squared_distances_u8, DistancesParams) { squared_distances<unsigned char>(p); }
SHARPDIM_KERNEL(256, squared_distances_f32, DistancesParams) { squared_distances<float>(p); }
SHARPDIM_KERNEL(256, squared_distances_f64, DistancesParams) { squared_distances<double>(p); }
SHARPDIM_KERNEL(256, squared_distances_f16, DistancesParams) { squared_distances<__half>(p); }
SHARPDIM_KERNEL(256, squared_distances_bf16, DistancesParams) { squared_distances<__nv_bfloat16>(p); }
