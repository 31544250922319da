// Batch normalisation of NHWC images over all but their channels, and its gradients, fused with a residual network's
// shortcut and ReLU: y = gamma (x - mean) / sqrt(variance + eps) + beta, then + shortcut, then ReLU.
//
// x, y, shortcut and their gradients are (rows, channels), dense, of one storage type; all else is f32, one value per
// channel: gamma, beta, running mean and variance, dgamma, dbeta; saved is (2, channels): mean, 1 / sqrt(variance + eps).
// work is low[channels], pivot[channels], partial[splits][2][channels], each a float.
//
// Grids of images: blockIdx.x selects `across` groups of W channels (16 bytes where channels divide so, else 1), blockIdx.y
// `split_rows` rows. A block of 256 threads is 256 / across threads down by `across` (a power of two, 32 at most)
// along: a thread owns one group of channels and every (256 / across)th row of the block's, ROWS of them at a time.
// Reductions leave each block's two sums in `partial`; batch_norm_{statistics,sums} of 256 threads then add them, 8
// threads per channel, each every 8th block in turn, in double. Results do not depend on the order of blocks.
// Bound: bytes. Training reads x twice and writes y; the gradient reads x, y and dy twice and writes dx and dshortcut.
#include "common/activation.cuh"
#include "common/channels.cuh"

constexpr int THREADS = 256;
// Rows that a thread loads before it computes, to keep enough loads in flight.
constexpr int ROWS = 4;
// Threads that share the blocks' sums of one channel.
constexpr int ADDERS = 8;

// Mirrored in src/ops/batch_norm/cuda.rs. An address is 0 where a kernel does not use it.
struct BatchNormParams {
    uint64_t x, y;
    uint64_t shortcut;        // 0: none
    uint64_t gamma, beta;
    uint64_t mean, variance;  // running
    uint64_t saved;
    uint64_t low;             // in work: the mean minus its value as f32; 0: no such correction
    uint64_t pivot;           // in work: x's first row
    uint64_t partial;         // in work
    uint64_t dy, dx;
    uint64_t dgamma, dbeta;
    uint64_t dshortcut;       // 0: none
    uint32_t rows, channels;
    uint32_t across;          // groups of channels to a block
    uint32_t split_rows;      // rows to a block
    uint32_t splits;
    uint32_t wide;            // 1 where threads own 16 bytes
    Activation activation;    // forward; the gradient takes ReLU's mask from y
    uint32_t batch;           // gradient: 1 where the statistics were the batch's
    float eps, momentum;
};
static_assert(sizeof(BatchNormParams) == 168 && offsetof(BatchNormParams, rows) == 128);

// The rows and channels of a thread of a grid of images.
struct Place {
    uint32_t down, along, channel;  // channel: its first
    uint32_t step;                  // from one of its rows to the next
    uint32_t first, end;            // its rows: first, first + step, .. below end
    bool there;                     // whether there is such a channel
    template <int W> static __device__ __forceinline__ Place of_thread(const BatchNormParams& p) {
        Place place;
        place.down = threadIdx.x / p.across, place.along = threadIdx.x % p.across;
        place.channel = (blockIdx.x * p.across + place.along) * W;
        place.step = THREADS / p.across;
        uint32_t start = blockIdx.y * p.split_rows;
        place.first = start + place.down;
        place.end = p.rows - start < p.split_rows ? p.rows : start + p.split_rows;
        place.there = place.channel < p.channels;
        return place;
    }
    __device__ __forceinline__ size_t at(const BatchNormParams& p, uint32_t row) const {
        return size_t(row) * p.channels + channel;
    }
};

// Merges count, mean and squared deviations of two sets (Chan, Golub & LeVeque 1979).
template <class F> struct Moments {
    F count, mean, squares;
    __device__ __forceinline__ void add(F n, F other_mean, F other_squares) {
        if (n == 0) return;
        F all = count + n, share = n / all, apart = other_mean - mean;
        mean += apart * share;
        squares += other_squares + apart * apart * (count * share);
        count = all;
    }
};

