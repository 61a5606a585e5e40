/* SPDX-License-Identifier: Apache-2.0 */
/* A page of the file that LMDB 0.9 keeps the tables in, as bytes that may be wrong. LMDB has no
 * checksums of its pages and believes all that they say; here nothing is believed that was not
 * looked at. What a page is made of:
 *
 *     head      number size_t, unused u16, kind u16, lower u16, upper u16
 *     places    of the nodes, u16 each, in the order of their keys, up to lower
 *     nodes     from upper to the end of the page, without gaps, each of an even length
 *
 * A node is a length u32, flags u16, length of the key u16, the key, and in leaves the value. In
 * a branch the length and the flags are the number of the page below. A value that is too long
 * has pages of its own, and its node their first number. Numbers are the machine's. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum page_kind { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04 };

enum {
    PAGE_BYTES_MIN = 512,
    PAGE_BYTES_MAX = 32768,
    PAGE_HEADS = 2,  /* the first pages: two heads of the file, written in turn */
    PAGE_DEPTH_MAX = 32,
};

/* What the file says of one of its trees. */
struct page_tree {
    uint32_t page_bytes; /* in the first tree of a head; else 0 */
    uint16_t flags, depth;
    size_t branches, leaves, overflows; /* pages */
    size_t rows;
    size_t root; /* SIZE_MAX: it is empty */
};

/* A head of the file: what a transaction left. */
struct page_head {
    uint32_t magic, version;
    void *address; /* unused */
    size_t map_len;
    struct page_tree unused; /* the tree of pages that are free: by transaction */
    struct page_tree main;   /* the tree of the tables: by name */
    size_t last;             /* page */
    size_t txn;
};

struct page_node {
    struct str key;
    struct str value;  /* of a leaf, unless it is elsewhere */
    uint64_t page;     /* of a branch: below; of a leaf: the first one of the value, or 0 */
    size_t value_len;
    bool is_tree;      /* the value is a struct page_tree */
};

/* The number that the page says it has; its kind; how many pages a value takes, of the first
 * one; how many nodes there are. */
uint64_t page_number(const uint8_t *page);
unsigned page_kind(const uint8_t *page);
uint32_t page_overflow_count(const uint8_t *page);
size_t page_node_count(const uint8_t *page);

/* Where the bytes of a value begin in its first page. */
size_t page_overflow_begin(void);

/* How many pages a value of that length takes at least. */
uint64_t page_overflow_need(size_t value_len, size_t page_bytes);

/* The head in the page. What is wrong with it, or NULL. */
const char *page_head_read(const uint8_t *page, size_t page_bytes, unsigned index,
                           struct page_head *ret_head);

/* Could there be such a tree in so many pages? */
bool page_tree_is_sane(const struct page_tree *tree, uint64_t pages);

/* What is wrong with a branch or leaf page, or NULL: then each of its nodes can be read. */
const char *page_check(const uint8_t *page, size_t page_bytes, uint64_t number,
                       enum page_kind kind);

/* A node; false: it is not within the page, or makes no sense. Any page will do. */
bool page_node_read(const uint8_t *page, size_t page_bytes, size_t at, struct page_node *ret_node);
