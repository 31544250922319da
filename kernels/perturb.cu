// The steps of adversarial attacks on float images in pixel units (batch x height x width x channels). An image x stays in
// a ball about its original x0 and in the range low .. high; the network's input is y = x scale[c] + shift[c], floats or
// bf16, so that the gradient with respect to pixels is g scale[c]. Per-image parameters are read from memory, so that a
// recorded launch reads those of each iteration. The formulas are those of src/ops/perturb/mod.rs.
//
// Every operation is rounded separately, in the order of src/ops/perturb/cpu.rs, sums too, for the same bits, except for
// normal random numbers, whose logarithm and sine differ between devices.
//
// Elementwise operations: `blocks` blocks of 256 per image; a thread owns 4 adjacent values, read and written at once, or
// one where not all tensors are aligned to 4 values. Operations that need norms of an image: one block of 512 per image;
// thread t owns values t, t + 512, ..., and recomputes them in each pass over the image instead of storing them; sums are
// double, in which squares of all floats are finite. Bound: bytes.
#include "common/philox.cuh"
#include "common/vectors.cuh"

// Mirrored in src/ops/perturb/cuda.rs. Fields that a kernel does not use are 0.
struct PerturbParams {
    uint64_t origin;    // x0
    uint64_t x;         // read, and written by steps
    uint64_t other;     // another float operand: norms to write, accumulated gradients, previous or best images
    uint64_t g;         // floats or bf16
    uint64_t norms;     // 3 floats an image
    uint64_t controls;  // 10 floats an image
    uint64_t scale;     // a scale for each channel, then a shift for each
    uint64_t y;         // written: floats or bf16
    uint32_t key_low, key_high;
    uint32_t values;  // of an image
    uint32_t width, channels;
    uint32_t blocks;          // of an image
    uint32_t wide;            // whether a thread owns 4 values, or one
    uint32_t g_kind, y_kind;  // 0: none, 1: floats, 2: bf16
    uint32_t kind;            // of noise or squares
    float low, high;
};
static_assert(sizeof(PerturbParams) == 112 && offsetof(PerturbParams, key_low) == 64);

// Per-image parameters: src/ops/perturb/control.rs.
struct Control {
    float epsilon, step, momentum, alpha, keep;
    uint32_t image, draw, row, column, side;

    __device__ __forceinline__ Control(const PerturbParams& p, uint32_t number) {
        const float* from = at<const float>(p.controls) + size_t(number) * 10;
        epsilon = from[0], step = from[1], momentum = from[2], alpha = from[3], keep = from[4];
        // Saturating: negative numbers and NaN become 0, too large ones the maximum.
        image = __float2uint_rz(from[5]), draw = __float2uint_rz(from[6]);
        row = __float2uint_rz(from[7]), column = __float2uint_rz(from[8]), side = __float2uint_rz(from[9]);
    }
};

// ---- values and their positions ------------------------------------------------------------------------------------

// The values of a thread: `first` .. first + each of an image.
template <int each> struct Part {
    uint32_t image, first;
    bool any;
    size_t place;  // of the first in the whole batch

    __device__ __forceinline__ Part(const PerturbParams& p) {
        image = blockIdx.x / p.blocks;
        first = ((blockIdx.x - image * p.blocks) * 256 + threadIdx.x) * each;
        any = first < p.values;
        place = size_t(image) * p.values + first;
    }
};

template <class T, int each>
__device__ __forceinline__ void fetch_as(uint64_t address, size_t place, float (&v)[each]) {
    const T* from = at<const T>(address) + place;
    if constexpr (each == 1) {
        v[0] = to_float(*from);
    } else {
        load(from, v);
    }
}
template <class T, int each>
__device__ __forceinline__ void leave_as(uint64_t address, size_t place, const float (&v)[each]) {
    T* to = at<T>(address) + place;
    if constexpr (each == 1) {
        put(to, v[0]);
    } else {
        store(to, v);
    }
}
template <int each> __device__ __forceinline__ void fetch(uint64_t address, size_t place, float (&v)[each]) {
    fetch_as<float>(address, place, v);
}
template <int each> __device__ __forceinline__ void leave(uint64_t address, size_t place, const float (&v)[each]) {
    leave_as<float>(address, place, v);
}
template <int each>
__device__ __forceinline__ void fetch_gradient(const PerturbParams& p, size_t place, float (&v)[each]) {
    if (p.g_kind == 2) {
        fetch_as<__nv_bfloat16>(p.g, place, v);
    } else {
        fetch_as<float>(p.g, place, v);
    }
}

