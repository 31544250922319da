// The parameter struct of all kernels in bugs.cu and primitives.cu. Device addresses are uint64_t.
// In Rust: #[repr(C)] struct { input: u64, other: u64, output: u64, count: i32, option: i32 }.
#pragma once
#include <cstdint>

struct TestParams {
    uint64_t input, other, output;
    int32_t count, option;
};
static_assert(sizeof(TestParams) == 32);