template <int W> __device__ __forceinline__ void load_floats(float (&value)[W], const float* from) {
#pragma unroll
    for (int c = 0; c < W; c++) value[c] = from[c];
}

// Statistics of each block's rows. x minus its first row is summed, so that a large common offset cancels before any
// rounding. For ROWS rows at a time the mean and the squared deviations; then these sets are merged.
template <class T, int W> __device__ __forceinline__ void moments(const BatchNormParams& p, float* shared) {
    Place place = Place::of_thread<W>(p);
    float pivot[W] = {}, mean[W] = {}, squares[W] = {};
    float count = 0;
    if (place.there) {
        const T* x = at<const T>(p.x);
        load_channels<W>(pivot, x + place.channel);
        for (uint32_t row = place.first; row < place.end; row += ROWS * place.step) {
            float value[ROWS][W];
            float rows = 0;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                bool within = row + r * place.step < place.end;
                // Missing rows read the pivot: their difference is 0.
                load_channels<W>(value[r], within ? x + place.at(p, row + r * place.step) : x + place.channel);
                rows += within ? 1.0f : 0.0f;
            }
            float all = count + rows, share = rows / all;
#pragma unroll
            for (int c = 0; c < W; c++) {
                float sum = 0, about = 0;
#pragma unroll
                for (int r = 0; r < ROWS; r++) value[r][c] -= pivot[c], sum += value[r][c];
                float here = sum / rows;
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    float off = r < rows ? value[r][c] - here : 0.0f;
                    about += off * off;
                }
                float apart = here - mean[c];
                mean[c] += apart * share;
                squares[c] += about + apart * apart * (count * share);
            }
            count = all;
        }
        if (blockIdx.y == 0 && place.down == 0)
#pragma unroll
            for (int c = 0; c < W; c++) at<float>(p.pivot)[place.channel + c] = pivot[c];
    }
    // Tree reduction over the threads down: counts, then means and squares, W of each per thread.
    float* counts = shared + 2 * W * THREADS;
#pragma unroll
    for (int c = 0; c < W; c++) {
        shared[c * THREADS + threadIdx.x] = mean[c];
        shared[(W + c) * THREADS + threadIdx.x] = squares[c];
    }
    counts[threadIdx.x] = count;
    for (uint32_t half = place.step / 2; half; half /= 2) {
        __syncthreads();
        if (place.down >= half) continue;
        uint32_t other = threadIdx.x + half * p.across;
#pragma unroll
        for (int c = 0; c < W; c++) {
            Moments<float> both{count, mean[c], squares[c]};
            both.add(counts[other], shared[c * THREADS + other], shared[(W + c) * THREADS + other]);
            shared[c * THREADS + threadIdx.x] = mean[c] = both.mean;
            shared[(W + c) * THREADS + threadIdx.x] = squares[c] = both.squares;
        }
        counts[threadIdx.x] = count += counts[other];
    }
    if (!place.there || place.down > 0) return;
    float* partial = at<float>(p.partial) + size_t(blockIdx.y) * 2 * p.channels + place.channel;
#pragma unroll
    for (int c = 0; c < W; c++) partial[c] = mean[c], partial[p.channels + c] = squares[c];
}

