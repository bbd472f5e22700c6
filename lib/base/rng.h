/*
 * rng - random bytes of the kernel
 */
#ifndef DIST_RNG_H
#define DIST_RNG_H

#include <stddef.h>
#include <stdint.h>

void rng_bytes(void *out, size_t size); /* getrandom(2); ends the process where the kernel has none */
double rng_unit(void);                  /* 0 <= x < 1, from 53 random bits */

#endif
