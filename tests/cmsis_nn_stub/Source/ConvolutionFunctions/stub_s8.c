/* SPDX-License-Identifier: Apache-2.0
 *
 * The int8 operators that exports use, as their documentation defines them and as plain as can be.
 * Every operator first overwrites the whole scratch memory that it is given. */
#include <string.h>

#include "arm_nnfunctions.h"
#include "arm_nnsupportfunctions.h"

#ifndef STUB_NEEDED_BYTES
#define STUB_NEEDED_BYTES 0
#endif

static void scribble(const cmsis_nn_context *ctx)
{
    if (ctx->buf != NULL) {
        memset(ctx->buf, 0x5A, (size_t)ctx->size);
    }
}

static int8_t finish(int32_t sum, int32_t multiplier, int32_t shift, int32_t offset,
                     cmsis_nn_activation bounds)
{
    int32_t value = arm_nn_requantize(sum, multiplier, shift) + offset;

    value = value < bounds.min ? bounds.min : value;
    return (int8_t)(value > bounds.max ? bounds.max : value);
}

/* One output of a convolution: `first` of `count` input channels, weights `step` bytes apart. */
static int32_t window_sum(const cmsis_nn_dims *in, const int8_t *input, const cmsis_nn_dims *filter,
                          const int8_t *weights, int32_t step, int32_t top, int32_t left,
                          int32_t first, int32_t count, int32_t input_offset)
{
    int32_t sum = 0;

    for (int32_t i = 0; i < filter->h; i++) {
        for (int32_t j = 0; j < filter->w; j++) {
            const int32_t y = top + i, x = left + j;
            const int inside = y >= 0 && y < in->h && x >= 0 && x < in->w;

            for (int32_t c = 0; inside && c < count; c++) {
                const int32_t value = input[(y * in->w + x) * in->c + first + c] + input_offset;
                sum += value * weights[(i * filter->w + j) * step + c];
            }
        }
    }
    return sum;
}

