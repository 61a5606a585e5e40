/* SPDX-License-Identifier: Apache-2.0 */
#include "store/heads.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

/* Pages are as large as most of the two heads say. */
static int page_bytes_find(struct survey *s)
{
    uint8_t page[PAGE_BYTES_MIN];
    struct page_head head;
    int best = 0;

    for (size_t bytes = PAGE_BYTES_MIN; bytes <= PAGE_BYTES_MAX; bytes *= 2) {
        int votes = 0;
        for (unsigned i = 0; i < PAGE_HEADS; i++) {
            size_t got = 0;
            int err = disk_read_all(s->disk, s->file, page, sizeof page, i * bytes, &got);
            if (err || got < sizeof page)
                continue;
            const char *wrong = page_head_read(page, bytes, i, &head);
            votes += (head.unused.page_bytes == bytes) + 2 * !wrong;
        }
        if (votes > best) {
            best = votes;
            s->page_bytes = bytes;
        }
    }
    return best > 0 ? ERR_OK : ERR_CHECKSUM;
}

/* The last transaction that freed pages, as the tree of a head says: each frees some. 0: none, or
 * it can't be told. */
static uint64_t last_freeing(struct survey *s, const struct page_head *head, uint8_t *page)
{
    uint64_t number = head->unused.root;
    struct page_node node;
    size_t txn;

    if (head->unused.root == SIZE_MAX)
        return 0;
    for (unsigned level = 0; level < head->unused.depth && level < PAGE_DEPTH_MAX; level++) {
        bool leaf = level + 1 == head->unused.depth;
        if (number < PAGE_HEADS || number > head->last || survey_page_get(s, number, page) ||
            page_check(page, s->page_bytes, number, leaf ? PAGE_LEAF : PAGE_BRANCH) ||
            !page_node_read(page, s->page_bytes, page_node_count(page) - 1, &node))
            return 0;
        number = node.page;
    }
    if (node.key.len != sizeof txn)
        return 0;
    memcpy(&txn, node.key.ptr, sizeof txn);
    return txn;
}

/* The number of the transaction that a head is of, whatever of it is wrong; says what is. */
static uint64_t head_judge(struct survey *s, unsigned index, uint8_t *page,
                           struct page_head *ret_head)
{
    const char *wrong = survey_page_get(s, index, page);

    memset(ret_head, 0, sizeof *ret_head);
    if (!wrong)
        wrong = page_head_read(page, s->page_bytes, index, ret_head);
    bool ours = wrong == NULL || ret_head->txn % PAGE_HEADS == index;
    uint64_t freeing = last_freeing(s, ret_head, page), txn = ours ? ret_head->txn : 0;
    if (!wrong && freeing != txn && (txn > 1 || freeing > 0)) /* the first one frees nothing */
        wrong = "does not have the number of its transaction";
    if (!wrong)
        return txn;
    s->damaged++;
    survey_say(s, index, "%s", wrong);
    return freeing && freeing % PAGE_HEADS == index ? freeing : txn;
}

int heads_read(struct survey *s)
{
    struct page_head heads[PAGE_HEADS];
    uint64_t txns[PAGE_HEADS];
    int err = page_bytes_find(s);
    uint8_t *page = err ? NULL : malloc(s->page_bytes);

    if (!page)
        return err ? err : ERR_NOMEM;
    for (unsigned i = 0; i < PAGE_HEADS; i++)
        txns[i] = head_judge(s, i, page, &heads[i]);
    free(page);
    unsigned last = txns[1] > txns[0];
    if (s->damaged == 0 && txns[0] != txns[1] && txns[last] != txns[1 - last] + 1) {
        s->damaged++;
        survey_say(s, last, "is not of the transaction after the other one's");
    }
    s->head = heads[last];
    s->head.txn = txns[last];
    s->pages = (uint64_t)s->head.last + 1;
    s->empty = s->damaged == 0 && s->head.txn == 0 && s->head.main.root == SIZE_MAX;
    return ERR_OK;
}