// Writes the network's input for these images, if it is wanted; `first` as in `Part`.
template <int each>
__device__ __forceinline__ void leave_input(const PerturbParams& p, uint32_t first, size_t place,
                                            const float (&x)[each]) {
    if (p.y_kind == 0) return;
    const float* scale = at<const float>(p.scale);
    uint32_t c = first % p.channels;
    float y[each];
#pragma unroll
    for (int k = 0; k < each; k++) {
        y[k] = __fadd_rn(__fmul_rn(x[k], scale[c]), scale[p.channels + c]);
        if (++c == p.channels) c = 0;
    }
    if (p.y_kind == 2) {
        leave_as<__nv_bfloat16>(p.y, place, y);
    } else {
        leave_as<float>(p.y, place, y);
    }
}

__device__ __forceinline__ float in_range(const PerturbParams& p, float v) {
    return v < p.low ? p.low : v > p.high ? p.high : v;
}

// Clips to x0 - epsilon .. x0 + epsilon, with bounds rounded towards x0, then to the range.
__device__ __forceinline__ float in_box(const PerturbParams& p, float origin, float epsilon, float v) {
    float least = __fsub_ru(origin, epsilon), most = __fadd_rd(origin, epsilon);
    return in_range(p, v <= least ? least : v >= most ? most : v);
}

// `step` sign(g): 0 for 0 and NaN.
__device__ __forceinline__ float along_sign(float x, float step, float g) {
    return g > 0.0f ? __fadd_rn(x, step) : g < 0.0f ? __fsub_rn(x, step) : x;
}

// ---- elementwise operations ----------------------------------------------------------------------------------------

template <int each> __device__ __forceinline__ void normalise(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    float x[each];
    fetch(p.x, mine.place, x);
    leave_input(p, mine.first, mine.place, x);
}

template <int each> __device__ __forceinline__ void step_linf(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    Control told(p, mine.image);
    float origin[each], x[each], g[each];
    fetch(p.origin, mine.place, origin);
    fetch(p.x, mine.place, x);
    fetch_gradient(p, mine.place, g);
#pragma unroll
    for (int k = 0; k < each; k++) x[k] = in_box(p, origin[k], told.epsilon, along_sign(x[k], told.step, g[k]));
    leave(p.x, mine.place, x);
    leave_input(p, mine.first, mine.place, x);
}

template <int each> __device__ __forceinline__ void step_apgd_linf(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    Control told(p, mine.image);
    float origin[each], x[each], before[each], g[each];
    fetch(p.origin, mine.place, origin);
    fetch(p.x, mine.place, x);
    fetch(p.other, mine.place, before);
    fetch_gradient(p, mine.place, g);
    leave(p.other, mine.place, x);
    float rest = __fsub_rn(1.0f, told.alpha);
#pragma unroll
    for (int k = 0; k < each; k++) {
        float z = in_box(p, origin[k], told.epsilon, along_sign(x[k], told.step, g[k]));
        if (told.alpha != 1.0f) {
            float onwards = __fadd_rn(x[k], __fmul_rn(told.alpha, __fsub_rn(z, x[k])));
            onwards = __fadd_rn(onwards, __fmul_rn(rest, __fsub_rn(x[k], before[k])));
            z = in_box(p, origin[k], told.epsilon, onwards);
        }
        x[k] = z;
    }
    leave(p.x, mine.place, x);
    leave_input(p, mine.first, mine.place, x);
}

template <int each> __device__ __forceinline__ void accumulate(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    Control told(p, mine.image);
    double norm = at<const float>(p.norms)[size_t(mine.image) * 3];
    bool any = norm > 0.0 && norm < double(INFINITY);
    float sum[each], g[each];
    fetch(p.other, mine.place, sum);
    fetch_gradient(p, mine.place, g);
#pragma unroll
    for (int k = 0; k < each; k++) {
        float part = any ? __double2float_rn(__ddiv_rn(double(g[k]), norm)) : 0.0f;
        sum[k] = __fadd_rn(__fmul_rn(told.momentum, sum[k]), part);
    }
    leave(p.other, mine.place, sum);
}

