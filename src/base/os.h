/* SPDX-License-Identifier: Apache-2.0 */
/* What only the operating system knows: time, randomness, limits. For adapters and the
 * server; core, mesh and node never call it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Milliseconds and microseconds of a clock that never steps back, from an arbitrary start. */
uint64_t os_monotonic_ms(void);
uint64_t os_monotonic_us(void);

/* Milliseconds since 1970-01-01 UTC; may step. */
uint64_t os_wall_ms(void);

/* Fill bytes from the kernel's random source. ERR_OK or ERR_IO. */
int os_random(void *bytes, size_t len);

/* Raise the limit of open files as far as this process may; the limit then in force.
 * Being refused is not an error. */
size_t os_raise_open_files(void);

/* Let the allocator keep this many free bytes instead of giving them back to the kernel at
 * once: a broker frees and needs the same pages many times a second. */
void os_keep_free_bytes(size_t bytes);

/* Give the system what is free in the heap. Takes as long as there are free pieces. */
void os_give_back_memory(void);

/* Resident memory of this process in bytes, 0 when unknown. */
size_t os_resident_bytes(void);
