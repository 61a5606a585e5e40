/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation faults by countdown. A program linked with alloc_fault_args has its mallocs
 * counted: after alloc_fault_after(n), n of them succeed and the next one fails, once.
 * Include it in one file of a program. Check allocates too: disarm before asserting. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long alloc_fault_left = -1;

/* Let n allocations succeed and the next one fail; negative: let all succeed. */
static inline void alloc_fault_after(long n)
{
    alloc_fault_left = n;
}

/* Has the fault happened since it was armed? */
static inline bool alloc_fault_happened(void)
{
    return alloc_fault_left < 0;
}

static bool alloc_fault_now(void)
{
    return alloc_fault_left >= 0 && alloc_fault_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return alloc_fault_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return alloc_fault_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return alloc_fault_now() ? NULL : __real_realloc(old, size);
}