template <int each> __device__ __forceinline__ void keep(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    Control told(p, mine.image);
    if (told.keep == 0.0f) return;
    float x[each];
    fetch(p.x, mine.place, x);
    leave(p.other, mine.place, x);
}

// ---- random numbers ------------------------------------------------------------------------------------------------
// The random words of an image: counter (index / 4, its number, its draw, purpose), word index % 4. Purposes: 1 uniform
// noise, 2 signs, 3 the L2 ball, 4 stripes, 5 a window.
constexpr uint32_t for_uniform = 1, for_ball = 3, for_stripes = 4;

__device__ __forceinline__ uint4 words(const PerturbParams& p, const Control& told, uint32_t four, uint32_t use) {
    return philox(make_uint4(four, told.image, told.draw, use), p.key_low, p.key_high);
}

// One of the midpoints of 2^23 equal parts of -1 .. 1.
__device__ __forceinline__ float from_minus_one(uint32_t word) {
    return __fmul_rn(float(int(2 * (word >> 9) + 1) - (1 << 23)), 1.0f / (1 << 23));
}

// epsilon or -epsilon.
__device__ __forceinline__ float either(float epsilon, uint32_t word) { return word >> 31 ? epsilon : -epsilon; }

// One of the midpoints of 2^32 equal parts of 0 .. 1.
__device__ __forceinline__ double from_zero(uint32_t word) {
    return __dmul_rn(__dadd_rn(double(word), 0.5), 1.0 / 4294967296.0);
}

template <int each> __device__ __forceinline__ void noise_linf(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    Control told(p, mine.image);
    float origin[each], x[each];
    fetch(p.origin, mine.place, origin);
    // With 4 values per thread, the first is one of those 4.
    uint4 four = words(p, told, mine.first / 4, p.kind);
#pragma unroll
    for (int k = 0; k < each; k++) {
        uint32_t word = word_of(four, each == 1 ? mine.first % 4 : k);
        float by = p.kind == for_uniform ? __fmul_rn(told.epsilon, from_minus_one(word)) : either(told.epsilon, word);
        x[k] = in_box(p, origin[k], told.epsilon, __fadd_rn(origin[k], by));
    }
    leave(p.x, mine.place, x);
    leave_input(p, mine.first, mine.place, x);
}

template <int each> __device__ __forceinline__ void square(const PerturbParams& p) {
    Part<each> mine(p);
    if (!mine.any) return;
    Control told(p, mine.image);
    float origin[each], x[each];
    fetch(p.origin, mine.place, origin);
    fetch(p.x, mine.place, x);
    uint32_t pixel = mine.first / p.channels, c = mine.first - pixel * p.channels;
    uint32_t row = pixel / p.width, column = pixel - row * p.width;
#pragma unroll
    for (int k = 0; k < each; k++) {
        bool stripes = p.kind == for_stripes;
        // Differences below 0 wrap around, and are not less than any side.
        if (stripes || (row - told.row < told.side && column - told.column < told.side)) {
            uint32_t place = stripes ? column * p.channels + c : c;
            float by = either(told.epsilon, word_of(words(p, told, place / 4, p.kind), place % 4));
            x[k] = in_box(p, origin[k], told.epsilon, __fadd_rn(origin[k], by));
        }
        if (++c < p.channels) continue;
        c = 0;
        if (++column < p.width) continue;
        column = 0, row++;
    }
    leave(p.other, mine.place, x);
    leave_input(p, mine.first, mine.place, x);
}

// ---- operations with norms of an image -----------------------------------------------------------------------------
constexpr uint32_t block = 512;

// The sum of all threads' values, in every thread, in a fixed order.
__device__ __forceinline__ double block_sum(double value, double* shared) {
    for (int step = 16; step; step /= 2) value = __dadd_rn(value, __shfl_down_sync(0xFFFFFFFFu, value, step));
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    __syncthreads();
    double all = shared[0];
    for (uint32_t warp = 1; warp < block / 32; warp++) all = __dadd_rn(all, shared[warp]);
    __syncthreads();
    return all;
}

// The image of this block.
struct Image {
    const PerturbParams& p;
    size_t start;

