/* SPDX-License-Identifier: Apache-2.0 */
/* The net is everything around a node that touches the outside: listeners, clients'
 * connections over TCP and WebSocket, links to other brokers, HTTP, and time. It owns a
 * libuv loop and the thread that runs it; it feeds events to the node and carries out the
 * effects. The node is borrowed. */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "mesh/mesh.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net;
struct node;
struct core_load;
struct core_loaded;
struct core_answer;
struct core_ask;
struct durable_op;
struct ip_block;
struct uv_loop_s;

/* mqtt: MQTT over TCP. web: HTTP, MQTT over WebSocket at /mqtt, mesh links at /mesh.
 * auto: both, with TLS or without, by the first bytes. */
enum listener_kind { LISTENER_MQTT, LISTENER_WEB, LISTENER_AUTO };

/* What a web listener answers. */
enum listener_serve { SERVE_MQTT = 1, SERVE_MESH = 2, SERVE_PAGES = 4, SERVE_API = 8 };

/* Does a client show a certificate? optional: one that is shown must be good. */
enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

/* PEM files: the certificate with the chain behind it, and its key. */
struct tls_certificate {
    const char *certificate_file;
    const char *key_file;
};

/* How a listener speaks TLS. */
struct tls_config {
    const struct tls_certificate *certificates; /* by SNI; the first where no name fits */
    size_t certificate_count;
    const char *ca_file;      /* signs clients' certificates; NULL: none */
    const char *crl_file;     /* which of them count no more; NULL: none */
    const char *ciphers;      /* of TLS 1.2, as OpenSSL names them; NULL: its default */
    const char *ciphersuites; /* of TLS 1.3, likewise */
    bool tls_13_only;
    enum tls_client client;
    bool username; /* a client's certificate says its user name */
};

struct listener_config {
    const char *name;        /* for the log; NULL: "-" */
    const char *host;        /* numeric address or name; NULL: 127.0.0.1 */
    const char *path;        /* of a unix socket, instead of host and port; NULL: none */
    const char *socket_name; /* of one that was opened for us, instead; NULL: none */
    unsigned mode;           /* of that file; 0: 0660 */
    uint16_t port;           /* 0: any free one, see net_addresses */
    enum listener_kind kind;
    unsigned serve;               /* enum listener_serve, or-ed; 0: all */
    const struct tls_config *tls; /* NULL: none */
    const char *const *origins;   /* that WebSockets may come from; none: any */
    size_t origin_count;
    const struct ip_block *trusted; /* proxies whose X-Forwarded-For is believed */
    size_t trusted_count;
    bool relaxed;                  /* clients' answers come before what they promise is durable */
    bool proxy_protocol;           /* a proxy stands before it, and says where clients are */
    uint32_t connections_max;      /* 0: no limit but that of open files */
    uint32_t connect_rate_max;     /* accepted a second; more wait in the kernel; 0: no limit */
    uint32_t packet_bytes_max;     /* below net_config's; 0: that */
    uint64_t bytes_per_second_max; /* read from a client's connection; 0: no limit */
};

/* ---- HTTP ---- */

/* A request as a handler sees it. Everything is borrowed for the call. */
struct http_request {
    struct str method; /* "GET"; a HEAD request is shown as GET */
    struct str path;   /* without the query, decoded */
    struct str query;  /* "a=1&b=2" as it came, or empty */
    struct str body;
    struct str authorization; /* that header, or empty */
    struct str host;          /* that header: whom the client thinks it asks, or empty */
    bool loopback;            /* who asks is on this machine, and not behind a proxy elsewhere */
};

/* The answer; starts as 200, text/plain, empty. content_type must be static. */
struct http_response {
    int status;
    const char *content_type;
    struct buf body;
};

/* Answers a request, on the net's thread, without blocking. */
typedef void (*http_handler)(void *context, const struct http_request *request,
                             struct http_response *response);

/* A path that ends in * serves everything that starts so. The first that fits counts. */
struct http_route {
    const char *method;
    const char *path;
    http_handler handler;
};

/* ---- configuration ---- */

/* A zero means the default. Listeners, routes, seeds and texts are borrowed for the net's
 * whole life. */
struct net_config {
    const struct listener_config *listeners;
    size_t listener_count;
    const struct http_route *routes;
    size_t route_count;
    void *route_context;

    uint32_t packet_bytes_max;          /* of a client; 16 MiB */
    uint32_t connect_bytes_max;         /* a packet before CONNECT is accepted; 512 KiB */
    uint32_t connects_bytes_max;        /* kept of all not accepted yet; 16 MiB */
    uint32_t out_queue_bytes_max;       /* soft: the core is told to hold back; 1 MiB */
    uint32_t out_queues_bytes_max;      /* of all: one may have half of what is free; 128 MiB */
    uint32_t out_queue_bytes_hard_max;  /* so much more nevertheless: it is closed; 32 MiB */
    uint32_t websocket_frame_bytes_max; /* 16 MiB and a bit: one packet of the largest size */
    uint32_t http_header_bytes_max;     /* 8192 */
    uint32_t http_body_bytes_max;       /* of a request; 256 KiB */
    uint32_t connections_max;           /* open files to plan for; all that are allowed */
    uint32_t link_timeout_ms;           /* until a dialled or accepted link is up; 10 s */
    uint32_t connect_timeout_ms;        /* for a PROXY header, and to tell what is spoken; 10 s */
    uint32_t close_wait_ms;             /* for a closing connection to take its rest; 5 s */

