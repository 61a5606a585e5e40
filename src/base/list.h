/* SPDX-License-Identifier: Apache-2.0 */
/* A doubly linked list through nodes inside the elements. The head is a node too; an
 * element is in at most one list per node. Nothing is owned. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* The element that holds this node. */
#define list_entry(node, type, member) ((type *)((char *)(node) - offsetof(type, member)))

/* An empty head, or a node in no list. */
static inline void list_init(struct list *node)
{
    node->next = node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Is the node in a list? (It must have been initialised.) */
static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

/* Put node, which is in no list, behind all others. */
static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Put node, which is in no list, before all others. */
static inline void list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}

/* Take node out of its list, if it is in one; it can be linked again. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *node = head->next;

    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

/* Each node in order; the list must not change under it. */
#define list_each(head, node)                                                                     \
    for (struct list *node = (head)->next; node != (head); node = node->next)

/* Each node in order; the current one may be removed. */
#define list_each_safe(head, node, after)                                                         \
    for (struct list *node = (head)->next, *after = node->next; node != (head);                   \
         node = after, after = node->next)
