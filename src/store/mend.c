/* SPDX-License-Identifier: Apache-2.0 */
#include "store/mend.h"

#include "base/err.h"
#include "store/row.h"

static bool row_is_whole(struct survey *survey, const uint8_t *page, size_t at)
{
    struct page_node node;
    struct str value;

    return page_node_read(page, survey->page_bytes, at, &node) && !node.is_tree &&
           !survey_value(survey, &node, &value) &&
           row_open(node.key, value, &value) == ERR_OK;
}

bool mend_is_whole(struct survey *survey, const uint8_t *page, uint64_t number)
{
    if (page_check(page, survey->page_bytes, number, PAGE_LEAF))
        return false;
    size_t count = page_node_count(page);
    for (size_t i = 0; i < count; i++) {
        if (!row_is_whole(survey, page, i))
            return false;
    }
    return true;
}

/* The bit is in a row, for the page itself makes sense. */
static bool row_mend(struct survey *survey, uint8_t *page, uint64_t number)
{
    size_t count = page_node_count(page), bad = 0;
    struct page_node node;

    while (bad < count && row_is_whole(survey, page, bad))
        bad++;
    if (!page_node_read(page, survey->page_bytes, bad, &node))
        return false;
    uint8_t *row = page + (node.key.ptr - (const char *)page);
    size_t bits = 8 * (node.key.len + (node.page ? sizeof(size_t) : node.value_len));
    for (size_t bit = 0; bit < bits; bit++) {
        row[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (row_is_whole(survey, page, bad))
            return mend_is_whole(survey, page, number);
        row[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    return false;
}

bool mend_leaf(struct survey *survey, uint8_t *page, uint64_t number)
{
    if (!page_check(page, survey->page_bytes, number, PAGE_LEAF) &&
        row_mend(survey, page, number))
        return true;
    for (size_t bit = 0; bit < survey->page_bytes * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (mend_is_whole(survey, page, number))
            return true;
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    return false;
}
