/* SPDX-License-Identifier: Apache-2.0 */
/* The core's questions about clients, on their way to whoever decides, and the answers on
 * their way back. */
#pragma once

#include <stdbool.h>

struct net;

/* Pass on every question in net->out. */
void question_pass_all(struct net *net);

/* Give the core the answers that have come; were there any? */
bool question_tell_core(struct net *net);

/* Drop them, and free the memory. */
void question_finish(struct net *net);
