// Adaptive average pooling of NHWC images, and its gradient: y[n, i, j, c] = mean of x[n, h, w, c] over rows
// floor(i H / P) .. ceil((i + 1) H / P) of the image and columns likewise; dx = the sum of dy / pixels over the windows
// that contain a pixel.
//
// x, dx are (n, h, w, c), y, dy (n, p, q, c), dense, of one storage type; sums are f32, over a row's pixels first.
// A thread owns W channels (16 bytes where channels divide so, else 1) of one pixel: of y forward, of dx backward; threads
// run along channels first, so that a warp's accesses are coalesced. A block is 256 such threads, the grid one-dimensional.
// Bound: bytes of x and y (of dy and dx); for global pooling of few images, latency.
#include "common/channels.cuh"

// Mirrored in src/ops/avg_pool/cuda.rs.
struct AvgPoolParams {
    uint64_t from, to;  // x and y; backward: dy and dx
    uint32_t threads;   // pixels of `to` times groups of channels
    uint32_t channels;
    uint32_t height, width;
    uint32_t out_height, out_width;
    uint32_t wide;      // 1 where threads own 16 bytes
    uint32_t unused;
};
static_assert(sizeof(AvgPoolParams) == 48 && offsetof(AvgPoolParams, threads) == 16);

// (a b + add) / by. The product of two extents rarely needs 64 bits, whose division is slow.
__device__ __forceinline__ uint32_t scaled(uint32_t a, uint32_t b, uint32_t add, uint32_t by) {
    uint64_t product = uint64_t(a) * b + add;
    return product >> 32 ? uint32_t(product / by) : uint32_t(product) / by;
}

// Of `count` windows over `extent` rows: the rows in window `at`. With the two exchanged, the windows that contain row `at`.
struct Span {
    uint32_t first, end;
    __device__ __forceinline__ Span(uint32_t at, uint32_t count, uint32_t extent)
        : first(scaled(at, extent, 0, count)), end(scaled(at + 1, extent, count - 1, count)) {}
    __device__ __forceinline__ float len() const { return float(end - first); }
};

template <class T, int W> __device__ __forceinline__ void forward(const AvgPoolParams& p) {
    uint32_t thread = blockIdx.x * 256 + threadIdx.x;
    if (thread >= p.threads) return;
    uint32_t groups = p.channels / W, pixel = thread / groups, channel = thread % groups * W;
    uint32_t j = pixel % p.out_width, i = pixel / p.out_width % p.out_height, n = pixel / p.out_width / p.out_height;
    Span rows(i, p.out_height, p.height), columns(j, p.out_width, p.width);
    const T* image = at<const T>(p.from) + size_t(n) * p.height * p.width * p.channels + channel;
    float sum[W] = {};
    for (uint32_t h = rows.first; h < rows.end; h++) {
        float along[W] = {};
        for (uint32_t w = columns.first; w < columns.end; w++) {
            float x[W];
            load_channels<W>(x, image + (size_t(h) * p.width + w) * p.channels);
#pragma unroll
            for (int c = 0; c < W; c++) along[c] += x[c];
        }
#pragma unroll
        for (int c = 0; c < W; c++) sum[c] += along[c];
    }
    float pixels = rows.len() * columns.len();
#pragma unroll
    for (int c = 0; c < W; c++) sum[c] /= pixels;
    store_channels<W>(at<T>(p.to) + size_t(pixel) * p.channels + channel, sum);
}

template <class T, int W> __device__ __forceinline__ void backward(const AvgPoolParams& p) {
    uint32_t thread = blockIdx.x * 256 + threadIdx.x;
    if (thread >= p.threads) return;
    uint32_t groups = p.channels / W, pixel = thread / groups, channel = thread % groups * W;
    uint32_t w = pixel % p.width, h = pixel / p.width % p.height, n = pixel / p.width / p.height;
    Span down(h, p.height, p.out_height), along(w, p.width, p.out_width);
    float sum[W] = {};
    for (uint32_t i = down.first; i < down.end; i++) {
        float rows = Span(i, p.out_height, p.height).len();
        for (uint32_t j = along.first; j < along.end; j++) {
            float pixels = rows * Span(j, p.out_width, p.width).len();
            size_t out = ((size_t(n) * p.out_height + i) * p.out_width + j) * p.channels + channel;
            float dy[W];
            load_channels<W>(dy, at<const T>(p.from) + out);
#pragma unroll
            for (int c = 0; c < W; c++) sum[c] += dy[c] / pixels;
        }
    }
    store_channels<W>(at<T>(p.to) + size_t(pixel) * p.channels + channel, sum);
}

template <class T> __device__ __forceinline__ void forward_any(const AvgPoolParams& p) {
    if (p.wide) forward<T, WIDE<T>>(p);
    else forward<T, 1>(p);
}

template <class T> __device__ __forceinline__ void backward_any(const AvgPoolParams& p) {
    if (p.wide) backward<T, WIDE<T>>(p);
    else backward<T, 1>(p);
}

SHARPDIM_KERNEL(256, avg_pool_f32, AvgPoolParams) { forward_any<float>(p); }
SHARPDIM_KERNEL(256, avg_pool_bf16, AvgPoolParams) { forward_any<__nv_bfloat16>(p); }
SHARPDIM_KERNEL(256, avg_pool_gradient_f32, AvgPoolParams) { backward_any<float>(p); }
SHARPDIM_KERNEL(256, avg_pool_gradient_bf16, AvgPoolParams) { backward_any<__nv_bfloat16>(p); }
