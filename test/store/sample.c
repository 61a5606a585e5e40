/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int backup_err;

static void on_backup(void *context, int err)
{
    (void)context;
    backup_err = err;
}

/* Bring everything so far into the tables: a backup does that first. */
static void tables_fill(struct rig *rig)
{
    char copy[64];

    rig_dir_make(copy);
    backup_err = 1;
    int err = store_backup(rig->store, copy, on_backup, NULL);
    assert(!err);
    while (backup_err == 1)
        rig_settle(rig);
    assert(backup_err == ERR_OK);
    rig_dir_remove(copy);
}

void sample_fill(struct rig *rig)
{
    char topic[600];

    memset(topic, 'x', sizeof topic);
    topic[sizeof topic - 1] = 0;
    rig_session(rig, 1, "alice");
    rig_last(rig)->about->will = rig_message("will/alice", "gone");
    rig_sub(rig, 1, "plant/+/temp", 0x2d);
    rig_sub(rig, 1, topic, 1);
    rig_incoming(rig, 1, 500, true);
    rig_session(rig, 2, "bob");
    struct message *shared = rig_message("plant/1/temp", "1 shared");
    shared->expires_ms = 1u << 30;
    shared->publisher = 2;
    rig_queue(rig, 1, 10, message_ref(shared));
    rig_queue(rig, 2, 20, shared);
    rig_queue(rig, 1, 11, rig_message("plant/1/temp", "2 in the tables"));
    rig_last(rig)->qos = 2;
    rig_last(rig)->sub_id_count = 1;
    rig_last(rig)->sub_id = 7;
    rig_queue(rig, 1, 12, rig_message("plant/1/temp", "3 received"));
    rig_retain(rig, rig_message("kept", "in the tables"));
    rig_retain(rig, rig_message(topic, "long"));
    rig_settle(rig);
    rig_received(rig, 1, 12);
    rig_settle(rig);
    tables_fill(rig);
    rig_queue(rig, 1, 13, rig_message("plant/1/temp", "4 in the journal"));
    rig_last(rig)->sub_id_count = 2;
    rig_last(rig)->sub_ids = malloc(2 * sizeof(uint32_t));
    assert(rig_last(rig)->sub_ids);
    memcpy(rig_last(rig)->sub_ids, (uint32_t[]){ 1, 300 }, 2 * sizeof(uint32_t));
    rig_done(rig, 2, 20, 0);
    rig_sub(rig, 2, "late/#", 0);
    rig_retain(rig, rig_message("late", "in the journal"));
    rig_session(rig, 3, "carol");
    rig_settle(rig);
}

#define X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X599 X60 X60 X60 X60 X60 X60 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

const char sample_restored[] = "session 1 alice\n"
                               "sub 1 plant/+/temp 45\n"
                               "sub 1 " X599 " 1\n"
                               "incoming 1 500\n"
                               "queue 1 10..14 4\n"
                               "session 2 bob\n"
                               "sub 2 late/# 0\n"
                               "session 3 carol\n"
                               "retain kept=in the tables\n"
                               "retain " X599 "=long\n"
                               "retain late=in the journal\n";
