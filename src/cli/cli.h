/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the plexus program, one file each. */
#pragma once

/* Exit statuses; CLI_TIMEOUT is mosquitto_sub's. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_TIMEOUT = 27 };

struct cli_command {
    const char *name;
    /* words: what follows the name. Returns the exit status. */
    int (*run)(int count, char **words);
    const char *help;
};

/* plexus pub: publish. */
int cli_pub(int count, char **words);

/* plexus sub: subscribe and print what comes. */
int cli_sub(int count, char **words);

/* plexus status: the counters of a broker. */
int cli_status(int count, char **words);

/* plexus mesh: who is in the mesh, and a broker's links. */
int cli_mesh(int count, char **words);

/* plexus passwd: set the password of a user in a password file. */
int cli_passwd(int count, char **words);

/* plexus store: look into a data directory. */
int cli_store(int count, char **words);

/* plexus health: is a broker well? */
int cli_health(int count, char **words);
