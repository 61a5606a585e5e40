/* SPDX-License-Identifier: Apache-2.0 */
/* A simulator of many brokers' meshes in one process, under virtual time. Links have
 * delay, jitter and a rate, and fail in all the ways links fail; brokers crash and come
 * back. Everything follows from one seed, so a failure replays.
 *
 * Only what src/mesh promises in mesh.h is used. While it runs, the simulator watches the
 * invariants of MESH.md 4; the first breach stops it and stands in sim_failure(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

/* ---- making one ---- */

/* Brokers and edges as text: "a-b b-c a-c"; the left one dials; "a=b" lets both dial; a
 * name alone is a broker without edges. All brokers start at time 0. */
struct sim *sim_new(const char *topology, uint64_t seed);

enum sim_shape { SIM_RING, SIM_STAR, SIM_TREE, SIM_GRID, SIM_FULL, SIM_RANDOM, SIM_SHAPES };

/* The shape with this name, or SIM_SHAPES. */
enum sim_shape sim_shape_named(const char *name);

/* count brokers called n0, n1, ... in a shape, with delays and rates from the seed. */
struct sim *sim_new_shape(enum sim_shape shape, uint32_t count, uint64_t seed);

/* Free it all. Accepts NULL. */
void sim_free(struct sim *sim);

/* ---- time ---- */

/* Let time pass. Stops early at a failure. */
void sim_run(struct sim *sim, uint64_t ms);

/* Let so much time pass without new faults that everything must have settled: dead links
 * noticed and redialled, damping and linger over. MESH.md 4, T_q. */
void sim_settle(struct sim *sim);

/* Milliseconds since the start. */
uint64_t sim_now_ms(const struct sim *sim);

/* ---- what happens to brokers ---- */

/* A local client of the broker wants a filter, or no client does any more. */
void sim_subscribe(struct sim *sim, const char *broker, const char *filter, unsigned qos);
void sim_unsubscribe(struct sim *sim, const char *broker, const char *filter);

/* A client publishes at the broker. While the mesh is settled and still, the message is
 * expected exactly once at every broker that can be reached and wants it. */
void sim_publish(struct sim *sim, const char *broker, const char *topic);

/* The process dies; peers see their connections reset. With power lost they see nothing. */
void sim_crash(struct sim *sim, const char *broker, bool power_lost);

/* It leaves with a goodbye. */
void sim_leave(struct sim *sim, const char *broker);

/* It starts again. With disk: the incarnation it wrote down is known, and subscriptions of
 * persistent sessions are back; without, it begins like a new one with the same id. */
void sim_restart(struct sim *sim, const char *broker, bool disk);

/* ---- what happens to links: "a-b", in either order ---- */

/* Connections are reset and new ones refused. */
void sim_cut(struct sim *sim, const char *edge);

/* Nothing passes and nobody is told. Also one way: nothing passes from a to b. */
void sim_silence(struct sim *sim, const char *edge);
void sim_mute(struct sim *sim, const char *edge);

/* The edge works again. What was silent goes on where it stopped, or is reset. */
void sim_heal(struct sim *sim, const char *edge, bool reset);

/* Delay one way, jitter on top, and bytes a second (0: no limit). */
void sim_tune(struct sim *sim, const char *edge, uint32_t delay_ms, uint32_t jitter_ms,
              uint32_t bytes_per_s);

/* ---- what came of it ---- */

/* The first breach of an invariant as a sentence, or NULL. */
const char *sim_failure(const struct sim *sim);

/* Compare with what must hold after sim_settle: same databases, everybody reachable known
 * to be so, links full, interest exact, audits clean. Breaches go to sim_failure(). */
void sim_check_settled(struct sim *sim);

/* Publish from every broker on several topics while still, wait, and check that each
 * message arrived exactly once wherever it was wanted. Call after sim_check_settled. */
void sim_check_delivery(struct sim *sim);

/* All facts and deliveries since the last call, one a line: "[  ms] broker > event", with
 * the time since then. */
const char *sim_trace(struct sim *sim);

/* Print the trace as it happens. */
void sim_trace_live(struct sim *sim, bool on);

/* A hash over all effects so far: equal for equal seeds. I16. */
uint64_t sim_hash(const struct sim *sim);

/* Steps of all brokers so far. */
uint64_t sim_steps(const struct sim *sim);

/* Messages delivered so far. */
uint64_t sim_delivered(const struct sim *sim);

/* ---- random schedules ---- */

struct sim_schedule {
    uint64_t seed;
    uint32_t nodes;       /* 0: from the seed, 2 to 12 */
    uint32_t steps;       /* things that happen */
    enum sim_shape shape; /* SIM_SHAPES: from the seed */
    bool trace;
    bool faults; /* false: subscriptions and publishes only */
};

struct sim_result {
    char failure[400]; /* empty: none */
    uint64_t hash, steps, delivered;
};

/* Run a schedule from beginning to end, checks included. */
struct sim_result sim_schedule_run(const struct sim_schedule *schedule);
