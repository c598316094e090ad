/* Simple Management Protocol server: one request in, one answer out (Zephyr documentation, "SMP
 * Protocol Specification"). */
#ifndef APP_SMP_H
#define APP_SMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smp_error.h"
#include "zcbor_encode.h"

#define SMP_HEADER 8u

/* What a client may send at once, as "MCUmgr parameters" tells it: bytes of a message with its
 * header, and messages under way at the same time. Nordic's speed-up configuration. */
#define SMP_BUFFER_SIZE 2475u
#define SMP_BUFFER_COUNT 8u

/* The longest answer: an echo of the longest request. */
#define SMP_ANSWER_SIZE (SMP_BUFFER_SIZE + 16u)

#define SMP_READ 0
#define SMP_WRITE 2

/* A request on its way through a group's handler. */
struct smp_request {
    uint8_t operation; /* SMP_READ or SMP_WRITE */
    uint8_t command;
    const uint8_t *payload;
    size_t payload_length;
};

/* A handler puts the answer's entries into the open map `out`. */
typedef struct smp_error (*smp_handler)(const struct smp_request *request, zcbor_state_t *out);

struct smp_error smp_os_handle(const struct smp_request *request, zcbor_state_t *out);
struct smp_error smp_image_handle(const struct smp_request *request, zcbor_state_t *out);
struct smp_error smp_basic_handle(const struct smp_request *request, zcbor_state_t *out);

/* Bytes of the whole message whose header is at `header`. */
size_t smp_message_length(const uint8_t header[SMP_HEADER]);

/* Answers a message that is complete: `length` is smp_message_length(). Returns the answer's
 * length, 0 for no answer, and sets
 * `*again` when it has to be called again with the same message before there is one. `room` is at
 * least SMP_ANSWER_SIZE. */
size_t smp_process(const uint8_t *message, size_t length, uint8_t *answer, size_t room,
                   bool *again);

/* To be called instead of that where the client has gone in the meantime. */
void smp_abandon(void);

/* The answer to a message longer than SMP_BUFFER_SIZE, of which only the header was kept. */
size_t smp_refuse_size(const uint8_t header[SMP_HEADER], uint8_t *answer, size_t room);

/* True once a client has asked for a reset and been answered; for the main loop, which carries it
 * out. */
bool smp_reset_wanted(void);

#endif
