/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the way: a frame for this broker becomes a message for its subscribers. */
#pragma once

struct mesh;
struct link;
struct frame;

/* Deliver a DATA frame, or add a FRAG to its message and deliver that when it is whole.
 * link: it came from, or NULL. */
void mesh_deliver(struct mesh *mesh, struct link *link, const struct frame *frame);
