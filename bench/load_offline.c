/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "load.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* Offline mode: a client subscribes in a session that is kept, and goes away. Publishers send
 * to it as their window allows; what counts is what the broker has acknowledged, which is its
 * word that the session will get it. Then the client comes back and takes everything, in this
 * run or, for a session with a name, in a later one in drain mode: each message once, the
 * messages of a publisher in their order. */

void load_kept_id(const struct load *load, char ret_id[MINI_TOPIC_MAX])
{
    if (load->o.name)
        snprintf(ret_id, MINI_TOPIC_MAX, "%s", load->o.name);
    else
        snprintf(ret_id, MINI_TOPIC_MAX, "kept%d", (int)getpid());
}

uint64_t load_main_cpu_ns(int pid)
{
    char path[64];
    unsigned long long ns = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    if (file)
        fclose(file);
    return ns;
}

uint64_t load_written(int pid)
{
    char path[64], line[128];
    unsigned long long bytes = 0;

    snprintf(path, sizeof path, "/proc/%d/io", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file) &&
           sscanf(line, "write_bytes: %llu", &bytes) != 1)
        continue;
    if (file)
        fclose(file);
    return bytes;
}

enum { DISK_BYTES = 512, DISK_ROOM = 16 * 1024 * 1024, DISK_ROUNDS = 50 };

/* A file whose room is there before, as a journal's is; nameless, so that nothing stays. */
static void disk_open(struct load *load)
{
    load->disk_file = load->o.disk ? open(load->o.disk, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
    if (load->disk_file < 0)
        return;
    if (posix_fallocate(load->disk_file, 0, DISK_ROOM) || fdatasync(load->disk_file))
        load->failure = "the disk can't be measured";
}

/* Go to the CPU; ret_from is where this thread might run before. */
static void cpu_go(int cpu, cpu_set_t *ret_from)
{
    cpu_set_t to;

    CPU_ZERO(&to);
    CPU_SET(cpu, &to);
    sched_getaffinity(0, sizeof *ret_from, ret_from);
    sched_setaffinity(0, sizeof to, &to);
}

void load_disk(struct load *load)
{
    static const uint8_t bytes[DISK_BYTES] = { 1 };
    cpu_set_t from;

    if (load->o.mode != LOAD_OFFLINE || load->disk_file < 0)
        return;
    if (load->o.disk_cpu >= 0)
        cpu_go(load->o.disk_cpu, &from);
    uint64_t begun_ns = load_now_ns();
    if (pwrite(load->disk_file, bytes, sizeof bytes, (off_t)(load->disk_at % DISK_ROOM)) !=
            (ssize_t)sizeof bytes ||
        fdatasync(load->disk_file))
        load->failure = "the disk can't be measured";
    load->disk_at += sizeof bytes;
    hist_add(&load->disk_hist, load_now_ns() - begun_ns);
    if (load->o.disk_cpu >= 0)
        sched_setaffinity(0, sizeof from, &from);
}

/* Where many are under way the disk is measured before and after. */
static void disk_rounds(struct load *load)
{
    for (int i = 0; i < DISK_ROUNDS && load->o.window > 1; i++)
        load_disk(load);
}

/* The subscriber says goodbye and goes. */
static void go_away(struct load *load, struct client *client)
{
    static const uint8_t disconnect[] = { MINI_DISCONNECT << 4, 0 };

    conn_put(&client->conn, disconnect, sizeof disconnect);
    if (conn_flush(&client->conn, load->epfd, client))
        load->failure = "the broker closed a subscriber's connection";
    conn_close(&client->conn);
    client->state = CLIENT_CLOSED;
    client->back = true;
    load->ready_count--;
}

/* The subscriber comes back; wait until everything is there that was published. */
static void take_all(struct load *load)
{
    struct client *client = &load->subs[0].client;
    uint64_t seen = load->delivered, seen_ns = load_now_ns();

    load->phase = PHASE_DRAINING;
    if (load_connect(load, client, &load->o.sub))
        load->failure = "nobody listens";
    while (!load->failure && load->delivered < load->published) {
        load_turn(load, 10000000);
        uint64_t now_ns = load_now_ns();
        if (load->delivered != seen) {
            seen = load->delivered;
            seen_ns = now_ns;
        }
        if (now_ns - seen_ns > load->o.stall_ns)
            return; /* the report says what is lost */
    }
}

void load_offline(struct load *load)
{
    disk_open(load);
    load_open(load);
    if (load->failure)
        return;
    go_away(load, &load->subs[0].client);
    load->fan = 0;
    for (uint32_t i = 0; i < load->pub_count; i++) {
        load->pubs[i].sent_ns = calloc(load->o.window, sizeof *load->pubs[i].sent_ns);
        assert(load->pubs[i].sent_ns);
    }
    disk_rounds(load);
    load_run(load);
    disk_rounds(load);
    uint64_t begun_ns = load_now_ns();
    if (!load->failure && !load->o.leave)
        take_all(load);
    load->drain_s = (double)(load_now_ns() - begun_ns) / 1e9;
    if (load->disk_file >= 0)
        close(load->disk_file);
}

void load_drain(struct load *load)
{
    struct subscriber *sub;

    load->pub_count = load->o.n;
    load->sub_count = load->fan = 1;
    load->pubs = calloc(load->pub_count, sizeof *load->pubs);
    load->subs = sub = calloc(1, sizeof *sub);
    assert(load->pubs && sub);
    sub->client.sub = sub;
    sub->client.kept = sub->client.back = true;
    sub->flow_count = load->pub_count;
    sub->flows = calloc(sub->flow_count, sizeof *sub->flows);
    assert(sub->flows);
    for (uint32_t i = 0; i < load->pub_count; i++) {
        load->pubs[i].client.conn.fd = -1;
        load->pubs[i].sent = load->o.count;
    }
    load->published = load->o.count * load->pub_count;
    load->start = load_reading(load);
    take_all(load);
    load->end = load_reading(load);
}

void load_offline_report(const struct load *load)
{
    uint64_t each = load->end.delivered - load->start.delivered;
    double bytes = (double)each * load->o.size;

    if (load->o.mode != LOAD_OFFLINE || each == 0)
        return;
    printf("\"main_cpu_us\": %.4f, \"written_ratio\": %.3f, \"drained_per_s\": %.0f, "
           "\"disk_us\": %.1f, \"disk_p10_us\": %.1f, \"p10_us\": %.1f, ",
           (double)(load->end.main_cpu_ns - load->start.main_cpu_ns) / 1e3 / (double)each,
           (double)(load->end.written - load->start.written) / bytes,
           load->drain_s > 0 ? (double)load->delivered / load->drain_s : 0,
           (double)hist_percentile(&load->disk_hist, 0.5) / 1e3,
           (double)hist_percentile(&load->disk_hist, 0.1) / 1e3,
           (double)hist_percentile(&load->hist, 0.1) / 1e3);
}
