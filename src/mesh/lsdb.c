/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/lsdb.h"

#include "base/digest.h"
#include "base/err.h"
#include "base/hash.h"
#include "mesh/tlsa.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int node_id_compare(const struct node_id *a, const struct node_id *b)
{
    return memcmp(a->bytes, b->bytes, NODE_ID_LEN);
}

uint32_t node_sid(const struct node_id *id, uint8_t salt)
{
    uint8_t text[NODE_ID_LEN + 1], digest[DIGEST_LEN];

    memcpy(text, id->bytes, NODE_ID_LEN);
    text[NODE_ID_LEN] = salt;
    digest_sha256(text, sizeof text, digest);
    uint32_t sid = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 |
                   (uint32_t)digest[2] << 8 | digest[3];
    return sid ? sid : 1;
}

static bool id_is(const void *entry, const void *key)
{
    return node_id_equal(&((const struct lsdb_node *)entry)->id, key);
}

static uint64_t id_hash(const struct node_id *id)
{
    return hash_fast(1, id->bytes, NODE_ID_LEN);
}

static bool sid_is(const void *entry, const void *key)
{
    return ((const struct lsdb_node *)entry)->sid == *(const uint32_t *)key;
}

int lsdb_init(struct lsdb *lsdb, const struct node_id *self, size_t nodes_max)
{
    struct lsdb_node *node;

    *lsdb = (struct lsdb){ .nodes_max = nodes_max, .now_ms = lsdb->now_ms };
    map_init(&lsdb->ids, id_is);
    map_init(&lsdb->sids, sid_is);
    int err = lsdb_need(lsdb, self, &node);
    if (!err)
        node->dist = 0;
    return err;
}

static void node_free(struct lsdb_node *node)
{
    iset_free(node->set);
    free(node->record);
    free(node->edges);
    free(node);
}

void lsdb_finish(struct lsdb *lsdb)
{
    vec_each (&lsdb->order, node)
        node_free(*node);
    vec_finish(&lsdb->order);
    vec_finish(&lsdb->nodes);
    vec_finish(&lsdb->free);
    map_finish(&lsdb->ids);
    map_finish(&lsdb->sids);
}

