/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of a pooling operator as numbers, and what its windows see.
 */
#ifndef SS_POOL_SHAPE_H
#define SS_POOL_SHAPE_H

#include "ss_pool_geometry.h"
#include "ss_target.h"
#include "ss_window.h"

typedef struct {
    int32_t in_h, in_w, channels;
    int32_t out_h, out_w;
    int32_t k_h, k_w;
    int32_t s_h, s_w;
    int32_t pad_top, pad_left;
    int32_t input_row; /* elements of a row of the input */
    int padded;        /* whether a window may see padding */
} ss_pool_shape;

/* What a window sees of the input. */
typedef struct {
    const int8_t *input; /* channel 0 of its first pixel */
    int32_t rows, columns;
} ss_pool_window;

SS_INLINE ss_pool_shape ss_pool_shape_of(const ss_pool_geometry *geometry)
{
    ss_pool_shape s;

    s.in_h = SS_READ_U16(&geometry->in_h);
    s.in_w = SS_READ_U16(&geometry->in_w);
    s.channels = SS_READ_U16(&geometry->channels);
    s.out_h = SS_READ_U16(&geometry->out_h);
    s.out_w = SS_READ_U16(&geometry->out_w);
    s.k_h = SS_READ_U8(&geometry->k_h);
    s.k_w = SS_READ_U8(&geometry->k_w);
    s.s_h = SS_READ_U8(&geometry->s_h);
    s.s_w = SS_READ_U8(&geometry->s_w);
    s.pad_top = SS_READ_U8(&geometry->pad_top);
    s.pad_left = SS_READ_U8(&geometry->pad_left);
    s.input_row = s.in_w * s.channels;
    s.padded = s.pad_top > 0 || s.pad_left > 0 || (s.out_h - 1) * s.s_h + s.k_h > s.in_h ||
               (s.out_w - 1) * s.s_w + s.k_w > s.in_w;
    return s;
}

/* The window of one output pixel. */
SS_INLINE ss_pool_window ss_pool_window_at(const ss_pool_shape *shape, const int8_t *input,
                                           int32_t out_y, int32_t out_x)
{
    const int32_t in_y = out_y * shape->s_h - shape->pad_top;
    const int32_t in_x = out_x * shape->s_w - shape->pad_left;
    ss_taps rows = {0, shape->k_h}, columns = {0, shape->k_w};
    ss_pool_window window;

    if (shape->padded) {
        rows = ss_clip(in_y, shape->k_h, shape->in_h);
        columns = ss_clip(in_x, shape->k_w, shape->in_w);
    }
    window.input = input + (in_y + rows.first) * shape->input_row +
                   (in_x + columns.first) * shape->channels;
    window.rows = rows.end - rows.first;
    window.columns = columns.end - columns.first;
    return window;
}

#endif
