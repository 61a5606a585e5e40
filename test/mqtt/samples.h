/* SPDX-License-Identifier: Apache-2.0 */
/* One sample at least of every packet kind in every version, as bytes and as a struct. */
#pragma once

#include "mqtt/packet.h"

struct sample {
    const char *name;
    enum mqtt_version version;
    uint8_t head;
    const char *body; /* in the language of hex.h */
    struct mqtt_packet packet;
};

extern const struct sample samples[];
extern const size_t sample_count;
