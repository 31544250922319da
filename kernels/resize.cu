// Preparing images: scaling each by its own maximum to 8 bits, and bilinear resizing. Same tables and
// same order of roundings as the CPU's code, for the same bits.
//
// resize_{u8,f32}: one thread per output value; grid (ceil(out_h * out_w * c / 256), images). Bound: bytes.
// scale_{u8,u16,f32}: one block of 256 per image, which it reads twice: for the maximum, then the values. Bound: bytes.
#include "common/cuda.cuh"

// Mirrored in src/ops/resize/cuda.rs.
struct ResizeParams {
    uint64_t src;          // images x h x w x c, uint8 or float
    uint64_t dst;          // images x out_h x out_w x c floats
    uint64_t row_first;    // uint32 per output row: its first input row
    uint64_t row_count;    // uint32 per output row: how many input rows
    uint64_t row_weights;  // float, row_stride per output row
    uint64_t col_first;    // the same for columns
    uint64_t col_count;
    uint64_t col_weights;
    uint32_t h, w, c;
    uint32_t out_h, out_w;
    uint32_t row_stride, col_stride;
    uint32_t unused;
};
static_assert(sizeof(ResizeParams) == 96 && offsetof(ResizeParams, h) == 64);

// Multiply and add rounded separately: a fused operation would round differently from the CPU.
template <class T> __device__ __forceinline__ void resize(const ResizeParams& p) {
    uint32_t place = blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= p.out_h * p.out_w * p.c) return;
    uint32_t channel = place % p.c, x = place / p.c % p.out_w, y = place / p.c / p.out_w;
    const T* image = at<const T>(p.src) + size_t(blockIdx.y) * p.h * p.w * p.c;
    uint32_t first_row = at<const uint32_t>(p.row_first)[y], first_col = at<const uint32_t>(p.col_first)[x];
    uint32_t rows = at<const uint32_t>(p.row_count)[y], cols = at<const uint32_t>(p.col_count)[x];
    const float* row_weights = at<const float>(p.row_weights) + size_t(y) * p.row_stride;
    const float* col_weights = at<const float>(p.col_weights) + size_t(x) * p.col_stride;
    float sum = 0;
    for (uint32_t r = 0; r < rows; r++) {
        const T* row = image + (size_t(first_row + r) * p.w + first_col) * p.c + channel;
        float along = 0;
        for (uint32_t k = 0; k < cols; k++)
            along = __fadd_rn(along, __fmul_rn(col_weights[k], float(row[size_t(k) * p.c])));
        float part = __fmul_rn(row_weights[r], along);
        sum = r == 0 ? part : __fadd_rn(sum, part);
    }
    at<float>(p.dst)[size_t(blockIdx.y) * p.out_h * p.out_w * p.c + place] = sum;
}

SHARPDIM_KERNEL(256, resize_u8, ResizeParams) { resize<unsigned char>(p); }
SHARPDIM_KERNEL(256, resize_f32, ResizeParams) { resize<float>(p); }

// Mirrored in src/ops/resize/cuda.rs.
struct ScaleParams {
    uint64_t src;    // images x values: uint8, uint16 or float
    uint64_t dst;    // images x values: uint8
    uint64_t bad;    // uint32 per image: index of the first value that is negative or not finite, else 0xFFFFFFFF
    uint32_t values; // of an image
    uint32_t unused;
};
static_assert(sizeof(ScaleParams) == 32);

// The maximum of all threads' values, for every thread of a block of 256.
template <class T> __device__ __forceinline__ T block_max(T value, T* shared) {
    for (int step = 16; step; step /= 2) {
        T other = __shfl_xor_sync(0xFFFFFFFFu, value, step);
        value = other > value ? other : value;
    }
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    __syncthreads();
    T all = shared[0];
    for (int warp = 1; warp < 8; warp++) all = shared[warp] > all ? shared[warp] : all;
    return all;
}

// Integers: floor(v * 255 / max) exactly, all zeros stay zeros.
template <class T> __device__ __forceinline__ void scale_integers(const ScaleParams& p, unsigned char* shared) {
    const T* image = at<const T>(p.src) + size_t(blockIdx.x) * p.values;
    unsigned char* out = at<unsigned char>(p.dst) + size_t(blockIdx.x) * p.values;
    unsigned most = 0;
    for (uint32_t i = threadIdx.x; i < p.values; i += 256) most = image[i] > most ? image[i] : most;
    most = block_max(most, reinterpret_cast<unsigned*>(shared));
    unsigned divisor = most > 0 ? most : 1;
    for (uint32_t i = threadIdx.x; i < p.values; i += 256)
        out[i] = (unsigned char)(unsigned(image[i]) * 255u / divisor);
    if (threadIdx.x == 0) at<uint32_t>(p.bad)[blockIdx.x] = 0xFFFFFFFFu;
}

SHARPDIM_KERNEL(256, scale_u8, ScaleParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    scale_integers<unsigned char>(p, shared);
}
SHARPDIM_KERNEL(256, scale_u16, ScaleParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    scale_integers<unsigned short>(p, shared);
}

// Floats: the same in double. The index of the first negative or not finite value, which cannot be scaled, is reported.
SHARPDIM_KERNEL(256, scale_f32, ScaleParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    const float* image = at<const float>(p.src) + size_t(blockIdx.x) * p.values;
    unsigned char* out = at<unsigned char>(p.dst) + size_t(blockIdx.x) * p.values;
    float most = 0;
    // With indices reversed, the maximum is the first.
    unsigned bad = 0;
    for (uint32_t i = threadIdx.x; i < p.values; i += 256) {
        float v = image[i];
        // False for NaN too.
        if (!(v >= 0.0f && v <= 3.402823466e38f)) bad = 0xFFFFFFFFu - i > bad ? 0xFFFFFFFFu - i : bad;
        else most = v > most ? v : most;
    }
    most = block_max(most, reinterpret_cast<float*>(shared));
    bad = block_max(bad, reinterpret_cast<unsigned*>(shared) + 8);
    if (threadIdx.x == 0) at<uint32_t>(p.bad)[blockIdx.x] = 0xFFFFFFFFu - bad;
    for (uint32_t i = threadIdx.x; i < p.values; i += 256) {
        // The output of a bad image is meaningless, but defined.
        double scaled = bad == 0 && most > 0 ? double(image[i]) * 255.0 / double(most) : 0.0;
        out[i] = (unsigned char)scaled;
    }
}
