/* SPDX-License-Identifier: Apache-2.0 */
#include "store/page.h"

#include <string.h>

enum { NODE_FAR = 0x01, NODE_TREE = 0x02 };

enum {
    HEAD_KIND = sizeof(size_t) + 2,
    HEAD_LOWER = HEAD_KIND + 2,
    HEAD_UPPER = HEAD_LOWER + 2,
    HEAD_LEN = HEAD_UPPER + 2,
    NODE_FLAGS = 4,
    NODE_KEY_LEN = 6,
    NODE_LEN = 8,
    KEY_MAX = 511,
};

#define HEAD_MAGIC UINT32_C(0xBEEFC0DE)
enum { HEAD_VERSION = 1, HEAD_PAGE = 0x08, UNUSED_FLAGS = 0x08, FILE_FLAGS = 0x4000 };

static uint16_t u16_at(const uint8_t *bytes, size_t at)
{
    uint16_t value;

    memcpy(&value, bytes + at, sizeof value);
    return value;
}

static uint32_t u32_at(const uint8_t *bytes, size_t at)
{
    uint32_t value;

    memcpy(&value, bytes + at, sizeof value);
    return value;
}

uint64_t page_number(const uint8_t *page)
{
    size_t number;

    memcpy(&number, page, sizeof number);
    return number;
}

unsigned page_kind(const uint8_t *page)
{
    return u16_at(page, HEAD_KIND);
}

uint32_t page_overflow_count(const uint8_t *page)
{
    return u32_at(page, HEAD_LOWER);
}

size_t page_node_count(const uint8_t *page)
{
    uint16_t lower = u16_at(page, HEAD_LOWER);

    return lower < HEAD_LEN ? 0 : (lower - HEAD_LEN) / sizeof(uint16_t);
}

size_t page_overflow_begin(void)
{
    return HEAD_LEN;
}

uint64_t page_overflow_need(size_t value_len, size_t page_bytes)
{
    return ((uint64_t)value_len + HEAD_LEN + page_bytes - 1) / page_bytes;
}

bool page_tree_is_sane(const struct page_tree *tree, uint64_t pages)
{
    bool empty = tree->root == SIZE_MAX;

    if (tree->depth > PAGE_DEPTH_MAX || empty != (tree->depth == 0) ||
        empty != (tree->rows == 0) || empty != (tree->leaves == 0))
        return false;
    return empty || (tree->root >= PAGE_HEADS && tree->root < pages && tree->leaves < pages &&
                     tree->branches < pages && tree->overflows < pages);
}

const char *page_head_read(const uint8_t *page, size_t page_bytes, unsigned index,
                           struct page_head *ret_head)
{
    struct page_head head;

    memcpy(&head, page + HEAD_LEN, sizeof head);
    *ret_head = head;
    if (page_number(page) != index || page_kind(page) != HEAD_PAGE)
        return "is no head of a file";
    if (head.magic != HEAD_MAGIC || head.version != HEAD_VERSION)
        return "is no head of such a file";
    if (head.unused.page_bytes != page_bytes)
        return "tells of another size of pages";
    if ((head.unused.flags & ~FILE_FLAGS) != UNUSED_FLAGS || head.main.flags != 0 ||
        head.last < PAGE_HEADS - 1)
        return "makes no sense";
    if (!page_tree_is_sane(&head.unused, (uint64_t)head.last + 1) ||
        !page_tree_is_sane(&head.main, (uint64_t)head.last + 1))
        return "tells of a tree that can't be";
    if (head.txn > 0 && head.txn % PAGE_HEADS != index)
        return "has the number of the other one's transactions";
    return NULL;
}

/* The node at a place in the page, and how much it takes; false: it can't be one. */
static bool node_at(const uint8_t *page, size_t page_bytes, size_t place,
                    struct page_node *ret_node, size_t *ret_len)
{
    bool leaf = page_kind(page) & PAGE_LEAF;

    if (place % 2 || place < HEAD_LEN || place + NODE_LEN > page_bytes)
        return false;
    const uint8_t *node = page + place;
    uint16_t flags = u16_at(node, NODE_FLAGS), key_len = u16_at(node, NODE_KEY_LEN);
    size_t value_len = u32_at(node, 0), here = 0;
    if (leaf)
        here = flags & NODE_FAR ? sizeof(size_t) : value_len;
    size_t len = NODE_LEN + key_len + here;
    if (len > page_bytes - place || key_len > KEY_MAX ||
        (leaf && (key_len == 0 || (flags & ~(NODE_FAR | NODE_TREE)) || flags == 3)))
        return false;
    struct page_node read = { .key = { (const char *)node + NODE_LEN, key_len } };
    const char *value = read.key.ptr + key_len;
    read.is_tree = leaf && (flags & NODE_TREE);
    if (read.is_tree && value_len != sizeof(struct page_tree))
        return false;
    if (!leaf) {
        read.page = value_len | (sizeof(size_t) > 4 ? (uint64_t)flags << 32 : 0);
    } else if (flags & NODE_FAR) {
        read.page = page_number((const uint8_t *)value);
        read.value_len = value_len;
    } else {
        read.value = (struct str){ value, value_len };
        read.value_len = value_len;
    }
    *ret_node = read;
    *ret_len = len + len % 2;
    return true;
}

bool page_node_read(const uint8_t *page, size_t page_bytes, size_t at, struct page_node *ret_node)
{
    size_t place = HEAD_LEN + at * sizeof(uint16_t), len;

    if (place + sizeof(uint16_t) > page_bytes)
        return false;
    return node_at(page, page_bytes, u16_at(page, place), ret_node, &len);
}

/* Do the nodes fill the page from upper to its end, each with one place? */
static bool nodes_fill(const uint8_t *page, size_t page_bytes)
{
    uint8_t begins[PAGE_BYTES_MAX / 2 / 8];
    size_t count = page_node_count(page), upper = u16_at(page, HEAD_UPPER);
    struct page_node node;
    size_t len, at = upper;

    memset(begins, 0, (page_bytes + 15) / 16);
    for (size_t i = 0; i < count; i++) {
        size_t place = u16_at(page, HEAD_LEN + i * sizeof(uint16_t));
        if (place % 2 || place < upper || place >= page_bytes)
            return false;
        begins[place / 16] |= (uint8_t)(1u << place / 2 % 8);
    }
    for (size_t i = 0; i < count; i++, at += len) {
        if (at >= page_bytes || !(begins[at / 16] & 1u << at / 2 % 8) ||
            !node_at(page, page_bytes, at, &node, &len))
            return false;
    }
    return at == page_bytes;
}

const char *page_check(const uint8_t *page, size_t page_bytes, uint64_t number,
                       enum page_kind kind)
{
    size_t lower = u16_at(page, HEAD_LOWER), upper = u16_at(page, HEAD_UPPER);

    if (page_number(page) != number)
        return "has another page's number";
    if (page_kind(page) != kind)
        return kind == PAGE_LEAF ? "is no leaf" : "is no branch";
    if (lower <= HEAD_LEN || lower % 2 || upper < lower || upper > page_bytes || upper % 2)
        return "has bounds that can't be";
    if (!nodes_fill(page, page_bytes))
        return "has nodes that can't be";
    return NULL;
}
