/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/err.h"
#include "net/bind.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A connected socket to this path, or -1. */
static int unix_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A rig whose MQTT listener is this unix socket. */
static void start_unix(struct rig *rig, const char *path)
{
    rig_init(rig);
    rig->listeners[0] = (struct listener_config){ .path = path, .mode = 0600 };
    rig->listeners[1] = (struct listener_config){ .host = "::1", .kind = LISTENER_MQTT };
    rig_start(rig);
}

START_TEST(clients_come_by_unix_socket_and_by_ipv6)
{
    char dir[] = "/tmp/plexus-bind-XXXXXX", path[64], expected[80];
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct stat status;
    struct rig rig;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    start_unix(&rig, path);
    snprintf(expected, sizeof expected, "unix:%s", path);
    ck_assert(str_equal(net_address(rig.net, 0), str_from_c(expected)));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    int fd = unix_connect(path);
    rig_say(&rig, fd, CONNECT_A SUBSCRIBE_T PUBLISH_T);
    rig_hear(&rig, fd, CONNACK SUBACK_T PUBLISH_T);
    struct str address = net_address(rig.net, 1);
    ck_assert(str_starts_with(address, STR("[::1]:")));
    six.sin6_port = htons((uint16_t)atoi(address.ptr + 6));
    int other = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(other, (struct sockaddr *)&six, sizeof six), 0);
    fcntl(other, F_SETFL, O_NONBLOCK);
    rig_say(&rig, other, CONNECT_B);
    rig_hear(&rig, other, CONNACK);
    close(fd);
    close(other);
    rig_stop(&rig);
    ck_assert_int_ne(access(path, F_OK), 0); /* we leave nothing behind */
    rmdir(dir);
}
END_TEST

START_TEST(what_a_dead_process_left_is_removed_and_what_lives_is_not)
{
    char dir[] = "/tmp/plexus-bind-XXXXXX", path[64], expected[160];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct buf errors = { 0 };
    struct rig rig;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    strcpy(address.sun_path, path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(dead, (struct sockaddr *)&address, sizeof address), 0);
    close(dead);
    start_unix(&rig, path);
    int fd = unix_connect(path);
    ck_assert_int_ge(fd, 0);
    struct listener_config again = { .path = path };
    ck_assert_int_lt(bind_open(&again, &errors), 0);
    snprintf(expected, sizeof expected, "cannot listen on unix:%s: address already in use\n", path);
    ck_assert(str_equal(buf_str(&errors), str_from_c(expected)));
    close(fd);
    rig_stop(&rig);
    buf_clear(&errors);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); /* nobody's socket */
    ck_assert_int_lt(bind_open(&again, &errors), 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    unlink(path);
    rmdir(dir);
    buf_finish(&errors);
}
END_TEST

START_TEST(a_socket_that_was_handed_over_is_found_by_name_and_by_number)
{
    struct buf errors = { 0 };
    char pid[16];
    int saved = fcntl(4, F_DUPFD_CLOEXEC, 10);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(listen(fd, 1), 0);
    dup2(fd, 4);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "other:mqtt", 1);
    int named = bind_open(&(struct listener_config){ .socket_name = "mqtt" }, &errors);
    int counted = bind_open(&(struct listener_config){ .socket_name = "1" }, &errors);
    ck_assert_int_ge(named, 0);
    ck_assert_int_ge(counted, 0);
    ck_assert_uint_eq(errors.len, 0);
    ck_assert_int_lt(bind_open(&(struct listener_config){ .socket_name = "web" }, &errors), 0);
    setenv("LISTEN_PID", "1", 1);
    ck_assert_int_lt(bind_open(&(struct listener_config){ .socket_name = "mqtt" }, &errors), 0);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    close(named);
    close(counted);
    close(fd);
    close(4);
    if (saved >= 0) {
        dup2(saved, 4);
        close(saved);
    }
    buf_finish(&errors);
}
END_TEST

UNIT_MAIN("net/bind", clients_come_by_unix_socket_and_by_ipv6,
          what_a_dead_process_left_is_removed_and_what_lives_is_not,
          a_socket_that_was_handed_over_is_found_by_name_and_by_number)
