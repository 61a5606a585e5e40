/* SPDX-License-Identifier: Apache-2.0 */
/* Several whole brokers, each with its store on a virtual disk and with clients of its own,
 * joined by the mesh simulator's network, all from one seed. Brokers crash, also in the
 * middle of a disk's operation, and restart with what the disk kept; links fail in all the
 * ways links fail; clients come and go. This must hold:
 *
 *   - what test/crash checks of one broker, for each;
 *   - who a broker is survives, and no incarnation goes back;
 *   - a message crosses the mesh to each broker at most once, and in the order in which its
 *     author's broker took it, but across a change of paths;
 *   - it is lost only on a connection that breaks, with a broker that stops, or where a
 *     broker counted that it knew no way;
 *   - what a broker has got from the mesh and made durable, each session of its gets that had
 *     subscribed by then, in order, at QoS 2 and 0 once, and once on any connection;
 *   - when all is healed: everybody knows what everybody wants, also what sessions want that
 *     a store has restored and whose clients are away; and a message from anywhere reaches
 *     every one of them;
 *   - a broker retains what came last, of each topic.
 *
 * docs/MESH.md 3.9 is what this follows. A violation is a line of text; the same seed gives
 * it again. */
#pragma once

#include "broker.h"
#include "sim_state.h"

enum {
    FLEET_MAX = 6,
    FLEET_CLIENTS = 3, /* of a broker: the last one's session ends with its connection */
    ATTEMPTS_MAX = 8,  /* of a message that are followed */
};

/* Where the copy of a message for one broker is. */
enum place {
    PLACE_NONE, /* nobody expects it there */
    PLACE_OWED, /* at its origin, which is to send it */
    PLACE_WIRE,
    PLACE_HELD, /* at a broker on the way */
    PLACE_CAME,
    PLACE_LOST, /* as it may be */
};

struct copy_at {
    uint8_t place;     /* enum place */
    uint8_t node;      /* PLACE_OWED, PLACE_HELD: where; PLACE_WIRE: from where */
    bool cut;          /* it travels in pieces */
    bool excused;      /* the broker that had it counted a frame that it dropped, or lost a link */
    bool firm;         /* what it became there is durable */
    uint32_t rank;     /* PLACE_CAME: as the how manieth there */
    uint64_t since_us; /* PLACE_OWED, PLACE_HELD */
};

/* A message that a broker took from its client, on its way to the others. */
struct passage {
    struct tag tag;
    uint8_t qos;
    uint8_t quiet; /* published when all had settled, in this round; 0: not */
    bool doubtful; /* may come again: its origin trusted a disk that then failed */
    uint32_t origin;
    uint64_t taken_us;
    struct copy_at copies[FLEET_MAX];
    uint32_t due, got;                        /* clients, a bit each: who must get it, who has */
    uint8_t lives[FLEET_MAX * FLEET_CLIENTS]; /* in which of its connections each got it */
};

/* What a broker may serve as retained of one author, a bit a number; 0 is nothing. */
struct kept_values {
    uint64_t now, after_crash;
};

/* What is known of one broker beside itself. */
struct member {
    bool armed;                                    /* its SIM_WORK is on the way */
    bool owing;                                    /* it may owe messages to others */
    bool soft;                                     /* what came to it may not be durable yet */
    uint32_t inc;                                  /* of its last start */
    uint32_t tseq;                                 /* of what it says of its links */
    uint32_t sid;                                  /* stands for it in frames */
    uint64_t drops;                                /* frames, as it counted them */
    uint64_t dropped_us;                           /* when it did last */
    uint32_t seen_incs[FLEET_MAX];                 /* as it sees the others */
    uint32_t ranks;                                /* messages that came to it */
    uint32_t newest[AUTHORS_MAX][STREAM_COUNT][3]; /* first attempts that came, by QoS */
    struct kept_values kept[AUTHORS_MAX];
    uint32_t will_came[AUTHORS_MAX]; /* the last life whose will came */
};

