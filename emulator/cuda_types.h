// CUDA's vector types and 16-bit floats for the emulated device: same names, sizes and alignments as under nvcc.
// Included by cuda_emulator.h; host compiler only.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

// ---- vector types -------------------------------------------------------------------------------------------------
// CUDA's alignment: 1, 2 and 4 elements align to their whole size (16 bytes at most), 3 to one element.

#define SHARPDIM_VECTOR_TYPES(T, name)                                                                                 \
    struct alignas(sizeof(T)) name##1 { T x; };                                                                        \
    struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                                                 \
    struct name##3 { T x, y, z; };                                                                                     \
    struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; };                                 \
    inline name##1 make_##name##1(T x) { return {x}; }                                                                 \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                                         \
    inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                                 \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

SHARPDIM_VECTOR_TYPES(signed char, char)
SHARPDIM_VECTOR_TYPES(unsigned char, uchar)
SHARPDIM_VECTOR_TYPES(short, short)
SHARPDIM_VECTOR_TYPES(unsigned short, ushort)
SHARPDIM_VECTOR_TYPES(int, int)
SHARPDIM_VECTOR_TYPES(unsigned, uint)
SHARPDIM_VECTOR_TYPES(long long, longlong)
SHARPDIM_VECTOR_TYPES(unsigned long long, ulonglong)
SHARPDIM_VECTOR_TYPES(float, float)
SHARPDIM_VECTOR_TYPES(double, double)
#undef SHARPDIM_VECTOR_TYPES

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

// ---- 16-bit floats ------------------------------------------------------------------------------------------------

