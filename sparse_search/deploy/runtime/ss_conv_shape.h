/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of a convolution as numbers.
 */
#ifndef SS_CONV_SHAPE_H
#define SS_CONV_SHAPE_H

#include "ss_conv_geometry.h"
#include "ss_output.h"
#include "ss_pooled_conv_geometry.h"
#include "ss_window.h"

#ifndef SS_POOLED
#define SS_POOLED 0
#endif

/* The record of a kernel, and what it says of the convolution. */
#if SS_POOLED
#define SS_CONV_PARAMETER const ss_pooled_conv_geometry *geometry
#define SS_CONV (&geometry->conv)
#else
#define SS_CONV_PARAMETER const ss_conv_geometry *geometry
#define SS_CONV geometry
#endif

typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t k_h, k_w;
    int32_t s_h, s_w;
    int32_t pad_top, pad_left;
    int32_t input_row;            /* elements of a row of the input */
    int32_t kernel_row;           /* weights of a row of the kernel */
    int32_t full_begin, full_end; /* columns of the output whose windows see only input;
                                   * set by ss_conv_shape_of only */
} ss_conv_shape;

SS_INLINE ss_conv_shape ss_conv_shape_read(const ss_conv_geometry *geometry)
{
    ss_conv_shape s;

    s.in_h = SS_READ_U16(&geometry->in_h);
    s.in_w = SS_READ_U16(&geometry->in_w);
    s.in_c = SS_READ_U16(&geometry->in_c);
    s.out_h = SS_READ_U16(&geometry->out_h);
    s.out_w = SS_READ_U16(&geometry->out_w);
    s.out_c = SS_READ_U16(&geometry->out_c);
    s.k_h = SS_READ_U8(&geometry->k_h);
    s.k_w = SS_READ_U8(&geometry->k_w);
    s.s_h = SS_READ_U8(&geometry->s_h);
    s.s_w = SS_READ_U8(&geometry->s_w);
    s.pad_top = SS_READ_U8(&geometry->pad_top);
    s.pad_left = SS_READ_U8(&geometry->pad_left);
    s.input_row = s.in_w * s.in_c;
    s.kernel_row = s.k_w * s.in_c;
    return s;
}

/* For kernels that are specialised: what follows from the shape is resolved by the compiler. */
SS_INLINE ss_conv_shape ss_conv_shape_of(const ss_conv_geometry *geometry)
{
    ss_conv_shape s = ss_conv_shape_read(geometry);

    if (s.k_h == 1 && s.k_w == 1 && s.s_h == 1 && s.s_w == 1) {
        /* Every pixel by itself: one long row. */
        s.in_w *= s.in_h;
        s.out_w *= s.out_h;
        s.in_h = 1;
        s.out_h = 1;
        s.input_row = s.in_w * s.in_c;
    }
    s.full_begin = (s.pad_left + s.s_w - 1) / s.s_w;
    s.full_end = s.in_w + s.pad_left < s.k_w ? 0 : (s.in_w + s.pad_left - s.k_w) / s.s_w + 1;
    s.full_end = s.full_end < s.out_w ? s.full_end : s.out_w;
    return s;
}

SS_INLINE ss_output ss_conv_output(const ss_conv_geometry *geometry, ss_channels channels,
                                   int small)
{
    const int32_t zero_point = SS_READ_I8(&geometry->output_zero_point);
    const int32_t act_min = SS_READ_I8(&geometry->act_min);
    const int32_t act_max = SS_READ_I8(&geometry->act_max);

    return ss_output_of(channels, zero_point, act_min, act_max, small);
}

#endif