    __device__ __forceinline__ Image(const PerturbParams& p) : p(p), start(size_t(blockIdx.x) * p.values) {}

    __device__ __forceinline__ double value(uint64_t address, uint32_t i) const { return at<const float>(address)[start + i]; }
    __device__ __forceinline__ double gradient(uint32_t i) const {
        float g[1];
        fetch_gradient(p, start + i, g);
        return __dmul_rn(double(g[0]), double(at<const float>(p.scale)[i % p.channels]));
    }
    template <class F> __device__ __forceinline__ double sum_of_squares(double* shared, F value) const {
        double sum = 0;
        for (uint32_t i = threadIdx.x; i < p.values; i += block) {
            double v = value(i);
            sum = __dadd_rn(sum, __dmul_rn(v, v));
        }
        return block_sum(sum, shared);
    }
    template <class F> __device__ __forceinline__ double norm(double* shared, F value) const {
        return __dsqrt_rn(sum_of_squares(shared, value));
    }
    // The factor of the gradient for a step of this length: 0 where it has no direction.
    __device__ __forceinline__ double rate(double* shared, float step) const {
        double norm = this->norm(shared, [&](uint32_t i) { return gradient(i); });
        return norm > 0.0 && norm < double(INFINITY) ? __ddiv_rn(double(step), norm) : 0.0;
    }
    // x - x0 after a step.
    __device__ __forceinline__ double moved(uint32_t i, double rate) const {
        double from = __dsub_rn(value(p.x, i), value(p.origin, i));
        return rate == 0.0 ? from : __dadd_rn(from, __dmul_rn(rate, gradient(i)));
    }
    __device__ __forceinline__ void leave_value(uint32_t i, float v) const {
        float x[1] = {v};
        leave(p.x, start + i, x);
        leave_input(p, i, start + i, x);
    }
};

// The factor that projects vectors of this norm into the ball.
__device__ __forceinline__ double factor(double norm, float epsilon) {
    return norm > double(epsilon) ? __ddiv_rn(double(epsilon), norm) : 1.0;
}

// x0 + delta, rounded towards x0, in the range.
__device__ __forceinline__ float beside(const PerturbParams& p, double origin, double delta) {
    if (delta == 0.0) return in_range(p, float(origin));
    double sum = __dadd_rn(origin, delta);
    return in_range(p, delta > 0.0 ? __double2float_rd(sum) : __double2float_ru(sum));
}

SHARPDIM_KERNEL(512, perturb_gradient_norms, PerturbParams) {
    SHARPDIM_DYNAMIC_SHARED(bytes);
    double* shared = reinterpret_cast<double*>(bytes);
    Image image(p);
    double sum = 0, zeros = 0;
    for (uint32_t i = threadIdx.x; i < p.values; i += block) {
        double g = image.gradient(i);
        sum = __dadd_rn(sum, fabs(g));
        if (g == 0.0) zeros = __dadd_rn(zeros, 1.0);
    }
    sum = block_sum(sum, shared);
    zeros = block_sum(zeros, shared);
    double norm = image.norm(shared, [&](uint32_t i) { return image.gradient(i); });
    if (threadIdx.x != 0) return;
    float* out = at<float>(p.other) + size_t(blockIdx.x) * 3;
    out[0] = float(sum), out[1] = float(norm), out[2] = float(zeros);
}

SHARPDIM_KERNEL(512, perturb_step_l2, PerturbParams) {
    SHARPDIM_DYNAMIC_SHARED(bytes);
    double* shared = reinterpret_cast<double*>(bytes);
    Image image(p);
    Control told(p, blockIdx.x);
    double rate = image.rate(shared, told.step);
    double into = factor(image.norm(shared, [&](uint32_t i) { return image.moved(i, rate); }), told.epsilon);
    for (uint32_t i = threadIdx.x; i < p.values; i += block) {
        double delta = __dmul_rn(image.moved(i, rate), into);
        image.leave_value(i, beside(p, image.value(p.origin, i), delta));
    }
}

