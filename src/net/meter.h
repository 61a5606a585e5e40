/* SPDX-License-Identifier: Apache-2.0 */
/* A meter holds a connection to its listener's bytes per second, by not reading on until
 * what was read is paid for. Who never hits the limit notices nothing. */
#pragma once

#include <stddef.h>

struct net;
struct stream;

/* So many bytes came. May stop reading until meter_release. */
void meter_count(struct stream *stream, size_t len);

/* Read on wherever the debt is paid. */
void meter_release(struct net *net);

/* The stream goes: forget it. */
void meter_forget(struct stream *stream);
