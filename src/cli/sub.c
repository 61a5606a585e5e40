/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/mqtt_client.h"
#include "cli/mqtt_options.h"

#include <stdio.h>

struct printer {
    bool verbose;
    unsigned left; /* messages to print; 0: no limit */
};

/* Print one message whole and at once, so that a reader at the other end of a pipe sees
 * it. A pipe that nobody reads any more is enough. */
static bool print_message(void *context, struct str topic, struct str payload)
{
    struct printer *printer = context;

    if (printer->verbose)
        printf("%.*s ", STR_ARG(topic));
    fwrite(payload.ptr, 1, payload.len, stdout);
    putchar('\n');
    if (fflush(stdout) != 0)
        return false;
    return printer->left == 0 || --printer->left > 0;
}

static int run(const struct mqtt_options *options)
{
    struct printer printer = { options->verbose, options->count };
    struct mqtt_client *client = mqtt_client_new(options, print_message, &printer);
    enum mqtt_wait end = WAIT_FAILED;

    if (!client)
        return CLI_FAILED;
    if (mqtt_client_connect(client) == ERR_OK)
        end = mqtt_client_wait(client, options->timeout_s);
    mqtt_client_free(client);
    switch (end) {
    case WAIT_ENOUGH:
    case WAIT_SIGNAL: return CLI_OK;
    case WAIT_TIMEOUT: return CLI_TIMEOUT;
    case WAIT_FAILED: return CLI_FAILED;
    }
    return CLI_FAILED;
}

int cli_sub(int count, char **words)
{
    return mqtt_options_run(MQTT_SUB, count, words, run);
}
