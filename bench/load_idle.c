/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

enum { IDLE_PENDING_MAX = 64, IDLE_TIMEOUT_S = 600 };

/* Open connections until there are want. */
static void grow_to(struct load *load, struct client *clients, uint32_t *open, uint32_t want)
{
    uint64_t until_ns = load_now_ns() + IDLE_TIMEOUT_S * 1000000000ull;

    while (!load->failure && load->ready_count < want) {
        while (*open < want && *open - load->ready_count < IDLE_PENDING_MAX && !load->failure) {
            struct client *client = &clients[*open];
            client->index = (*open)++;
            if (load_connect(load, client, &load->o.pub))
                load->failure = "nobody listens";
        }
        load_turn(load, 100000000);
        if (load_now_ns() > until_ns)
            load->failure = "connecting took too long";
    }
}

/* The next number on standard input; meanwhile the connections are served (pings). Returns
 * -1 at its end. */
static long next_order(struct load *load)
{
    char line[32];

    for (size_t len = 0; len + 1 < sizeof line && !load->failure;) {
        struct timeval none = { 0 };
        fd_set set;
        FD_ZERO(&set);
        FD_SET(0, &set);
        if (select(1, &set, NULL, NULL, &none) == 0) {
            load_turn(load, 100000000);
            continue;
        }
        if (read(0, line + len, 1) != 1)
            return -1;
        if (line[len] == '\n') {
            line[len] = 0;
            return strtol(line, NULL, 10);
        }
        len++;
    }
    return -1;
}

int load_idle(struct load *load)
{
    struct client *clients = calloc(load->o.n, sizeof *clients);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };
    uint32_t open = 0;

    assert(clients);
    epoll_ctl(load->epfd, EPOLL_CTL_ADD, 0, &ev);
    for (long want; (want = next_order(load)) >= 0;) {
        uint64_t begun_ns = load_now_ns();
        uint32_t before = load->ready_count;
        if ((uint32_t)want > load->o.n)
            want = load->o.n;
        grow_to(load, clients, &open, (uint32_t)want);
        if (load->failure)
            break;
        double us = (double)(load_now_ns() - begun_ns) / 1e3;
        uint32_t added = load->ready_count - before;
        printf("{\"open\": %u, \"connect_us\": %.1f}\n", load->ready_count, added ? us / added : 0);
        fflush(stdout);
    }
    if (load->failure)
        fprintf(stderr, "load: %s, at %u connections\n", load->failure, load->ready_count);
    for (uint32_t i = 0; i < open; i++)
        conn_close(&clients[i].conn);
    free(clients);
    return load->failure ? 1 : 0;
}
