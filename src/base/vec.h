/* SPDX-License-Identifier: Apache-2.0 */
/* A vec is a growing array of one type, owned by its holder. A zeroed one is empty.
 *
 *     struct { VEC(struct effect); } effects = { 0 };
 *     struct effect *slot = vec_push(&effects);     zeroed place, or NULL: out of memory
 *     vec_each (&effects, e) ...
 *     vec_finish(&effects);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The members of a vec of type. */
#define VEC(type)                                                                                 \
    type *at;                                                                                     \
    size_t len;                                                                                   \
    size_t cap

/* Append one zeroed element and give its address, valid until the next push; NULL
 * when out of memory (nothing changed). */
#define vec_push(vec)                                                                             \
    ((__typeof__((vec)->at))vec_grow((void **)&(vec)->at, &(vec)->len, &(vec)->cap,               \
                                     sizeof *(vec)->at))

/* Forget the elements, keep the memory. */
#define vec_clear(vec) ((void)((vec)->len = 0))

/* Remove element i by moving the last one into its place. */
#define vec_swap_remove(vec, i) ((void)((vec)->at[i] = (vec)->at[--(vec)->len]))

/* Free the memory and leave an empty vec. Elements are not finished. */
#define vec_finish(vec) vec_release((void **)&(vec)->at, &(vec)->len, &(vec)->cap)

#define vec_each(vec, item)                                                                       \
    for (__typeof__((vec)->at + 0) item = (vec)->at; item < (vec)->at + (vec)->len; item++)

/* Behind the macros: do not call. */
void *vec_grow(void **at, size_t *len, size_t *cap, size_t size);

/* Behind the macros: do not call. */
void vec_release(void **at, size_t *len, size_t *cap);