arm_cmsis_nn_status arm_convolve_wrapper_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_conv_params *p,
    const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *in, const int8_t *input,
    const cmsis_nn_dims *filter, const int8_t *weights, const cmsis_nn_dims *bias_dims,
    const int32_t *bias, const cmsis_nn_dims *out, int8_t *output)
{
    scribble(ctx);
    if (bias_dims->c != out->c || filter->n != out->c || filter->c != in->c) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    for (int32_t y = 0; y < out->h; y++) {
        for (int32_t x = 0; x < out->w; x++) {
            for (int32_t c = 0; c < out->c; c++) {
                const int8_t *const own = weights + c * filter->h * filter->w * in->c;
                const int32_t sum = window_sum(in, input, filter, own, in->c,
                                               y * p->stride.h - p->padding.h,
                                               x * p->stride.w - p->padding.w, 0, in->c,
                                               p->input_offset);
                *output++ = finish(bias[c] + sum, q->multiplier[c], q->shift[c], p->output_offset,
                                   p->activation);
            }
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_dw_conv_params *p,
    const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *in, const int8_t *input,
    const cmsis_nn_dims *filter, const int8_t *weights, const cmsis_nn_dims *bias_dims,
    const int32_t *bias, const cmsis_nn_dims *out, int8_t *output)
{
    scribble(ctx);
    if (bias_dims->c != out->c || filter->n != 1 || filter->c != out->c || p->ch_mult != 1) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    for (int32_t y = 0; y < out->h; y++) {
        for (int32_t x = 0; x < out->w; x++) {
            for (int32_t c = 0; c < out->c; c++) {
                const int32_t sum = window_sum(in, input, filter, weights + c, out->c,
                                               y * p->stride.h - p->padding.h,
                                               x * p->stride.w - p->padding.w, c, 1,
                                               p->input_offset);
                *output++ = finish(bias[c] + sum, q->multiplier[c], q->shift[c], p->output_offset,
                                   p->activation);
            }
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_fully_connected_per_channel_s8(
    const cmsis_nn_context *ctx, const cmsis_nn_fc_params *p,
    const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *in, const int8_t *input,
    const cmsis_nn_dims *filter, const int8_t *weights, const cmsis_nn_dims *bias_dims,
    const int32_t *bias, const cmsis_nn_dims *out, int8_t *output)
{
    const int32_t *const sums = (const int32_t *)ctx->buf;

    if (bias_dims->c != out->c || filter->c != out->c || filter->n != in->h * in->w * in->c) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    for (int32_t c = 0; c < out->c; c++) {
        /* With scratch memory, arm_vector_sum_s8 has been called: the sums hold bias and offset. */
        int32_t sum = sums != NULL ? sums[c] : bias[c];

        for (int32_t i = 0; i < filter->n; i++) {
            sum += (input[i] + (sums != NULL ? 0 : p->input_offset)) * weights[c * filter->n + i];
        }
        output[c] = finish(sum, q->multiplier[c], q->shift[c], p->output_offset, p->activation);
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_vector_sum_s8(int32_t *sums, const int32_t cols, const int32_t rows,
                                      const int8_t *data, const int32_t lhs_offset,
                                      const int32_t rhs_offset, const int32_t *bias)
{
    for (int32_t row = 0; row < rows; row++) {
        sums[row] = bias[row];
        for (int32_t i = 0; i < cols; i++) {
            sums[row] += lhs_offset * (data[row * cols + i] + rhs_offset);
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}

static arm_cmsis_nn_status pool(const cmsis_nn_context *ctx, const cmsis_nn_pool_params *p,
                                const cmsis_nn_dims *in, const int8_t *input,
                                const cmsis_nn_dims *filter, const cmsis_nn_dims *out,
                                int8_t *output, int maximum)
{

    scribble(ctx);
    for (int32_t place = 0; place < out->h * out->w * out->c; place++) {
        const int32_t c = place % out->c;
        const int32_t top = place / out->c / out->w * p->stride.h - p->padding.h;
        const int32_t left = place / out->c % out->w * p->stride.w - p->padding.w;
        int32_t sum = 0, largest = -128, count = 0;

        for (int32_t y = top; y < top + filter->h; y++) {
            for (int32_t x = left; x < left + filter->w; x++) {
                if (y >= 0 && y < in->h && x >= 0 && x < in->w) {
                    const int32_t value = input[(y * in->w + x) * in->c + c];
                    largest = value > largest ? value : largest;
                    sum += value;
                    count++;
                }
            }
        }
        if (!maximum) {
            largest = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
        }
        output[place] = (int8_t)largest;
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context *ctx, const cmsis_nn_pool_params *p,
                                    const cmsis_nn_dims *in, const int8_t *input,
                                    const cmsis_nn_dims *filter, const cmsis_nn_dims *out,
                                    int8_t *output)
{
    return pool(ctx, p, in, input, filter, out, output, 1);
}

arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context *ctx, const cmsis_nn_pool_params *p,
                                   const cmsis_nn_dims *in, const int8_t *input,
                                   const cmsis_nn_dims *filter, const cmsis_nn_dims *out,
                                   int8_t *output)
{
    return pool(ctx, p, in, input, filter, out, output, 0);
}

arm_cmsis_nn_status arm_elementwise_add_s8(
    const int8_t *first, const int8_t *second, const int32_t offset1, const int32_t mult1,
    const int32_t shift1, const int32_t offset2, const int32_t mult2, const int32_t shift2,
    const int32_t left_shift, int8_t *output, const int32_t out_offset, const int32_t out_mult,
    const int32_t out_shift, const int32_t minimum, const int32_t maximum, const int32_t count)
{
    const cmsis_nn_activation bounds = {minimum, maximum};

    for (int32_t i = 0; i < count; i++) {
        const int32_t a = (first[i] + offset1) * (1 << left_shift);
        const int32_t b = (second[i] + offset2) * (1 << left_shift);
        const int32_t sum = arm_nn_requantize(a, mult1, shift1) + arm_nn_requantize(b, mult2, shift2);

        output[i] = finish(sum, out_mult, out_shift, out_offset, bounds);
    }
    return ARM_CMSIS_NN_SUCCESS;
}

int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *p,
                                                const cmsis_nn_dims *in,
                                                const cmsis_nn_dims *filter,
                                                const cmsis_nn_dims *out)
{
    (void)p, (void)in, (void)filter, (void)out;
    return STUB_NEEDED_BYTES;
}

int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params *p,
                                                      const cmsis_nn_dims *in,
                                                      const cmsis_nn_dims *filter,
                                                      const cmsis_nn_dims *out)
{
    (void)p, (void)in, (void)filter, (void)out;
    return STUB_NEEDED_BYTES;
}

int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims *filter)
{
    (void)filter;
    return STUB_NEEDED_BYTES;
}

int32_t arm_avgpool_s8_get_buffer_size(const int width, const int channels)
{
    (void)width, (void)channels;
    return STUB_NEEDED_BYTES;
}