namespace sharpdim_emulator {

// bfloat16 is the upper half of a float: the lower bits are rounded to nearest, ties to even.
struct Bfloat16Format {
    static uint16_t narrow(float value) {
        uint32_t bits = std::bit_cast<uint32_t>(value);
        if (value != value) return 0x7FFF;
        return uint16_t((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
    static float widen(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

// IEEE binary16. 2^e times an integer of at most 11 bits: the rounding is left to nearbyint in the right unit.
struct HalfFormat {
    static uint16_t narrow(float value) {
        uint16_t sign = uint16_t((std::bit_cast<uint32_t>(value) >> 16) & 0x8000);
        if (value != value) return 0x7FFF;
        double size = std::fabs(double(value));
        if (size >= 65520.0) return sign | 0x7C00;  // halfway between the largest half and the next power of two
        int exponent = -14;
        if (size >= 0x1p-14) exponent = std::ilogb(size);
        auto steps = uint32_t(std::nearbyint(std::ldexp(size, 10 - exponent)));  // in units of the last place
        // Subnormals have steps < 1024; a step count of 2048 carries into the exponent by itself.
        return uint16_t(sign | (uint32_t(exponent + 14) * 1024 + steps));
    }
    static float widen(uint16_t bits) {
        int exponent = (bits >> 10) & 31, fraction = bits & 1023;
        float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                     : exponent     ? std::ldexp(float(fraction + 1024), exponent - 25)
                                    : std::ldexp(float(fraction), -24);
        return bits & 0x8000 ? -size : size;
    }
};

// Every operation is done in float and rounded once: for + - * / of one 16-bit format that is the exact rounding.
template <class Format> struct Float16 {
    uint16_t bits;
    Float16() = default;
    Float16(float v) : bits(Format::narrow(v)) {}
    Float16(double v) : bits(Format::narrow(float(v))) {}
    Float16(int v) : bits(Format::narrow(float(v))) {}
    Float16(unsigned v) : bits(Format::narrow(float(v))) {}
    operator float() const { return Format::widen(bits); }
    static Float16 raw(uint16_t bits) {
        Float16 f;
        f.bits = bits;
        return f;
    }
    friend Float16 operator+(Float16 a, Float16 b) { return float(a) + float(b); }
    friend Float16 operator-(Float16 a, Float16 b) { return float(a) - float(b); }
    friend Float16 operator*(Float16 a, Float16 b) { return float(a) * float(b); }
    friend Float16 operator/(Float16 a, Float16 b) { return float(a) / float(b); }
    friend Float16 operator-(Float16 a) { return raw(a.bits ^ 0x8000); }
    Float16& operator+=(Float16 b) { return *this = *this + b; }
    Float16& operator-=(Float16 b) { return *this = *this - b; }
    Float16& operator*=(Float16 b) { return *this = *this * b; }
    Float16& operator/=(Float16 b) { return *this = *this / b; }
    friend bool operator==(Float16 a, Float16 b) { return float(a) == float(b); }
    friend bool operator!=(Float16 a, Float16 b) { return float(a) != float(b); }
    friend bool operator<(Float16 a, Float16 b) { return float(a) < float(b); }
    friend bool operator>(Float16 a, Float16 b) { return float(a) > float(b); }
    friend bool operator<=(Float16 a, Float16 b) { return float(a) <= float(b); }
    friend bool operator>=(Float16 a, Float16 b) { return float(a) >= float(b); }
};

template <class Format> struct alignas(4) Float16Pair {
    Float16<Format> x, y;
    Float16Pair() = default;
    Float16Pair(Float16<Format> x, Float16<Format> y) : x(x), y(y) {}
};

}  // namespace sharpdim_emulator

using __half = sharpdim_emulator::Float16<sharpdim_emulator::HalfFormat>;
using __half2 = sharpdim_emulator::Float16Pair<sharpdim_emulator::HalfFormat>;
using __nv_bfloat16 = sharpdim_emulator::Float16<sharpdim_emulator::Bfloat16Format>;
using __nv_bfloat162 = sharpdim_emulator::Float16Pair<sharpdim_emulator::Bfloat16Format>;
using half = __half;
using half2 = __half2;

inline __half __float2half(float v) { return v; }
inline __half __float2half_rn(float v) { return v; }
inline float __half2float(__half v) { return v; }
inline __half __ushort_as_half(unsigned short v) { return __half::raw(v); }
inline unsigned short __half_as_ushort(__half v) { return v.bits; }
inline __half2 __floats2half2_rn(float x, float y) { return {x, y}; }
inline __half2 __float22half2_rn(float2 v) { return {v.x, v.y}; }
inline __half2 __float2half2_rn(float v) { return {v, v}; }
inline float2 __half22float2(__half2 v) { return {v.x, v.y}; }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half2 __half2half2(__half v) { return {v, v}; }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }

inline __nv_bfloat16 __float2bfloat16(float v) { return v; }
inline __nv_bfloat16 __float2bfloat16_rn(float v) { return v; }
inline __nv_bfloat16 __double2bfloat16(double v) { return v; }
inline float __bfloat162float(__nv_bfloat16 v) { return v; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short v) { return __nv_bfloat16::raw(v); }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.bits; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {x, y}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {v.x, v.y}; }
inline __nv_bfloat162 __float2bfloat162_rn(float v) { return {v, v}; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {v.x, v.y}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 v) { return {v, v}; }
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 v) { return v.x; }
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 v) { return v.y; }

// The arithmetic intrinsics that both formats share.
#define SHARPDIM_FLOAT16_WORDS(H, H2)                                                                                  \
    inline H __hadd(H a, H b) { return a + b; }                                                                        \
    inline H __hsub(H a, H b) { return a - b; }                                                                        \
    inline H __hmul(H a, H b) { return a * b; }                                                                        \
    inline H __hdiv(H a, H b) { return a / b; }                                                                        \
    inline H __hfma(H a, H b, H c) { return std::fma(float(a), float(b), float(c)); }                                  \
    inline H __hneg(H a) { return -a; }                                                                                \
    inline H __habs(H a) { return H::raw(a.bits & 0x7FFF); }                                                           \
    inline H __hmax(H a, H b) { return std::fmax(float(a), float(b)); }                                                \
    inline H __hmin(H a, H b) { return std::fmin(float(a), float(b)); }                                                \
    inline bool __heq(H a, H b) { return a == b; }                                                                     \
    inline bool __hne(H a, H b) { return a < b || a > b; }                                                             \
    inline bool __hlt(H a, H b) { return a < b; }                                                                      \
    inline bool __hle(H a, H b) { return a <= b; }                                                                     \
    inline bool __hgt(H a, H b) { return a > b; }                                                                      \
    inline bool __hge(H a, H b) { return a >= b; }                                                                     \
    inline bool __hisnan(H a) { return float(a) != float(a); }                                                         \
    inline H2 __hadd2(H2 a, H2 b) { return {a.x + b.x, a.y + b.y}; }                                                   \
    inline H2 __hsub2(H2 a, H2 b) { return {a.x - b.x, a.y - b.y}; }                                                   \
    inline H2 __hmul2(H2 a, H2 b) { return {a.x * b.x, a.y * b.y}; }                                                   \
    inline H2 __hfma2(H2 a, H2 b, H2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }                     \
    inline H2 __hmax2(H2 a, H2 b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; }                                     \
    inline H2 __hmin2(H2 a, H2 b) { return {__hmin(a.x, b.x), __hmin(a.y, b.y)}; }                                     \
    inline H2 __hneg2(H2 a) { return {-a.x, -a.y}; }                                                                   \
    inline float __low2float(H2 v) { return v.x; }                                                                     \
    inline float __high2float(H2 v) { return v.y; }

SHARPDIM_FLOAT16_WORDS(__half, __half2)
SHARPDIM_FLOAT16_WORDS(__nv_bfloat16, __nv_bfloat162)
#undef SHARPDIM_FLOAT16_WORDS
