/* SPDX-License-Identifier: Apache-2.0 */
/* One broker with its store on a virtual disk, and clients that keep what a client has to
 * keep, all from one seed. The broker crashes at any moment; packets in between are lost with
 * their connections. Whatever happens, this must hold in the end:
 *
 *   - a session, subscription or message that was acknowledged is there;
 *   - each subscriber has every acknowledged message, those of QoS 2 once, in order;
 *   - the retained message is the last acknowledged one or a later one;
 *   - the will of who was connected at a crash has been sent.
 *
 * A violation is a line of text; the same seed gives it again. */
#pragma once

#include "broker.h"

enum { CLIENTS = 4, PUBLISHERS = 2 }; /* the first two publish, all subscribe */

struct crash {
    struct rand rand;
    struct ledger ledger;
    struct broker broker;
    struct client clients[CLIENTS];
};

/* Run one schedule of so many steps. True: nothing is wrong; else text in ledger.wrong. */
bool crash_run(struct crash *crash, uint64_t seed, unsigned steps);

void crash_finish(struct crash *crash);