    struct node_id node_id;  /* as the mesh has it */
    struct str mesh_name;    /* as the mesh has it */
    const struct str *seeds; /* the URLs that the mesh numbers */
    size_t seed_count;
    const char *link_ca_file; /* trusted when dialling wss://; NULL: the system's */

    /* What must survive, in order, with all that it owns. The answer is net_durable, from
     * inside the call or later. */
    void (*store)(void *context, const struct durable_op *ops, size_t count);
    /* Parts of queues to be read; the answer is net_loaded, later. */
    void (*load)(void *context, const struct core_load *loads, size_t count);
    /* What this turn had to hand over is with store. May be NULL. */
    void (*turn)(void *context, uint64_t now_ms);
    /* A question of the core's; its texts are runs of bytes, borrowed for the call. The
     * answer is net_answer, from inside the call or later. NULL: everybody who has to be
     * asked about is refused. Not called for users of whom the transport knows who they are. */
    void (*ask)(void *context, const struct core_ask *ask, const uint8_t *bytes);
    /* This connection is gone, whether something was asked about it or not. May be NULL. */
    void (*left)(void *context, uint32_t conn);
    /* MESH_PERSIST: write the incarnation down before returning. May be NULL. */
    void (*persist_inc)(void *context, uint32_t inc);
    /* Clients are let in from now on. May be NULL. */
    void (*ready)(void *context);
    void *context;
};

/* Fill in what is zero. */
void net_config_defaults(struct net_config *config);

/* ---- life ---- */

/* A net around a node, or NULL (the reason is in the log). config is copied, not what it
 * points to. now_ms must be what the node was made with: node time goes on from there. */
struct net *net_new(const struct net_config *config, struct node *node, uint64_t now_ms);

/* Every operation up to token is durable: the core hears of it with the next settle. On the
 * net's thread only. */
void net_durable(struct net *net, uint64_t token);

/* A part of a queue was read. On the net's thread, from outside of its callbacks. */
void net_loaded(struct net *net, const struct core_loaded *loaded);

/* The store has no room, or has some again. On the net's thread, likewise. */
void net_store_full(struct net *net, bool full);
/* The answer to a question about a connection: the core hears of it with the next settle;
 * one that came too late is ignored. Copied. On the net's thread only. */
void net_answer(struct net *net, uint32_t conn, const struct core_answer *answer);

/* Where the client of a connection is, as the log has it: "192.0.2.1:4711", "[::1]:4711",
 * "unix:PATH", or without a port where a proxy did not say it; "-" if it is gone. */
void net_peer(const struct net *net, uint32_t conn, char *out, size_t size);

/* Open all listeners. ERR_OK, or ERR_IO with one line for each that failed in errors:
 * "cannot listen on 127.0.0.1:1883: address already in use". */
int net_listen(struct net *net, struct buf *errors);

/* Where listener i really listens, "127.0.0.1:34567"; empty when it does not. Borrowed. */
struct str net_address(const struct net *net, size_t i);

/* Read the certificates, keys, CAs and CRLs of all listeners again, for connections that
 * come from now on; those that stand are not touched. What cannot be used leaves the
 * listener as it was, is in the log, and makes it ERR_IO. */
int net_tls_reload(struct net *net);

/* Run until net_stop has done its work. */
void net_run(struct net *net);

/* Say goodbye to clients and links, wait for them at most close_wait_ms, then make net_run
 * return. May be called from any thread and from signal handlers; twice does no harm. */
void net_stop(struct net *net);

/* Close everything and free it. Not from inside net_run. Accepts NULL. */
void net_free(struct net *net);

/* The loop, for signals and timers of the server; it is on the net's thread. */
struct uv_loop_s *net_loop(struct net *net);

/* Are clients let in? node_joined as of the last turn. */
bool net_ready(const struct net *net);

/* Node time and the finer clock, as of now. */
uint64_t net_now_ms(struct net *net);

/* Carry out what a caller's own node_* calls put into the output, and everything that
 * follows from it. */
void net_settle(struct net *net);

/* Counters since the start and gauges of now. */
struct net_stats {
    uint64_t connections, links;
    uint64_t accepted, refused; /* refused: over a limit or out of files */
    uint64_t bytes_in, bytes_out;
    uint64_t out_queue_bytes; /* waiting for sockets after the last turn */
    uint64_t slow_closed;     /* closed for an out-queue over the hard limit */
};
struct net_stats net_stats(const struct net *net);
