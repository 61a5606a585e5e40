/* SPDX-License-Identifier: Apache-2.0 */

/* The load generator of ./dev bench; load.h says how it works, --help how to call it. */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
    "usage: bench-load [options]\n"
    "  --mode p2p|fanout|fanin|idle|storm|subs|offline|drain   what to do (p2p)\n"
    "  --n N            pairs, subscribers, publishers or connections (1)\n"
    "  --work           storm: subscribe, publish and receive between coming and going\n"
    "  --subs N         subs: how many subscriptions to measure with; rising, repeated\n"
    "  --rate N         messages a second, all publishers together\n"
    "  --name ID        offline, drain: client id of the session that is kept\n"
    "  --leave          offline: leave what waits to a later drain\n"
    "  --disk DIR       offline: measure what a sync takes there, too\n"
    "  --disk-cpu N     ... on the CPU that the broker runs on\n"
    "  --tls            over TLS\n"
    "  --qos 0|1|2      (0)\n"
    "  --size BYTES     of payload, 32 to 65536 (64)\n"
    "  --ws             over WebSocket, one packet a frame\n"
    "  --ws-pack        over WebSocket, a whole write in one frame\n"
    "  --pub HOST:PORT  where to publish\n"
    "  --sub HOST:PORT  where to subscribe (same as --pub)\n"
    "  --warmup S       before the measured window (0.3)\n"
    "  --duration S     of the measured window (1)\n"
    "  --count N        messages per publisher instead of a duration\n"
    "  --stall S        without progress for that long, what is missing is lost (10)\n"
    "  --window N       messages in flight per publisher (1000)\n"
    "  --batch N        messages per write (1)\n"
    "  --pid PID        a process whose CPU time to report; may be repeated\n"
    "idle mode reads how many connections to hold from standard input, a number a line,\n"
    "answers each when they are open, and ends with it.\n";

/* HOST:PORT with a numeric host; false when it is not. */
static bool addr_read(const char *text, struct sockaddr_in *ret_addr)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in addr = { .sin_family = AF_INET };

    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    addr.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return false;
    *ret_addr = addr;
    return true;
}

static bool mode_read(const char *text, enum load_mode *ret_mode)
{
    static const char *const names[] = { "p2p", "fanout", "fanin", "idle", "storm", "subs",
                                         "offline", "drain" };

    for (unsigned i = 0; i < LOAD_MODES; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_mode = (enum load_mode)i;
            return true;
        }
    }
    return false;
}

static bool option_read(struct load_options *o, int opt, const char *arg)
{
    switch (opt) {
    case 'm': return mode_read(arg, &o->mode);
    case 'n': o->n = (uint32_t)atoi(arg); return o->n > 0;
    case 'q': o->qos = (uint8_t)atoi(arg); return o->qos < 3;
    case 's': o->size = (uint32_t)atoi(arg); return true;
    case 'w': o->ws = true; return true;
    case 'k': o->ws = o->ws_pack = true; return true;
    case 'T': o->tls = true; return true;
    case 'K': o->work = true; return true;
    case 'i': o->name = arg; return true;
    case 'D': o->disk = arg; return true;
    case 'U': o->disk_cpu = atoi(arg); return true;
    case 'l': o->leave = true; return true;
    case 'r': o->rate = (uint32_t)atoi(arg); return true;
    case 'N':
        o->steps[o->step_count++] = (uint32_t)atoi(arg);
        return o->step_count < LOAD_STEPS_MAX;
    case 'P': return addr_read(arg, &o->pub);
    case 'S': return addr_read(arg, &o->sub);
    case 'u': o->warmup_ns = (uint64_t)(atof(arg) * 1e9); return true;
    case 'd': o->duration_ns = (uint64_t)(atof(arg) * 1e9); return true;
    case 't': o->stall_ns = (uint64_t)(atof(arg) * 1e9); return true;
    case 'c': o->count = strtoull(arg, NULL, 10); return true;
    case 'W': o->window = (uint32_t)atoi(arg); return true;
    case 'b': o->batch = (uint32_t)atoi(arg); return true;
    case 'p': o->pids[o->pid_count++] = atoi(arg); return o->pid_count < LOAD_PIDS_MAX;
    default: return false;
    }
}

static bool options_read(struct load_options *o, int argc, char **argv)
{
    static const struct option options[] = {
        { "mode", required_argument, NULL, 'm' },   { "n", required_argument, NULL, 'n' },
        { "qos", required_argument, NULL, 'q' },    { "size", required_argument, NULL, 's' },
        { "ws", no_argument, NULL, 'w' },           { "ws-pack", no_argument, NULL, 'k' },
        { "pub", required_argument, NULL, 'P' },    { "sub", required_argument, NULL, 'S' },
        { "warmup", required_argument, NULL, 'u' }, { "duration", required_argument, NULL, 'd' },
        { "count", required_argument, NULL, 'c' },  { "window", required_argument, NULL, 'W' },
        { "batch", required_argument, NULL, 'b' },  { "pid", required_argument, NULL, 'p' },
        { "stall", required_argument, NULL, 't' },  { "tls", no_argument, NULL, 'T' },
        { "work", no_argument, NULL, 'K' },         { "rate", required_argument, NULL, 'r' },
        { "subs", required_argument, NULL, 'N' },   { "name", required_argument, NULL, 'i' },
        { "leave", no_argument, NULL, 'l' },        { "disk", required_argument, NULL, 'D' },
        { "disk-cpu", required_argument, NULL, 'U' },
        { 0 },
    };

    for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!option_read(o, opt, optarg))
            return false;
    if (!o->sub.sin_port)
        o->sub = o->pub;
    if (o->count)
        o->warmup_ns = 0;
    /* With a window of all ids one would be used again before it is free [MQTT-2.3.1-2]. */
    return optind == argc && o->pub.sin_port && o->size >= LOAD_SIZE_MIN &&
           o->size <= LOAD_SIZE_MAX && o->batch > 0 && o->window >= o->batch &&
           (o->qos == 0 || o->window < 65535);
}