// For each block's rows, the sums of dy (x - mean) and of dy, masked by ReLU.
template <class T, int W> __device__ __forceinline__ void gradient_sums(const BatchNormParams& p, float* shared) {
    Place place = Place::of_thread<W>(p);
    float mean[W] = {}, gamma[W] = {}, beta[W] = {};
    if (place.there) {
        load_floats<W>(mean, at<const float>(p.saved) + place.channel);
        for (uint32_t row = place.first; row < place.end; row += ROWS * place.step) {
            float x[ROWS][W], y[ROWS][W], dy[ROWS][W];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                bool within = row + r * place.step < place.end;
                size_t from = place.at(p, within ? row + r * place.step : row);
                load_channels<W>(x[r], at<const T>(p.x) + from);
                load_channels<W>(dy[r], at<const T>(p.dy) + from);
                if (p.y) load_channels<W>(y[r], at<const T>(p.y) + from);
#pragma unroll
                for (int c = 0; c < W; c++)
                    if (!within || (p.y && !(y[r][c] > 0.0f))) dy[r][c] = 0.0f;
            }
            // Sums of few rows first, to reduce rounding errors.
#pragma unroll
            for (int c = 0; c < W; c++) {
                float few_gamma = 0, few_beta = 0;
#pragma unroll
                for (int r = 0; r < ROWS; r++) few_gamma += dy[r][c] * (x[r][c] - mean[c]), few_beta += dy[r][c];
                gamma[c] += few_gamma;
                beta[c] += few_beta;
            }
        }
    }
#pragma unroll
    for (int c = 0; c < W; c++) {
        shared[c * THREADS + threadIdx.x] = gamma[c];
        shared[(W + c) * THREADS + threadIdx.x] = beta[c];
    }
    for (uint32_t half = place.step / 2; half; half /= 2) {
        __syncthreads();
        if (place.down >= half) continue;
        uint32_t other = threadIdx.x + half * p.across;
#pragma unroll
        for (int c = 0; c < W; c++) {
            shared[c * THREADS + threadIdx.x] = gamma[c] += shared[c * THREADS + other];
            shared[(W + c) * THREADS + threadIdx.x] = beta[c] += shared[(W + c) * THREADS + other];
        }
    }
    if (!place.there || place.down > 0) return;
    float* partial = at<float>(p.partial) + size_t(blockIdx.y) * 2 * p.channels + place.channel;
#pragma unroll
    for (int c = 0; c < W; c++) partial[c] = gamma[c], partial[p.channels + c] = beta[c];
}

// y of each block's rows. `low` corrects the rounding of the mean to f32, up to 3e-5 for a mean of 1000.
template <class T, int W> __device__ __forceinline__ void apply(const BatchNormParams& p) {
    Place place = Place::of_thread<W>(p);
    if (!place.there) return;
    float mean[W], low[W] = {}, factor[W], beta[W];
    load_floats<W>(mean, at<const float>(p.saved) + place.channel);
    if (p.low) load_floats<W>(low, at<const float>(p.low) + place.channel);
    load_floats<W>(factor, at<const float>(p.saved) + p.channels + place.channel);
    load_floats<W>(beta, at<const float>(p.beta) + place.channel);
#pragma unroll
    for (int c = 0; c < W; c++) factor[c] *= at<const float>(p.gamma)[place.channel + c];
    for (uint32_t row = place.first; row < place.end; row += ROWS * place.step) {
        float x[ROWS][W], shortcut[ROWS][W];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            // Loads past the end read a valid row, and are not used.
            size_t from = place.at(p, row + r * place.step < place.end ? row + r * place.step : row);
            load_channels<W>(x[r], at<const T>(p.x) + from);
            if (p.shortcut) load_channels<W>(shortcut[r], at<const T>(p.shortcut) + from);
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (row + r * place.step >= place.end) break;
            float y[W];
#pragma unroll
            for (int c = 0; c < W; c++) {
                y[c] = (x[r][c] - mean[c] - low[c]) * factor[c] + beta[c];
                if (p.shortcut) y[c] += shortcut[r][c];
                y[c] = activated(p.activation, y[c]);
            }
            store_channels<W>(at<T>(p.y) + place.at(p, row + r * place.step), y);
        }
    }
}

