// A batch of float or bf16 images from a set of bytes (images x height x width x channels):
//
// y[n,i,j,c] = value scale[c] + shift[c], with `value` linear between the four pixels around source row
// top + (i + 1/2) box height / height - 1/2 and the column likewise, clamped to the box's first and last pixel; the byte
// itself where the box is the whole image. Every operation is rounded separately, in the order of
// src/ops/take_images/cpu.rs, for the same bits. A choice with an invalid row gives NaN.
//
// `blocks` blocks of 256 per image of the batch, so that a block has one choice, which is read from memory: a recorded
// launch reads the choices of each run. A thread owns adjacent values of 16 bytes of y, or one value where y's images are not
// aligned to 16 bytes; of whole images it reads the bytes by 4. Bound: bytes, per value 4 or 2 of y and 1 of the set.
#include "common/vectors.cuh"

// Mirrored in src/ops/take_images/cuda.rs.
struct TakeImagesParams {
    uint64_t set;      // bytes
    uint64_t choices;  // 6 floats per image of the batch: row, top, left, height, width, whether it is flipped
    uint64_t scale;    // floats: a scale for each channel, then a shift for each
    uint64_t y;        // written
    uint32_t images, height, width, channels;
    uint32_t values;  // of an image
    uint32_t blocks;  // of an image
    uint32_t wide;    // whether a thread owns 16 bytes of y, or one value
    uint32_t unused;
};
static_assert(sizeof(TakeImagesParams) == 64 && offsetof(TakeImagesParams, images) == 32);

// One direction of a box, and of the image of `len` pixels to which it is resized.
struct Extent {
    float from, last, step;
    uint32_t len;

    __device__ __forceinline__ Extent(float from, float extent, uint32_t len) : from(from), len(len) {
        last = __fsub_rn(__fadd_rn(from, extent), 1.0f);
        step = __fdiv_rn(extent, float(len));
    }
};

// The two adjacent pixels of a sampling position, and its distance from the first.
struct Between {
    uint32_t low, high;
    float along;

    __device__ __forceinline__ Between(const Extent& box, uint32_t place) {
        float centre = __fmul_rn(__fadd_rn(float(place), 0.5f), box.step);
        float source = __fsub_rn(__fadd_rn(box.from, centre), 0.5f);
        source = fminf(fmaxf(source, box.from), box.last);
        low = min(__float2uint_rz(source), box.len - 1);
        high = min(low + 1, box.len - 1);
        along = __fsub_rn(source, float(low));
    }
};

__device__ __forceinline__ float mix(float a, float b, float along) {
    return __fadd_rn(a, __fmul_rn(along, __fsub_rn(b, a)));
}

// Values first .. first + each of an image.
template <class T, int each> __device__ __forceinline__ void take(const TakeImagesParams& p) {
    uint32_t image = blockIdx.x / p.blocks;
    uint32_t first = ((blockIdx.x - image * p.blocks) * 256 + threadIdx.x) * each;
    if (first >= p.values) return;
    const float* choice = at<const float>(p.choices) + size_t(image) * 6;
    T* y = at<T>(p.y) + size_t(image) * p.values + first;
    uint32_t row = __float2uint_rz(choice[0]);
    bool named = float(row) == choice[0] && row < p.images, flip = choice[5] != 0.0f;
    bool whole = choice[1] == 0.0f && choice[2] == 0.0f && choice[3] == float(p.height) && choice[4] == float(p.width);
    const uint8_t* source = at<const uint8_t>(p.set) + size_t(named ? row : 0) * p.values;

    uint32_t pixel = first / p.channels, c = first - pixel * p.channels;
    uint32_t i = pixel / p.width, j = pixel - i * p.width;
    float values[each];
    if (whole && !flip) {
        if constexpr (each == 1) {
            values[0] = source[first];
        } else {
#pragma unroll
            for (int k = 0; k < each; k += 4) {
                uint32_t word = *reinterpret_cast<const uint32_t*>(source + first + k);
#pragma unroll
                for (int b = 0; b < 4; b++) values[k + b] = float(word >> 8 * b & 0xFF);
            }
        }
    } else if (whole) {
        uint32_t column = j, channel = c, start = i * p.width;
#pragma unroll
        for (int k = 0; k < each; k++) {
            values[k] = source[(start + p.width - 1 - column) * p.channels + channel];
            if (++channel < p.channels) continue;
            channel = 0;
            if (++column < p.width) continue;
            column = 0, start += p.width;
        }
    } else {
        Extent rows(choice[1], choice[3], p.height), columns(choice[2], choice[4], p.width);
        uint32_t line = i, column = j, channel = c;
        Between down(rows, line), right(columns, flip ? p.width - 1 - column : column);
#pragma unroll
        for (int k = 0; k < each; k++) {
            auto value = [&](uint32_t line, uint32_t column) {
                return float(source[(line * p.width + column) * p.channels + channel]);
            };
            float above = mix(value(down.low, right.low), value(down.low, right.high), right.along);
            float below = mix(value(down.high, right.low), value(down.high, right.high), right.along);
            values[k] = mix(above, below, down.along);
            if (++channel < p.channels) continue;
            channel = 0;
            if (++column == p.width) {
                column = 0;
                down = Between(rows, ++line);
            }
            right = Between(columns, flip ? p.width - 1 - column : column);
        }
    }
    const float* scale = at<const float>(p.scale);
#pragma unroll
    for (int k = 0; k < each; k++) {
        values[k] = __fadd_rn(__fmul_rn(values[k], scale[c]), scale[p.channels + c]);
        if (!named) values[k] = NAN;
        if (++c == p.channels) c = 0;
    }
    if constexpr (each == 1) {
        put(y, values[0]);
    } else {
        store(y, values);
    }
}

template <class T> __device__ __forceinline__ void take_images(const TakeImagesParams& p) {
    if (p.wide) {
        take<T, in_vector<T>>(p);
    } else {
        take<T, 1>(p);
    }
}

SHARPDIM_KERNEL(256, take_images_f32, TakeImagesParams) { take_images<float>(p); }
SHARPDIM_KERNEL(256, take_images_bf16, TakeImagesParams) { take_images<__nv_bfloat16>(p); }