/* The place in order where id would be. */
static size_t place_of(const struct lsdb *lsdb, const struct node_id *id)
{
    size_t low = 0, high = lsdb->order.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (node_id_compare(&lsdb->order.at[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct lsdb_node *lsdb_find(const struct lsdb *lsdb, const struct node_id *id)
{
    return map_find(&lsdb->ids, id_hash(id), id);
}

/* An index for a new node: a used one, or one more. */
static bool take_index(struct lsdb *lsdb, uint32_t *ret_index)
{
    if (lsdb->free.len) {
        *ret_index = lsdb->free.at[--lsdb->free.len];
        return true;
    }
    *ret_index = (uint32_t)lsdb->nodes.len;
    return vec_push(&lsdb->nodes) != NULL;
}

static void rank_from(struct lsdb *lsdb, size_t place)
{
    for (size_t i = place; i < lsdb->order.len; i++)
        lsdb->order.at[i]->rank = (uint32_t)i;
}

int lsdb_need(struct lsdb *lsdb, const struct node_id *id, struct lsdb_node **ret_node)
{
    struct lsdb_node *node = lsdb_find(lsdb, id);
    uint32_t index;

    if (node) {
        *ret_node = node;
        return ERR_OK;
    }
    if (lsdb->order.len >= lsdb->nodes_max)
        return ERR_LIMIT;
    node = calloc(1, sizeof *node);
    if (!node || !take_index(lsdb, &index)) {
        free(node);
        return ERR_NOMEM;
    }
    node->id = *id;
    node->ecmp_key = id_hash(id);
    bool listed = vec_push(&lsdb->order) != NULL;
    if (!listed || map_insert(&lsdb->ids, node->ecmp_key, node) != ERR_OK) {
        lsdb->order.len -= listed;
        free(node);
        lsdb->nodes.at[index] = NULL;
        uint32_t *slot = vec_push(&lsdb->free);
        if (slot)
            *slot = index;
        return ERR_NOMEM;
    }
    node->index = index;
    node->dist = UINT32_MAX;
    node->lost_ms = lsdb->now_ms;
    node->bucket = (uint8_t)(hash_fast(0, id->bytes, NODE_ID_LEN) % DIGEST_BUCKETS);
    node->set_expires_ms = UINT64_MAX;
    list_init(&node->installing);
    list_init(&node->retired);
    list_init(&node->journal);
    lsdb->nodes.at[index] = node;
    size_t place = 0;
    lsdb->order.len--;
    place = place_of(lsdb, id);
    lsdb->order.len++;
    memmove(&lsdb->order.at[place + 1], &lsdb->order.at[place],
            (lsdb->order.len - 1 - place) * sizeof lsdb->order.at[0]);
    lsdb->order.at[place] = node;
    rank_from(lsdb, place);
    node->edges_open = true;
    lsdb_touch(node);
    *ret_node = node;
    return ERR_OK;
}

/* No edge points to the node any more. */
static void close_edges_to(struct lsdb *lsdb, uint32_t index)
{
    vec_each (&lsdb->order, at) {
        for (uint32_t i = 0; i < (*at)->edge_count; i++) {
            if ((*at)->edges[i].node != index)
                continue;
            (*at)->edges[i].node = NODE_NONE;
            (*at)->edges_open = true;
        }
    }
}

/* Who of all with this sid may have it: the lowest id. */
static int settle_sid(struct lsdb *lsdb, uint32_t sid)
{
    struct lsdb_node *winner = NULL;

    map_remove(&lsdb->sids, hash_mix(sid), &sid);
    vec_each (&lsdb->order, at) {
        if ((*at)->sid != sid)
            continue;
        if ((*at)->sid_lost)
            lsdb->sid_conflicts--;
        (*at)->sid_lost = winner != NULL;
        if (winner)
            lsdb->sid_conflicts++;
        else
            winner = *at;
    }
    return winner ? map_insert(&lsdb->sids, hash_mix(sid), winner) : ERR_OK;
}

void lsdb_remove(struct lsdb *lsdb, struct lsdb_node *node)
{
    assert(node->index != NODE_SELF && list_empty(&node->journal));
    lsdb_set_sid(lsdb, node, 0);
    map_remove(&lsdb->ids, node->ecmp_key, &node->id);
    close_edges_to(lsdb, node->index);
    size_t place = node->rank;
    memmove(&lsdb->order.at[place], &lsdb->order.at[place + 1],
            (lsdb->order.len - 1 - place) * sizeof lsdb->order.at[0]);
    lsdb->order.len--;
    rank_from(lsdb, place);
    lsdb->nodes.at[node->index] = NULL;
    uint32_t *slot = vec_push(&lsdb->free);
    if (slot)
        *slot = node->index;
    node_free(node);
}

struct lsdb_node *lsdb_by_sid(const struct lsdb *lsdb, uint32_t sid)
{
    return map_find(&lsdb->sids, hash_mix(sid), &sid);
}

int lsdb_set_sid(struct lsdb *lsdb, struct lsdb_node *node, uint32_t sid)
{
    uint32_t before = node->sid;

    if (before == sid)
        return ERR_OK;
    node->sid = sid;
    if (node->sid_lost) {
        node->sid_lost = false;
        lsdb->sid_conflicts--;
    } else if (before) {
        /* The map finds entries by their sid: take this one out by its former. */
        node->sid = before;
        map_remove(&lsdb->sids, hash_mix(before), &before);
        node->sid = sid;
    }
    int err = ERR_OK;
    if (before && lsdb->sid_conflicts)
        err = settle_sid(lsdb, before);
    if (sid && !err) {
        if (lsdb_by_sid(lsdb, sid))
            err = settle_sid(lsdb, sid);
        else
            err = map_insert(&lsdb->sids, hash_mix(sid), node);
    }
    return err;
}

void lsdb_resolve_edges(struct lsdb *lsdb)
{
    vec_each (&lsdb->order, at) {
        struct lsdb_node *node = *at;
        bool open = false;
        for (uint32_t i = 0; node->edges_open && i < node->edge_count; i++) {
            struct lsdb_edge *edge = &node->edges[i];
            struct lsdb_node *other =
                edge->node == NODE_NONE ? lsdb_find(lsdb, &edge->id) : lsdb_at(lsdb, edge->node);
            edge->node = other ? other->index : NODE_NONE;
            open = open || !other;
        }
        node->edges_open = open;
    }
}

static uint8_t *put_number(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

void lsdb_touch(struct lsdb_node *node)
{
    /* A key that all brokers share: this finds loss and bugs, not liars. */
    static const struct hash_key key = { 0x6d6573682f646967u, 0x6573742f6c696e65u };
    uint8_t line[NODE_ID_LEN + 36], *at = line;

    memcpy(at, node->id.bytes, NODE_ID_LEN);
    at = put_number(at + NODE_ID_LEN, node->inc, 4);
    at = put_number(at, node->boot, 8);
    at = put_number(at, node->tseq, 4);
    at = put_number(at, node->iinc, 4);
    at = put_number(at, node->set_bad ? 0 : node->iver, 8);
    at = put_number(at, node->set && !node->set_bad ? iset_hash(node->set) : 0, 8);
    node->line_hash = hash_sip(key, line, (size_t)(at - line));
}

int lsdb_compare(const struct lsdb_node *node, uint32_t inc, uint64_t boot, uint32_t tseq)
{
    if (inc != node->inc)
        return inc > node->inc ? 1 : -1;
    if (boot != node->boot)
        return boot > node->boot ? 1 : -1;
    return (tseq > node->tseq) - (tseq < node->tseq);
}