SHARPDIM_KERNEL(512, perturb_step_apgd_l2, PerturbParams) {
    SHARPDIM_DYNAMIC_SHARED(bytes);
    double* shared = reinterpret_cast<double*>(bytes);
    Image image(p);
    Control told(p, blockIdx.x);
    double alpha = told.alpha, rest = __dsub_rn(1.0, alpha);
    double rate = image.rate(shared, told.step);
    double first = factor(image.norm(shared, [&](uint32_t i) { return image.moved(i, rate); }), told.epsilon);
    auto z = [&](uint32_t i) {
        return beside(p, image.value(p.origin, i), __dmul_rn(image.moved(i, rate), first));
    };
    // The second move, from x0.
    auto onwards = [&](uint32_t i) {
        double x = image.value(p.x, i), from = __dsub_rn(x, image.value(p.origin, i));
        double there = __dadd_rn(from, __dmul_rn(alpha, __dsub_rn(double(z(i)), x)));
        return __dadd_rn(there, __dmul_rn(rest, __dsub_rn(x, image.value(p.other, i))));
    };
    bool both = alpha != 1.0;
    double second = both ? factor(image.norm(shared, onwards), told.epsilon) : 1.0;
    for (uint32_t i = threadIdx.x; i < p.values; i += block) {
        float next = both ? beside(p, image.value(p.origin, i), __dmul_rn(onwards(i), second)) : z(i);
        float before[1] = {float(image.value(p.x, i))};
        leave(p.other, image.start + i, before);
        image.leave_value(i, next);
    }
}

// Four normal numbers from two pairs of words (Box & Muller 1958).
struct Normals {
    double values[4];

    __device__ __forceinline__ Normals(uint4 four) {
        pair(four.x, four.y, values[0], values[1]);
        pair(four.z, four.w, values[2], values[3]);
    }
    static __device__ __forceinline__ void pair(uint32_t a, uint32_t b, double& first, double& second) {
        double radius = __dsqrt_rn(__dmul_rn(-2.0, log(from_zero(a)))), sine, cosine;
        sincospi(__dmul_rn(2.0, from_zero(b)), &sine, &cosine);
        first = __dmul_rn(radius, cosine), second = __dmul_rn(radius, sine);
    }
};

SHARPDIM_KERNEL(512, perturb_noise_l2, PerturbParams) {
    SHARPDIM_DYNAMIC_SHARED(bytes);
    double* shared = reinterpret_cast<double*>(bytes);
    Image image(p);
    Control told(p, blockIdx.x);
    uint32_t fours = (p.values + 3) / 4;
    double sum = 0;
    for (uint32_t four = threadIdx.x; four < fours; four += block) {
        Normals normal(words(p, told, four, for_ball));
#pragma unroll
        for (uint32_t k = 0; k < 4; k++)
            if (4 * four + k < p.values) sum = __dadd_rn(sum, __dmul_rn(normal.values[k], normal.values[k]));
    }
    double norm = __dsqrt_rn(block_sum(sum, shared));
    // Uniform in the ball: volume grows as the radius to the power of the dimension.
    double part = exp(__ddiv_rn(log(from_zero(words(p, told, 0xFFFFFFFFu, for_ball).x)), double(p.values)));
    double by = __ddiv_rn(__dmul_rn(double(told.epsilon), part), norm);
    for (uint32_t four = threadIdx.x; four < fours; four += block) {
        Normals normal(words(p, told, four, for_ball));
#pragma unroll
        for (uint32_t k = 0; k < 4; k++) {
            uint32_t i = 4 * four + k;
            if (i >= p.values) break;
            image.leave_value(i, beside(p, image.value(p.origin, i), __dmul_rn(normal.values[k], by)));
        }
    }
}

// Four values per thread, or one.
#define SHARPDIM_BY_VALUES(name)                                                                                       \
    SHARPDIM_KERNEL(256, perturb_##name, PerturbParams) {                                                              \
        if (p.wide) {                                                                                                  \
            name<4>(p);                                                                                                \
        } else {                                                                                                       \
            name<1>(p);                                                                                                \
        }                                                                                                              \
    }
SHARPDIM_BY_VALUES(normalise)
SHARPDIM_BY_VALUES(step_linf)
SHARPDIM_BY_VALUES(step_apgd_linf)
SHARPDIM_BY_VALUES(accumulate)
SHARPDIM_BY_VALUES(keep)
SHARPDIM_BY_VALUES(noise_linf)
SHARPDIM_BY_VALUES(square)
#undef SHARPDIM_BY_VALUES
