/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a sketch as Arduino does, but its loop once. */
#include "sketch.cpp"

int main(void)
{
    setup();
    loop();
    return 0;
}
