/* SPDX-License-Identifier: Apache-2.0 */
#include "server/authority.h"

#include "auth/failures.h"
#include "auth/mechanism.h"
#include "auth/password_cache.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/os.h"
#include "base/vec.h"
#include "base/wheel.h"
#include "mqtt/reason.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { RUNNING_MAX = 2, SAY_EVERY_MS = 10000 };

/* A password that is verified, or waits for it. The pool's thread reads secret and
 * password and writes fits; all else is the loop's. */
struct check {
    uv_work_t work;
    struct authority *authority;
    struct list waiting;
    conn_id conn; /* 0: gone meanwhile */
    uint64_t ask;
    uint64_t account; /* see failures.h */
    bool known;       /* there is such a user */
    bool fits;
    struct scram_secret secret;
    size_t password_len;
    char password[];
};

/* What is known of a connection: a check that is under way, a refusal that waits, or its
 * enhanced authentication. */
struct guest {
    struct check *check;
    struct timer refusal; /* armed: to be told then that it is refused */
    struct core_ask refused;
    uint64_t account;
    const struct mechanism *mechanism; /* NULL: user name and password */
    void *exchange;                    /* NULL: none is under way */
    char *user;                        /* whom the first exchange proved; NULL: not yet */
    size_t user_len;
};

struct authority {
    struct authority_config config;
    struct users *users; /* NULL: none */
    struct password_cache *cache;
    struct failures *failures;
    struct wheel wheel;  /* refusals that wait */
    uv_timer_t *timer;   /* ... the next of them */
    uint64_t said_ms;    /* when the log heard of failures last; 0: never */
    uint64_t unsaid;     /* ... and how many it has not heard of since */
    struct list waiting; /* checks, in order */
    uint32_t running;
    bool ending;
    struct {
        VEC(struct guest *);
    } guests; /* by conn_id; NULL: nothing to know */
    struct authority_stats stats;
};

static void answer(struct authority *authority, const struct core_ask *ask,
                   enum core_verdict verdict, uint8_t reason, struct str data)
{
    struct core_answer said = {
        .ask = ask->ask, .verdict = verdict, .reason = reason, .data = data
    };

    authority->config.answer(authority->config.context, ask->conn, &said);
}

static void allow(struct authority *authority, const struct core_ask *ask)
{
    answer(authority, ask, CORE_ALLOW, REASON_SUCCESS, (struct str){ NULL, 0 });
}

static void deny(struct authority *authority, const struct core_ask *ask, uint8_t reason)
{
    answer(authority, ask, CORE_DENY, reason, (struct str){ NULL, 0 });
}

/* ---- guests ---- */

static struct guest *guest_find(const struct authority *authority, conn_id conn)
{
    return conn < authority->guests.len ? authority->guests.at[conn] : NULL;
}

/* A new one in the place of the connection, which is free; NULL when out of memory. */
static struct guest *guest_new(struct authority *authority, conn_id conn)
{
    while (authority->guests.len <= conn) {
        if (!vec_push(&authority->guests))
            return NULL;
    }
    assert(!authority->guests.at[conn]);
    struct guest *guest = authority->guests.at[conn] = calloc(1, sizeof *guest);
    if (guest)
        timer_init(&guest->refusal);
    return guest;
}

static void exchange_end(struct guest *guest)
{
    if (guest->exchange)
        guest->mechanism->end(guest->exchange);
    guest->exchange = NULL;
}

static void guest_free(struct authority *authority, conn_id conn)
{
    struct guest *guest = authority->guests.at[conn];

    authority->guests.at[conn] = NULL;
    authority->stats.refusals_waiting -= timer_armed(&guest->refusal);
    wheel_cancel(&authority->wheel, &guest->refusal);
    exchange_end(guest);
    free(guest->user);
    free(guest);
}

/* ---- refusals ---- */

static uint64_t now_ms(const struct authority *authority)
{
    return uv_now(authority->config.loop);
}

static bool may_try(const struct authority *authority, uint64_t account)
{
    return failures_may_try(authority->failures, account, now_ms(authority));
}

static void on_timer(uv_timer_t *timer);