struct fleet {
    uint64_t seed;
    struct rand rand;
    struct sim *sim;
    struct sim_brokers hooks;
    struct ledger ledger;
    uint32_t count;
    struct broker brokers[FLEET_MAX];
    struct member members[FLEET_MAX];
    struct client clients[FLEET_MAX * FLEET_CLIENTS];
    bool absent[FLEET_MAX * FLEET_CLIENTS]; /* stays away for now */
    uint32_t newest_rank[FLEET_MAX * FLEET_CLIENTS][AUTHORS_MAX][STREAM_COUNT]; /* that it got */
    bool healing;                                                               /* no more faults */
    bool flushing;         /* the step that runs ends a turn */
    uint8_t quiet;         /* all has settled, in this round; 0: not */
    uint64_t disturbed_us; /* when paths may have begun to change last */
    struct {
        VEC(struct passage);
    } passages;
    uint32_t *index; /* of passages, plus 1, by tag */
};

/* Counts of a run. */
struct fleet_result {
    uint64_t crashes, messages, crossed, lost, hash;
};

/* Run one schedule: nodes 0: from the seed. True: nothing is wrong; else text in *wrong, which
 * the caller frees. */
bool fleet_run(uint64_t seed, uint32_t nodes, unsigned steps, bool trace,
               struct fleet_result *ret_result, struct buf *wrong);

/* ---- fleet.c ---- */

struct fleet *fleet_new(uint64_t seed, uint32_t nodes);
void fleet_free(struct fleet *fleet);

/* Is nothing wrong so far? What the network's own checks found is put into the ledger. */
bool fleet_is_well(struct fleet *fleet);

/* The broker, with its clock set. */
struct broker *fleet_broker(struct fleet *fleet, uint32_t node);

/* Something may wait at the broker: let it work soon, if so. */
void fleet_arm(struct fleet *fleet, uint32_t node);

/* Does it run, and take clients? */
bool fleet_is_up(const struct fleet *fleet, uint32_t node);

/* The broker's process dies. */
void fleet_crash(struct fleet *fleet, uint32_t node, bool power_lost);

/* Paths may begin to change. */
void fleet_disturb(struct fleet *fleet);

/* ---- passage.c ---- */

/* For struct witness. */
void passage_accepted(void *context, struct client *client, const struct tag *tag, uint8_t qos);
void passage_taken(void *context, struct client *client, const struct tag *tag, uint8_t qos);
void passage_let_go(void *context, struct client *client, const char *filter);

/* For struct sim_brokers. */
void passage_bundle(void *context, uint32_t node, enum sim_way way, struct str bytes);
void passage_deliver(void *context, uint32_t node, const struct message *message);

/* The broker stopped; it said goodbye, and then could not make all durable; it counted dropped
 * frames; it lost a link, with what it had put there at this moment; all it was given is
 * durable; its view of others may have changed before what it holds back goes out. */
void passage_stopped(struct fleet *fleet, uint32_t node);
void passage_doubt(struct fleet *fleet, uint32_t node);
void passage_dropped(struct fleet *fleet, uint32_t node);
void passage_unlinked(struct fleet *fleet, uint32_t node);
void passage_firm(struct fleet *fleet, uint32_t node);
void passage_review(struct fleet *fleet, uint32_t node);

/* ---- fleet_check.c ---- */

/* No incarnation goes back. */
void fleet_check_identities(struct fleet *fleet);

/* All has settled: what everybody knows, and that nothing got lost on the way here. */
void fleet_check_settled(struct fleet *fleet);

/* What was published since quiet was set has come wherever it is wanted. */
void fleet_check_quiet(struct fleet *fleet);

/* The will of a client that was lost in the quiet has come wherever it is wanted. */
void fleet_check_will(struct fleet *fleet, const struct client *client);

/* Everybody is back and has what it should. */
void fleet_check_promises(struct fleet *fleet);
