/* SPDX-License-Identifier: Apache-2.0 */
/* What the step costs: nanoseconds a message, bytes an idle client. Not a test: run it by
 * hand from a release build.
 *
 *     core_bench [seconds per figure, 0.2]
 */
#include "core/core.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds = 0.2;

static double cpu_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

struct rig {
    struct core *core;
    struct core_out out;
};

static void step(struct rig *rig, struct core_event event)
{
    event.now_ms = 1000;
    core_step(rig->core, &event, &rig->out);
}

static void client(struct rig *rig, conn_id conn, const char *filter, uint8_t qos)
{
    char id[16];
    struct mqtt_packet packet = { .kind = MQTT_CONNECT };

    snprintf(id, sizeof id, "client%07u", conn);
    packet.connect.version = MQTT_5;
    packet.connect.clean_start = true;
    packet.connect.keep_alive = 60;
    packet.connect.client_id = str_from_c(id);
    step(rig, (struct core_event){ .kind = CORE_OPEN, .conn = conn });
    step(rig, (struct core_event){ .kind = CORE_PACKET, .conn = conn, .packet = &packet });
    if (filter) {
        struct buf list = { 0 };
        packet = (struct mqtt_packet){ .kind = MQTT_SUBSCRIBE };
        mqtt_subscribe_add(&list, MQTT_5, str_from_c(filter),
                           &(struct mqtt_sub_options){ .qos = qos });
        packet.subscribe.packet_id = 1;
        packet.subscribe.list = buf_str(&list);
        packet.subscribe.count = 1;
        step(rig, (struct core_event){ .kind = CORE_PACKET, .conn = conn, .packet = &packet });
        buf_finish(&list);
    }
    core_out_clear(&rig->out);
}

static struct rig rig_new(void)
{
    struct core_config config = { .seed = 1 };

    return (struct rig){ .core = core_new(&config, 0) };
}

static void rig_finish(struct rig *rig)
{
    core_out_finish(&rig->out);
    core_free(rig->core);
}

/* Publish until the time is over; nanoseconds a publish, clearing the effects included. */
static double publish_ns(struct rig *rig, const char *topic, uint8_t qos)
{
    static const char payload[64] = { 'x' };
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH }, ack = { .kind = MQTT_PUBACK };
    double start = cpu_s();
    unsigned count = 0;

    packet.publish.topic = str_from_c(topic);
    packet.publish.payload = (struct str){ payload, sizeof payload };
    packet.publish.qos = qos;
    packet.publish.packet_id = qos;
    do {
        for (int i = 0; i < 64; i++, count++) {
            step(rig, (struct core_event){ .kind = CORE_PACKET, .conn = 1, .packet = &packet });
            if (qos == 0)
                continue;
            ack.puback.packet_id = (uint16_t)(count % 65535 + 1);
            step(rig, (struct core_event){ .kind = CORE_PACKET, .conn = 2, .packet = &ack });
        }
        core_out_clear(&rig->out);
    } while (cpu_s() - start < seconds);
    return (cpu_s() - start) * 1e9 / count;
}

static void bench_pair(uint8_t qos)
{
    struct rig rig = rig_new();

    client(&rig, 1, NULL, 0);
    client(&rig, 2, "sensors/+/temperature", qos);
    printf("one to one, QoS %d: %.0f ns a message\n", qos,
           publish_ns(&rig, "sensors/17/temperature", qos));
    rig_finish(&rig);
}

static void bench_fan_out(void)
{
    struct rig rig = rig_new();

    client(&rig, 1, NULL, 0);
    for (conn_id conn = 2; conn < 1002; conn++)
        client(&rig, conn, "sensors/#", 0);
    printf("one to 1000, QoS 0: %.1f ns a delivery\n",
           publish_ns(&rig, "sensors/17/temperature", 0) / 1000);
    rig_finish(&rig);
}

/* Every delivery with the PUBACK it gets. */
static void bench_fan_out_acked(void)
{
    enum { COUNT = 1000 };
    struct rig rig = rig_new();
    struct mqtt_packet packet = { .kind = MQTT_PUBLISH }, ack = { .kind = MQTT_PUBACK };
    unsigned count = 0;

    client(&rig, 1, NULL, 0);
    for (conn_id conn = 2; conn < 2 + COUNT; conn++)
        client(&rig, conn, "sensors/#", 1);
    packet.publish.topic = STR("sensors/17/temperature");
    packet.publish.payload = STR("payload");
    packet.publish.qos = 1;
    packet.publish.packet_id = 1;
    double start = cpu_s();
    for (; cpu_s() - start < seconds; count++) {
        step(&rig, (struct core_event){ .kind = CORE_PACKET, .conn = 1, .packet = &packet });
        ack.puback.packet_id = (uint16_t)(count % 65535 + 1);
        for (conn_id conn = 2; conn < 2 + COUNT; conn++)
            step(&rig, (struct core_event){ .kind = CORE_PACKET, .conn = conn, .packet = &ack });
        core_out_clear(&rig.out);
    }
    printf("one to 1000, QoS 1: %.1f ns a delivery\n", (cpu_s() - start) * 1e9 / count / COUNT);
    rig_finish(&rig);
}

static void bench_idle(void)
{
    enum { COUNT = 10000 };
    struct rig rig = rig_new();

    client(&rig, 1, NULL, 0);
    size_t before = mallinfo2().uordblks;
    for (conn_id conn = 2; conn < 2 + COUNT; conn++)
        client(&rig, conn, NULL, 0);
    printf("idle client: %zu bytes of heap\n", (mallinfo2().uordblks - before) / COUNT);
    rig_finish(&rig);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = atof(argv[1]);
    bench_idle();
    bench_pair(0);
    bench_pair(1);
    bench_fan_out();
    bench_fan_out_acked();
    return 0;
}