bool load_report(const struct load *load)
{
    uint64_t lost = 0, duplicated = 0, disordered = 0, cpu = 0;
    double seconds = (double)(load->end.at_ns - load->start.at_ns) / 1e9;
    uint64_t delivered = load->end.delivered - load->start.delivered;
    double per = delivered ? 1e-3 / (double)delivered : 0;

    for (uint32_t s = 0; s < load->sub_count && !load->o.leave; s++) {
        const struct subscriber *sub = &load->subs[s];
        for (uint32_t f = 0; f < sub->flow_count; f++) {
            uint32_t pub = load->o.mode == LOAD_P2P ? s : f;
            lost += flow_lost(&sub->flows[f], load->pubs[pub].sent);
            duplicated += sub->flows[f].duplicated;
            disordered += sub->flows[f].disordered;
        }
    }
    printf("{\"seconds\": %.4f, \"delivered\": %" PRIu64 ", \"published\": %" PRIu64
           ", \"msgs_per_s\": %.0f, \"cpu_us_each\": [",
           seconds, delivered, load->end.published - load->start.published,
           seconds > 0 ? (double)delivered / seconds : 0);
    for (uint32_t i = 0; i < load->o.pid_count; i++) {
        uint64_t used = load->end.cpu_ns[i] - load->start.cpu_ns[i];
        cpu += used;
        printf("%s%.4f", i ? ", " : "", (double)used * per);
    }
    printf("], \"cpu_us\": %.4f, \"cpu_share\": %.3f, \"load_cpu_us\": %.4f, ", (double)cpu * per,
           seconds > 0 ? (double)cpu / 1e9 / seconds : 0,
           (double)(load->end.own_cpu_ns - load->start.own_cpu_ns) * per);
    load_offline_report(load);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
           (double)hist_percentile(&load->hist, 0.5) / 1e3,
           (double)hist_percentile(&load->hist, 0.99) / 1e3,
           (double)hist_percentile(&load->hist, 0.999) / 1e3, (double)load->hist.max / 1e3);
    bool ok = !load->failure && !lost && !duplicated && !disordered && !load->corrupt &&
              !load->stray && !load->ack_errors && delivered;
    printf("\"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64 ", \"disordered\": %" PRIu64
           ", \"corrupt\": %" PRIu64 ", \"stray\": %" PRIu64 ", \"ack_errors\": %" PRIu64
           ", \"failure\": \"%s\", \"ok\": %s}\n",
           lost, duplicated, disordered, load->corrupt, load->stray, load->ack_errors,
           load->failure ? load->failure : "", ok ? "true" : "false");
    return ok;
}

static void load_finish(struct load *load)
{
    for (uint32_t i = 0; i < load->pub_count; i++) {
        conn_close(&load->pubs[i].client.conn);
        free(load->pubs[i].image);
        free(load->pubs[i].sent_ns);
    }
    for (uint32_t i = 0; i < load->sub_count; i++) {
        conn_close(&load->subs[i].client.conn);
        for (uint32_t f = 0; f < load->subs[i].flow_count; f++)
            flow_finish(&load->subs[i].flows[f]);
        free(load->subs[i].flows);
    }
    free(load->pubs);
    free(load->subs);
    free(load->queue);
    bytes_finish(&load->scratch);
    bytes_finish(&load->batch);
    close(load->epfd);
}

static void work(struct load *load)
{
    switch (load->o.mode) {
    case LOAD_STORM: load_storm(load); return;
    case LOAD_OFFLINE: load_offline(load); return;
    case LOAD_DRAIN: load_drain(load); return;
    case LOAD_P2P:
    case LOAD_FANOUT:
    case LOAD_FANIN:
    case LOAD_IDLE:
    case LOAD_SUBS: break;
    }
    load_open(load);
    if (!load->failure)
        load_run(load);
}

int main(int argc, char **argv)
{
    struct load load = {
        .o = { .n = 1,
               .size = 64,
               .warmup_ns = 300000000,
               .duration_ns = 1000000000,
               .stall_ns = 10000000000,
               .disk_cpu = -1,
               .window = 1000,
               .batch = 1 },
        .epfd = epoll_create1(0),
    };
    struct rlimit files;
    int status;

    if (!options_read(&load.o, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1); /* so that a rate is met by waiting and not by spinning */
    if (load.o.mode == LOAD_IDLE) {
        status = load_idle(&load);
    } else if (load.o.mode == LOAD_SUBS) {
        status = load_subs(&load);
    } else {
        work(&load);
        status = load_report(&load) ? 0 : 1;
    }
    load_finish(&load);
    return status;
}
