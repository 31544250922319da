// Max pooling of NHWC images, and its gradient: y[n, i, j, c] = max of x[n, h, w, c] over rows i S - P .. i S - P + K of
// the image and columns likewise. The padding is never a maximum; NaN in a window makes its maximum NaN.
//
// x, dx are (n, h, w, c), y, dy (n, p, q, c), dense, of one storage type; a maximum is a copy, so that only
// sums of gradients are rounded, in f32.
// A thread owns W channels (16 bytes where channels divide so, else 1) of one pixel: of y forward, of dx backward; threads
// run along channels first, so that a warp's accesses are coalesced. A block is 256 such threads, the grid one-dimensional.
// The gradient is gathered: a pixel checks for each window that contains it whether it is that window's maximum, and sums in
// the order of windows, so that the result does not depend on the order of threads.
// Bound: bytes of x and y (of dy and dx); overlapping windows are read again from the caches.
#include "common/channels.cuh"

// Mirrored in src/ops/max_pool/cuda.rs.
struct MaxPoolParams {
    uint64_t x, y;
    uint64_t dy, dx;    // 0 forward
    uint32_t threads;   // pixels times groups of channels
    uint32_t channels;
    uint32_t height, width;
    uint32_t out_height, out_width;
    uint32_t kernel, stride, padding;
    uint32_t wide;      // 1 where threads own 16 bytes
};
static_assert(sizeof(MaxPoolParams) == 72 && offsetof(MaxPoolParams, threads) == 32);

// Rows (or columns) of the image within window `at`: never none.
struct Span {
    uint32_t first, end;
};
__device__ __forceinline__ Span window(const MaxPoolParams& p, uint32_t at, uint32_t extent) {
    uint32_t start = at * p.stride, end = start + p.kernel - p.padding;
    return {start > p.padding ? start - p.padding : 0, end < extent ? end : extent};
}

// Windows that contain row (or column) `at` of the image: possibly none.
__device__ __forceinline__ Span windows(const MaxPoolParams& p, uint32_t at, uint32_t count) {
    at += p.padding;
    uint32_t end = at / p.stride + 1;
    return {at < p.kernel ? 0 : (at - p.kernel) / p.stride + 1, end < count ? end : count};
}

template <class T, int W> __device__ __forceinline__ void forward(const MaxPoolParams& p) {
    uint32_t thread = blockIdx.x * 256 + threadIdx.x;
    if (thread >= p.threads) return;
    uint32_t groups = p.channels / W, pixel = thread / groups, channel = thread % groups * W;
    uint32_t j = pixel % p.out_width, i = pixel / p.out_width % p.out_height, n = pixel / p.out_width / p.out_height;
    Span rows = window(p, i, p.height), columns = window(p, j, p.width);
    const T* image = at<const T>(p.x) + size_t(n) * p.height * p.width * p.channels + channel;
    float most[W];
#pragma unroll
    for (int c = 0; c < W; c++) most[c] = -INFINITY;
    for (uint32_t h = rows.first; h < rows.end; h++)
        for (uint32_t w = columns.first; w < columns.end; w++) {
            float x[W];
            load_channels<W>(x, image + (size_t(h) * p.width + w) * p.channels);
#pragma unroll
            for (int c = 0; c < W; c++)
                if (x[c] > most[c] || x[c] != x[c]) most[c] = x[c];
        }
    store_channels<W>(at<T>(p.y) + size_t(pixel) * p.channels + channel, most);
}

template <class T, int W> __device__ __forceinline__ void backward(const MaxPoolParams& p) {
    uint32_t thread = blockIdx.x * 256 + threadIdx.x;
    if (thread >= p.threads) return;
    uint32_t groups = p.channels / W, pixel = thread / groups, channel = thread % groups * W;
    uint32_t w = pixel % p.width, h = pixel / p.width % p.height, n = pixel / p.width / p.height;
    const T* image = at<const T>(p.x) + size_t(n) * p.height * p.width * p.channels + channel;
    float x[W], sum[W] = {};
    load_channels<W>(x, image + (size_t(h) * p.width + w) * p.channels);
    Span down = windows(p, h, p.out_height), along = windows(p, w, p.out_width);
    for (uint32_t i = down.first; i < down.end; i++)
        for (uint32_t j = along.first; j < along.end; j++) {
            size_t out = ((size_t(n) * p.out_height + i) * p.out_width + j) * p.channels + channel;
            float y[W];
            load_channels<W>(y, at<const T>(p.y) + out);
            // Bit c: this pixel is the window's maximum in channel c.
            unsigned mine = 0;
#pragma unroll
            for (int c = 0; c < W; c++)
                if (x[c] == y[c] || (x[c] != x[c] && y[c] != y[c])) mine |= 1u << c;
            if (mine == 0) continue;
            Span rows = window(p, i, p.height), columns = window(p, j, p.width);
            for (uint32_t row = rows.first; row < rows.end; row++)
                for (uint32_t column = columns.first; column < columns.end; column++) {
                    if (row == h && column == w) continue;
                    bool before = row < h || (row == h && column < w);
                    float other[W];
                    load_channels<W>(other, image + (size_t(row) * p.width + column) * p.channels);
                    // As in PyTorch: the first of equal maxima gets the gradient, or the last NaN.
#pragma unroll
                    for (int c = 0; c < W; c++)
                        if (before ? other[c] == y[c] : other[c] != other[c]) mine &= ~(1u << c);
                }
            if (mine == 0) continue;
            float dy[W];
            load_channels<W>(dy, at<const T>(p.dy) + out);
#pragma unroll
            for (int c = 0; c < W; c++)
                if (mine >> c & 1) sum[c] += dy[c];
        }
    store_channels<W>(at<T>(p.dx) + size_t(pixel) * p.channels + channel, sum);
}

template <class T> __device__ __forceinline__ void forward_any(const MaxPoolParams& p) {
    if (p.wide) forward<T, WIDE<T>>(p);
    else forward<T, 1>(p);
}

template <class T> __device__ __forceinline__ void backward_any(const MaxPoolParams& p) {
    if (p.wide) backward<T, WIDE<T>>(p);
    else backward<T, 1>(p);
}

SHARPDIM_KERNEL(256, max_pool_f32, MaxPoolParams) { forward_any<float>(p); }
SHARPDIM_KERNEL(256, max_pool_bf16, MaxPoolParams) { forward_any<__nv_bfloat16>(p); }
SHARPDIM_KERNEL(256, max_pool_gradient_f32, MaxPoolParams) { backward_any<float>(p); }
SHARPDIM_KERNEL(256, max_pool_gradient_bf16, MaxPoolParams) { backward_any<__nv_bfloat16>(p); }
