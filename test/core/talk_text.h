/* SPDX-License-Identifier: Apache-2.0 */
/* How a talk writes down what a step did. */
#pragma once

#include "talk.h"

/* What goes to a client: every packet in it must be one. */
void talk_write_send(struct talk *talk, const struct core_send *send);

/* Everything else, as far as the talk shows it. */
void talk_write_rest(struct talk *talk);