// dx and dshortcut of each block's rows, from dgamma and dbeta:
// dx = gamma / sqrt(variance + eps) (dy - (dbeta + (x - mean) / sqrt(variance + eps) dgamma) / rows),
// without the terms divided by rows where the statistics did not depend on x.
template <class T, int W> __device__ __forceinline__ void gradient(const BatchNormParams& p) {
    Place place = Place::of_thread<W>(p);
    if (!place.there) return;
    float mean[W], factor[W], constant[W] = {}, slope[W] = {};
    load_floats<W>(mean, at<const float>(p.saved) + place.channel);
    load_floats<W>(factor, at<const float>(p.saved) + p.channels + place.channel);
    float rows = float(p.rows);
#pragma unroll
    for (int c = 0; c < W; c++) {
        if (p.batch) {
            constant[c] = at<const float>(p.dbeta)[place.channel + c] / rows;
            slope[c] = factor[c] * at<const float>(p.dgamma)[place.channel + c] / rows;
        }
        factor[c] *= at<const float>(p.gamma)[place.channel + c];
    }
    for (uint32_t row = place.first; row < place.end; row += ROWS * place.step) {
        float x[ROWS][W], y[ROWS][W], dy[ROWS][W];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            size_t from = place.at(p, row + r * place.step < place.end ? row + r * place.step : row);
            load_channels<W>(x[r], at<const T>(p.x) + from);
            load_channels<W>(dy[r], at<const T>(p.dy) + from);
            if (p.y) load_channels<W>(y[r], at<const T>(p.y) + from);
#pragma unroll
            for (int c = 0; c < W; c++)
                if (p.y && !(y[r][c] > 0.0f)) dy[r][c] = 0.0f;
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (row + r * place.step >= place.end) break;
            size_t to = place.at(p, row + r * place.step);
            if (p.dshortcut) store_channels<W>(at<T>(p.dshortcut) + to, dy[r]);
#pragma unroll
            for (int c = 0; c < W; c++) {
                float from_statistics = p.batch ? constant[c] + (x[r][c] - mean[c]) * slope[c] : 0.0f;
                x[r][c] = factor[c] * (dy[r][c] - from_statistics);
            }
            store_channels<W>(at<T>(p.dx) + to, x[r]);
        }
    }
}

SHARPDIM_KERNEL(256, batch_norm_moments_f32, BatchNormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    if (p.wide) moments<float, WIDE<float>>(p, reinterpret_cast<float*>(shared));
    else moments<float, 1>(p, reinterpret_cast<float*>(shared));
}
SHARPDIM_KERNEL(256, batch_norm_moments_bf16, BatchNormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    if (p.wide) moments<__nv_bfloat16, WIDE<__nv_bfloat16>>(p, reinterpret_cast<float*>(shared));
    else moments<__nv_bfloat16, 1>(p, reinterpret_cast<float*>(shared));
}
SHARPDIM_KERNEL(256, batch_norm_gradient_sums_f32, BatchNormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    if (p.wide) gradient_sums<float, WIDE<float>>(p, reinterpret_cast<float*>(shared));
    else gradient_sums<float, 1>(p, reinterpret_cast<float*>(shared));
}
SHARPDIM_KERNEL(256, batch_norm_gradient_sums_bf16, BatchNormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    if (p.wide) gradient_sums<__nv_bfloat16, WIDE<__nv_bfloat16>>(p, reinterpret_cast<float*>(shared));
    else gradient_sums<__nv_bfloat16, 1>(p, reinterpret_cast<float*>(shared));
}
SHARPDIM_KERNEL(256, batch_norm_apply_f32, BatchNormParams) {
    if (p.wide) apply<float, WIDE<float>>(p);
    else apply<float, 1>(p);
}
SHARPDIM_KERNEL(256, batch_norm_apply_bf16, BatchNormParams) {
    if (p.wide) apply<__nv_bfloat16, WIDE<__nv_bfloat16>>(p);
    else apply<__nv_bfloat16, 1>(p);
}
SHARPDIM_KERNEL(256, batch_norm_gradient_f32, BatchNormParams) {
    if (p.wide) gradient<float, WIDE<float>>(p);
    else gradient<float, 1>(p);
}
SHARPDIM_KERNEL(256, batch_norm_gradient_bf16, BatchNormParams) {
    if (p.wide) gradient<__nv_bfloat16, WIDE<__nv_bfloat16>>(p);
    else gradient<__nv_bfloat16, 1>(p);
}

