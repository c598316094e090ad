#include "smp_ble.h"

#include <string.h>

#include "ble/att.h"
#include "ble/l2cap.h"
#include "services.h"
#include "smp.h"
#include "soc/time.h"

#define ATT_NOTIFICATION_HEADER 3u
#define PAUSE_MS 5000u /* a message that pauses longer was given up by its client */

struct message {
    size_t length;
    uint8_t bytes[SMP_BUFFER_SIZE];
};

static struct message messages[SMP_BUFFER_COUNT];
static uint32_t queued; /* complete messages; the next one is assembled behind them */
static uint32_t taken;

static uint8_t header[SMP_HEADER];
static size_t header_filled;
static size_t filled; /* bytes of the message under way, its header included */
static size_t skip;   /* bytes of a message that is passed over */
static uint32_t last_write_ms;
static uint32_t lost;

static bool unfinished; /* the oldest message has to be processed again before there is an answer */

static uint8_t too_long[SMP_HEADER]; /* header of a message to be refused for its size */
static bool refusal_wanted;

static uint8_t answer[SMP_ANSWER_SIZE];
static size_t answer_length;
static size_t answer_sent;

static struct message *assembling(void) {
    return &messages[queued % SMP_BUFFER_COUNT];
}

/* The header is complete: is there a place for the message? */
static void begin(void) {
    size_t length = smp_message_length(header);

    if (length > SMP_BUFFER_SIZE) {
        memcpy(too_long, header, sizeof(header));
        refusal_wanted = true;
        skip = length - SMP_HEADER;
        header_filled = 0;
        return;
    }
    if (queued - taken == SMP_BUFFER_COUNT) {
        lost++;
        skip = length - SMP_HEADER;
        header_filled = 0;
        return;
    }
    memcpy(assembling()->bytes, header, sizeof(header));
    assembling()->length = length;
    filled = SMP_HEADER;
}

static void end_if_complete(void) {
    if (header_filled == SMP_HEADER && filled == assembling()->length) {
        queued++;
        header_filled = 0;
    }
}

static uint16_t smaller(size_t a, uint16_t b) {
    return (uint16_t)(a < b ? a : b);
}

uint8_t smp_ble_write(const uint8_t *value, uint16_t length) {
    uint32_t now = time_ms();

    if (now - last_write_ms > PAUSE_MS) {
        header_filled = 0;
        skip = 0;
    }
    last_write_ms = now;
    while (length > 0) {
        uint16_t part;

        if (skip > 0) {
            part = smaller(skip, length);
            skip -= part;
        } else if (header_filled < SMP_HEADER) {
            part = smaller(SMP_HEADER - header_filled, length);
            memcpy(&header[header_filled], value, part);
            header_filled += part;
            if (header_filled == SMP_HEADER) {
                begin();
                end_if_complete();
            }
        } else {
            part = smaller(assembling()->length - filled, length);
            memcpy(&assembling()->bytes[filled], value, part);
            filled += part;
            end_if_complete();
        }
        value += part;
        length = (uint16_t)(length - part);
    }
    return ATT_SUCCESS;
}

static void send_answer(void) {
    size_t room = (size_t)att_mtu() - ATT_NOTIFICATION_HEADER;

    while (answer_sent < answer_length && l2cap_has_room()) {
        size_t part = answer_length - answer_sent < room ? answer_length - answer_sent : room;

        if (!att_notify(SERVICES_SMP_HANDLE, &answer[answer_sent], (uint16_t)part)) {
            answer_length = 0; /* the client does not listen */
            return;
        }
        answer_sent += part;
    }
    if (answer_sent == answer_length) {
        answer_length = 0;
    }
}

void smp_ble_poll(void) {
    if (answer_length > 0) {
        send_answer();
        return;
    }
    if (refusal_wanted) {
        refusal_wanted = false;
        answer_length = smp_refuse_size(too_long, answer, sizeof(answer));
    } else if (queued != taken) {
        const struct message *message = &messages[taken % SMP_BUFFER_COUNT];

        answer_length =
            smp_process(message->bytes, message->length, answer, sizeof(answer), &unfinished);
        if (!unfinished) {
            taken++;
        }
    }
    answer_sent = 0;
    if (answer_length > 0) {
        send_answer();
    }
}

bool smp_ble_has_work(void) {
    return answer_length > 0 ? l2cap_has_room() : refusal_wanted || queued != taken;
}

void smp_ble_reset(void) {
    if (unfinished) {
        smp_abandon();
        unfinished = false;
    }
    header_filled = 0;
    skip = 0;
    queued = 0;
    taken = 0;
    refusal_wanted = false;
    answer_length = 0;
}

uint32_t smp_ble_lost(void) {
    return lost;
}
