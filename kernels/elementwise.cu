// ReLU, its gradient and the sum of two tensors, of n values each, of floats or bf16 (computed in floats).
//
// relu_forward_*:  y = x < 0 ? 0 : x, so that NaN stays NaN.
// relu_backward_*: y (here the gradient) = x (here ReLU's output) > 0 ? y : 0.
// add_*:           y = y + x.
// A thread owns a vector of 16 bytes, or one value of the tail; blocks of 256 in one row. Bound: bytes.
#include "common/vectors.cuh"

// Mirrored in src/ops/elementwise/cuda.rs.
struct ElementwiseParams {
    uint64_t x;  // read
    uint64_t y;  // written, and read except by relu_forward
    uint64_t len, vectors;
};
static_assert(sizeof(ElementwiseParams) == 32 && offsetof(ElementwiseParams, len) == 16);

struct Rectify {
    static constexpr bool reads_y = false;
    static __device__ __forceinline__ float apply(float x, float) { return x < 0.0f ? 0.0f : x; }
};
struct Mask {
    static constexpr bool reads_y = true;
    static __device__ __forceinline__ float apply(float x, float y) { return x > 0.0f ? y : 0.0f; }
};
struct Sum {
    static constexpr bool reads_y = true;
    static __device__ __forceinline__ float apply(float x, float y) { return x + y; }
};

template <class T, class Operation> __device__ __forceinline__ void each_value(const ElementwiseParams& p) {
    constexpr int each = in_vector<T>;
    Share mine = share(p.len, p.vectors, each);
    if (!mine.any) return;
    const T* x = at<const T>(p.x) + mine.first;
    T* y = at<T>(p.y) + mine.first;
    if (!mine.vector) {
        put(y, Operation::apply(to_float(*x), Operation::reads_y ? to_float(*y) : 0.0f));
        return;
    }
    float from[each], to[each] = {};
    load(x, from);
    if (Operation::reads_y) load(y, to);
#pragma unroll
    for (int i = 0; i < each; i++) to[i] = Operation::apply(from[i], to[i]);
    store(y, to);
}

SHARPDIM_KERNEL(256, relu_forward_f32, ElementwiseParams) { each_value<float, Rectify>(p); }
SHARPDIM_KERNEL(256, relu_forward_bf16, ElementwiseParams) { each_value<__nv_bfloat16, Rectify>(p); }
SHARPDIM_KERNEL(256, relu_backward_f32, ElementwiseParams) { each_value<float, Mask>(p); }
SHARPDIM_KERNEL(256, relu_backward_bf16, ElementwiseParams) { each_value<__nv_bfloat16, Mask>(p); }
SHARPDIM_KERNEL(256, add_f32, ElementwiseParams) { each_value<float, Sum>(p); }
SHARPDIM_KERNEL(256, add_bf16, ElementwiseParams) { each_value<__nv_bfloat16, Sum>(p); }