// Merges the blocks' statistics, saves them, and updates the running statistics. Grid: ceil(channels / 32).
SHARPDIM_KERNEL(256, batch_norm_statistics, BatchNormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    uint32_t lane = threadIdx.x % (THREADS / ADDERS), adder = threadIdx.x / (THREADS / ADDERS);
    uint32_t channel = blockIdx.x * (THREADS / ADDERS) + lane;
    Moments<double> all{0, 0, 0};
    if (channel < p.channels)
        for (uint32_t s = adder; s < p.splits; s += ADDERS) {
            const float* partial = at<const float>(p.partial) + size_t(s) * 2 * p.channels + channel;
            uint32_t left = p.rows - s * p.split_rows;
            all.add(double(left < p.split_rows ? left : p.split_rows), partial[0], partial[p.channels]);
        }
    Moments<double>* others = reinterpret_cast<Moments<double>*>(shared);
    others[threadIdx.x] = all;
    __syncthreads();
    if (channel >= p.channels || adder > 0) return;
    for (int other = 1; other < ADDERS; other++) {
        const Moments<double>& more = others[other * (THREADS / ADDERS) + lane];
        all.add(more.count, more.mean, more.squares);
    }
    double mean = double(at<const float>(p.pivot)[channel]) + all.mean;
    double variance = all.squares / p.rows, momentum = p.momentum;
    float* saved = at<float>(p.saved);
    saved[channel] = float(mean);
    saved[p.channels + channel] = float(1.0 / sqrt(variance + double(p.eps)));
    at<float>(p.low)[channel] = float(mean - double(float(mean)));
    float* running = at<float>(p.mean) + channel;
    *running = float((1.0 - momentum) * double(*running) + momentum * mean);
    running = at<float>(p.variance) + channel;
    *running = float((1.0 - momentum) * double(*running) + momentum * (all.squares / (p.rows - 1.0)));
}

// Saves the running statistics, as batch_norm_statistics does a batch's. One thread per channel, grid: ceil(channels / 256).
SHARPDIM_KERNEL(256, batch_norm_running, BatchNormParams) {
    uint32_t channel = blockIdx.x * THREADS + threadIdx.x;
    if (channel >= p.channels) return;
    float* saved = at<float>(p.saved);
    saved[channel] = at<const float>(p.mean)[channel];
    saved[p.channels + channel] = float(1.0 / sqrt(double(at<const float>(p.variance)[channel]) + double(p.eps)));
}

// dgamma and dbeta from the blocks' sums. Grid: ceil(channels / 32).
SHARPDIM_KERNEL(256, batch_norm_sums, BatchNormParams) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    uint32_t lane = threadIdx.x % (THREADS / ADDERS), adder = threadIdx.x / (THREADS / ADDERS);
    uint32_t channel = blockIdx.x * (THREADS / ADDERS) + lane;
    double gamma = 0, beta = 0;
    if (channel < p.channels)
        for (uint32_t s = adder; s < p.splits; s += ADDERS) {
            const float* partial = at<const float>(p.partial) + size_t(s) * 2 * p.channels + channel;
            gamma += partial[0], beta += partial[p.channels];
        }
    double* gammas = reinterpret_cast<double*>(shared);
    double* betas = gammas + THREADS;
    gammas[threadIdx.x] = gamma, betas[threadIdx.x] = beta;
    __syncthreads();
    if (channel >= p.channels || adder > 0) return;
    for (int other = 1; other < ADDERS; other++) {
        gamma += gammas[other * (THREADS / ADDERS) + lane];
        beta += betas[other * (THREADS / ADDERS) + lane];
    }
    at<float>(p.dgamma)[channel] = float(gamma * double(at<const float>(p.saved)[p.channels + channel]));
    at<float>(p.dbeta)[channel] = float(beta);
}
