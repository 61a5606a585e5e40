/* SPDX-License-Identifier: Apache-2.0 */
/* A replay reads the journal of a directory from its start: every batch that is whole, in
 * order, each once. What is not readable is found, located and stepped over. */
#pragma once

#include "base/buf.h"
#include "store/journal.h"

struct replay {
    uint64_t mark;
    uint64_t applied; /* batches up to this one are in the tables */
    int (*batch)(void *context, const struct batch_header *header, struct str records,
                 struct journal_place place);
    void *context;
    struct buf *report;
    bool look_only; /* change nothing on the disk */
    /* What was found. */
    uint64_t last;       /* number of the last batch, or applied */
    uint64_t batches;    /* given to batch */
    uint64_t damaged;    /* runs of bytes that should have been batches */
    uint64_t torn_bytes; /* behind the last one, never acknowledged */
    struct journal_place tail; /* the last batch with its header; segment NULL: none */
    size_t tail_len;
};

/* Read it through, and leave the journal (fresh from journal_init) ready for the next batch.
 * ERR_OK; ERR_VERSION: a newer format; ERR_IO, ERR_NOMEM, or what batch returned. */
int replay_run(struct replay *replay, struct journal *journal);

/* Look for whole batches in the bytes of one segment, [SEGMENT_HEADER_LEN, len); complete:
 * all bytes up to there once were batches. For replay_run and the fuzzer. */
int replay_scan(struct replay *replay, struct segment *segment, const uint8_t *bytes, size_t len,
                bool complete);
