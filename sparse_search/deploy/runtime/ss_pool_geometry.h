/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape of a pooling operator: 16 bytes on every platform.
 *
 * Pooling keeps the scale and the zero point of its input. Windows are placed as in
 * ss_conv_geometry.h; padding is left out, and every window sees at least one input element.
 */
#ifndef SS_POOL_GEOMETRY_H
#define SS_POOL_GEOMETRY_H

#include "ss_platform.h"

typedef struct {
    uint16_t in_h, in_w, channels; /* 1 .. 65535 */
    uint16_t out_h, out_w;         /* 1 .. 65535 */
    uint8_t k_h, k_w;              /* kernel, 1 .. 255 */
    uint8_t s_h, s_w;              /* stride, 1 .. 255 */
    uint8_t pad_top, pad_left;     /* 0 .. k - 1 */
} ss_pool_geometry;

SS_STATIC_ASSERT(ss_pool_geometry_is_16_bytes, sizeof(ss_pool_geometry) == 16);

#endif