static void refusals_schedule(struct authority *authority)
{
    uint64_t due_ms = wheel_deadline(&authority->wheel), now = now_ms(authority);

    if (due_ms == WHEEL_NEVER)
        uv_timer_stop(authority->timer);
    else
        uv_timer_start(authority->timer, on_timer, due_ms > now ? due_ms - now : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct authority *authority = timer->data;
    struct timer *due;

    while ((due = wheel_expire(&authority->wheel, now_ms(authority)))) {
        struct guest *guest = list_entry(due, struct guest, refusal);
        struct core_ask ask = guest->refused;
        authority->stats.refusals_waiting--;
        if (!guest->mechanism)
            guest_free(authority, ask.conn);
        deny(authority, &ask, REASON_BAD_USER_NAME_OR_PASSWORD);
    }
    refusals_schedule(authority);
}

/* The log hears of failures now and then: whoever causes them must not fill it. */
static void say_failed(struct authority *authority, uint32_t delay_ms)
{
    uint64_t now = now_ms(authority);

    authority->stats.failures++;
    authority->unsaid++;
    if (delay_ms == 0 || (authority->said_ms && now - authority->said_ms < SAY_EVERY_MS))
        return;
    log_warn("passwords.wrong", "count=%llu addresses=%zu last_delay_ms=%u",
             (unsigned long long)authority->unsaid, failures_addresses(authority->failures),
             (unsigned)delay_ms);
    authority->said_ms = now ? now : 1;
    authority->unsaid = 0;
}

/* A password was wrong: count it, and say how long its refusal waits. */
static uint32_t note_failure(struct authority *authority, uint64_t account)
{
    uint32_t delay_ms = failures_note(authority->failures, account, now_ms(authority));

    say_failed(authority, delay_ms);
    return delay_ms;
}

/* Refuse the guest that would come in, in due time. */
static void refuse(struct authority *authority, struct guest *guest, const struct core_ask *ask,
                   uint64_t account)
{
    uint32_t delay_ms = note_failure(authority, account);

    guest->check = NULL;
    guest->refused = (struct core_ask){ .ask = ask->ask, .conn = ask->conn };
    if (delay_ms > 0) {
        wheel_set(&authority->wheel, &guest->refusal, now_ms(authority) + delay_ms);
        authority->stats.refusals_waiting++;
        refusals_schedule(authority);
        return;
    }
    if (!guest->mechanism)
        guest_free(authority, ask->conn);
    deny(authority, ask, REASON_BAD_USER_NAME_OR_PASSWORD);
}

/* ---- passwords ---- */

static void check_free(struct check *check)
{
    OPENSSL_cleanse(&check->secret, sizeof check->secret);
    OPENSSL_cleanse(check->password, check->password_len);
    free(check);
}

/* On a thread of the pool. */
static void check_run(uv_work_t *work)
{
    struct check *check = work->data;
    struct str password = { check->password, check->password_len };

    check->fits = scram_secret_fits(&check->secret, password);
}

static void checks_start(struct authority *authority);

static void check_settle(struct authority *authority, const struct check *check)
{
    const struct core_ask ask = { .ask = check->ask, .conn = check->conn };
    struct str password = { check->password, check->password_len };
    bool well = check->fits && check->known;

    if (well)
        password_cache_add(authority->cache, &check->secret, password);
    if (check->conn == 0) {
        if (!well)
            note_failure(authority, check->account);
    } else if (well) {
        guest_free(authority, check->conn);
        allow(authority, &ask);
    } else {
        refuse(authority, guest_find(authority, check->conn), &ask, check->account);
    }
}

static void check_done(uv_work_t *work, int status)
{
    struct check *check = work->data;
    struct authority *authority = check->authority;

    authority->running--;
    authority->stats.checks_waiting--;
    if (!authority->ending && status == 0) {
        authority->stats.checks_done++;
        check_settle(authority, check);
    }
    check_free(check);
    if (!authority->ending)
        checks_start(authority);
}

/* Too many of its address failed since it began to wait: its password is not looked at. */
static void check_give_up(struct authority *authority, struct check *check)
{
    const struct core_ask ask = { .ask = check->ask, .conn = check->conn };

    guest_free(authority, check->conn);
    check_free(check);
    authority->stats.checks_waiting--;
    authority->stats.refused_early++;
    deny(authority, &ask, REASON_SERVER_BUSY);
}

static void checks_start(struct authority *authority)
{
    while (authority->running < RUNNING_MAX && !list_empty(&authority->waiting)) {
        struct check *check =
            list_entry(list_pop_front(&authority->waiting), struct check, waiting);
        if (!may_try(authority, check->account)) {
            check_give_up(authority, check);
            continue;
        }
        authority->running++;
        int err = uv_queue_work(authority->config.loop, &check->work, check_run, check_done);
        assert(err == 0); /* only a missing function is an error */
        (void)err;
    }
}

/* Let it wait for its turn. False when out of memory. */
static bool check_queue(struct authority *authority, const struct core_ask *ask, uint64_t account,
                        const struct scram_secret *secret, bool known, struct str password)
{
    struct check *check = malloc(sizeof *check + password.len);
    struct guest *guest = check ? guest_new(authority, ask->conn) : NULL;

    if (!guest) {
        free(check);
        return false;
    }
    *check = (struct check){ .authority = authority,
                             .conn = ask->conn,
                             .ask = ask->ask,
                             .account = account,
                             .known = known,
                             .secret = *secret,
                             .password_len = password.len };
    check->work.data = check;
    if (password.len)
        memcpy(check->password, password.ptr, password.len);
    guest->check = check;
    list_init(&check->waiting);
    list_push_back(&authority->waiting, &check->waiting);
    authority->stats.checks_waiting++;
    return true;
}

static struct str text_of(const uint8_t *bytes, struct core_text text)
{
    return (struct str){ (const char *)bytes + text.at, text.len };
}

static void ask_password(struct authority *authority, const struct core_ask *ask, uint64_t account,
                         const uint8_t *bytes)
{
    struct str name = text_of(bytes, ask->username), password = text_of(bytes, ask->password);
    struct scram_secret pretended;

    if (!authority->users || !ask->has_username || !ask->has_password) {
        deny(authority, ask, REASON_BAD_USER_NAME_OR_PASSWORD);
        return;
    }
    const struct scram_secret *secret = users_find(authority->users, name);
    bool known = secret != NULL;
    users_pretend(authority->users, name, &pretended);
    if (!known)
        secret = &pretended;
    if (password_cache_has(authority->cache, secret, password) && known) {
        authority->stats.remembered++;
        allow(authority, ask);
    } else if (!may_try(authority, account)) {
        authority->stats.refused_early++;
        deny(authority, ask, REASON_SERVER_BUSY);
    } else if (authority->stats.checks_waiting >= authority->config.checks_max ||
               !check_queue(authority, ask, account, secret, known, password)) {
        authority->stats.refused_busy++;
        deny(authority, ask, REASON_SERVER_BUSY);
    } else {
        checks_start(authority);
    }
}

/* ---- enhanced authentication ---- */

/* The exchange proved a user: one, as long as the connection lives. */
static bool is_same_user(struct guest *guest)
{
    struct str name = guest->mechanism->user(guest->exchange);

    if (guest->user)
        return str_equal(name, (struct str){ guest->user, guest->user_len });
    guest->user = str_to_c(name);
    guest->user_len = name.len;
    return guest->user != NULL;
}

/* Only a CONNACK could say so plainly. */
static void deny_again(struct authority *authority, const struct core_ask *ask, uint64_t account)
{
    note_failure(authority, account);
    deny(authority, ask, REASON_NOT_AUTHORIZED);
}

static void take_step(struct authority *authority, const struct core_ask *ask, struct guest *guest,
                      struct str data)
{
    struct mechanism_world world = { .users = authority->users };
    struct buf out = { 0 };
    bool again = guest->user != NULL;
    int err = os_random(world.random, sizeof world.random);

    if (!again && !may_try(authority, guest->account)) {
        authority->stats.refused_early++;
        err = ERR_LIMIT;
    }
    if (!err)
        err = guest->mechanism->step(guest->exchange, &world, data, &out);
    if (!err && !is_same_user(guest))
        err = ERR_DENIED;
    if (err != ERR_MORE)
        exchange_end(guest);
    if (!err)
        answer(authority, ask, CORE_ALLOW, REASON_SUCCESS, buf_str(&out));
    else if (err == ERR_MORE)
        answer(authority, ask, CORE_CONTINUE, REASON_SUCCESS, buf_str(&out));
    else if (err == ERR_DENIED && !again)
        refuse(authority, guest, ask, guest->account);
    else if (err == ERR_DENIED) /* its connection is lost anyway, without a wait */
        deny_again(authority, ask, guest->account);
    else
        deny(authority, ask, err == ERR_MALFORMED ? REASON_NOT_AUTHORIZED : REASON_SERVER_BUSY);
    buf_finish(&out);
}

static void ask_mechanism(struct authority *authority, const struct core_ask *ask, uint64_t account,
                          const uint8_t *bytes)
{
    struct guest *guest = guest_find(authority, ask->conn);

    if (ask->stage == CORE_ASK_CONNECT) {
        const struct mechanism *mechanism = mechanism_find(text_of(bytes, ask->method));
        if (!mechanism) { /* [MQTT-4.12.0-1] */
            deny(authority, ask, REASON_BAD_AUTHENTICATION_METHOD);
            return;
        }
        guest = guest_new(authority, ask->conn);
        if (guest) {
            guest->mechanism = mechanism;
            guest->account = account;
        }
    }
    if (guest && ask->stage != CORE_ASK_CONTINUE) {
        exchange_end(guest);
        guest->exchange = guest->mechanism->begin();
    }
    if (guest && guest->exchange)
        take_step(authority, ask, guest, text_of(bytes, ask->data));
    else
        deny(authority, ask, REASON_SERVER_BUSY);
}

/* ---- life ---- */

struct authority *authority_new(const struct authority_config *config)
{
    struct authority *authority = calloc(1, sizeof *authority);
    uint8_t key[PASSWORD_CACHE_KEY_LEN];

    if (!authority)
        return NULL;
    authority->config = *config;
    list_init(&authority->waiting);
    struct hash_key hash_key;
    if (os_random(key, sizeof key) == ERR_OK)
        authority->cache = password_cache_new(config->cache_max, key);
    OPENSSL_cleanse(key, sizeof key);
    if (os_random(&hash_key, sizeof hash_key) == ERR_OK)
        authority->failures = failures_new(&config->failures, hash_key);
    wheel_init(&authority->wheel, uv_now(config->loop));
    authority->timer = calloc(1, sizeof *authority->timer);
    if (authority->timer) {
        uv_timer_init(config->loop, authority->timer);
        authority->timer->data = authority;
    }
    if (authority->cache && authority->failures && authority->timer)
        return authority;
    authority_free(authority);
    return NULL;
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

void authority_free(struct authority *authority)
{
    struct list *node;

    if (!authority)
        return;
    authority->ending = true;
    while ((node = list_pop_front(&authority->waiting)))
        check_free(list_entry(node, struct check, waiting));
    while (authority->running > 0)
        uv_run(authority->config.loop, UV_RUN_ONCE);
    for (conn_id conn = 0; conn < authority->guests.len; conn++) {
        if (authority->guests.at[conn])
            guest_free(authority, conn);
    }
    vec_finish(&authority->guests);
    if (authority->timer)
        uv_close((uv_handle_t *)authority->timer, on_timer_closed);
    password_cache_free(authority->cache);
    failures_free(authority->failures);
    users_free(authority->users);
    free(authority);
}

void authority_set_users(struct authority *authority, struct users *users)
{
    users_free(authority->users);
    authority->users = users;
    password_cache_clear(authority->cache);
}

void authority_set_limits(struct authority *authority, uint32_t checks_max,
                          const struct failures_config *failures)
{
    authority->config.checks_max = checks_max;
    failures_configure(authority->failures, failures);
}

void authority_ask(struct authority *authority, const struct core_ask *ask, struct str peer,
                   const uint8_t *bytes)
{
    uint64_t account = failures_account(peer);

    if (ask->method.len > 0)
        ask_mechanism(authority, ask, account, bytes);
    else
        ask_password(authority, ask, account, bytes);
}

void authority_left(struct authority *authority, conn_id conn)
{
    struct guest *guest = guest_find(authority, conn);

    if (!guest)
        return;
    struct check *check = guest->check;
    guest_free(authority, conn);
    if (!check)
        return;
    check->conn = 0;
    if (!list_linked(&check->waiting)) /* it runs: what comes of it is nobody's */
        return;
    list_remove(&check->waiting);
    authority->stats.checks_waiting--;
    check_free(check);
}

struct authority_stats authority_stats(const struct authority *authority)
{
    struct authority_stats stats = authority->stats;

    stats.addresses = failures_addresses(authority->failures);
    return stats;
}
