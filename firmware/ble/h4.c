/* Receiving is driven by the UART's interrupt with exact-length DMA: the type byte, then the
 * header, then the payload, so that a packet costs three interrupts and no byte is looked at twice.
 * When no buffer is free nothing is armed: the UART's RTS then stops the controller, which is the
 * flow control that keeps the flash writer and the radio in step. */
#include "h4.h"

#include "endian.h"
#include "soc/uarte.h"

#define STALL_MS 500u

enum stage { STAGE_IDLE, STAGE_TYPE, STAGE_HEADER, STAGE_PAYLOAD };

static struct h4_packet buffers[H4_BUFFERS];
static volatile uint32_t filled;   /* packets completed by the interrupt */
static volatile uint32_t released; /* packets given back by the main loop */
static volatile enum stage stage;
static volatile uint32_t progress; /* counts DMA ends, for the stall check */
static volatile bool lost;
static uint16_t wanted; /* payload bytes of the packet being received */

static uint32_t seen_progress;
static uint32_t seen_at_ms;

static struct h4_packet *current(void) {
    return &buffers[filled % H4_BUFFERS];
}

/* Bytes of the header that follow a type byte; 0 for a type a controller never sends to this host.
 */
static uint16_t header_length(uint8_t type) {
    switch (type) {
    case H4_EVENT:
        return 2;
    case H4_ACL:
        return 4;
    default:
        return 0;
    }
}

static void start_packet(void) {
    if (filled - released >= H4_BUFFERS) {
        stage = STAGE_IDLE;
        return;
    }
    stage = STAGE_TYPE;
    uarte_receive(UARTE_HCI, current()->bytes, 1);
}

static void finish_packet(void) {
    filled++;
    start_packet();
}

/* Interrupt: the bytes asked for have arrived. */
static void received(void) {
    struct h4_packet *packet = current();
    uint16_t header;

    progress++;
    switch (stage) {
    case STAGE_TYPE:
        header = header_length(packet->bytes[0]);
        if (header == 0) {
            lost = true;
            start_packet();
            return;
        }
        packet->length = (uint16_t)(1 + header);
        stage = STAGE_HEADER;
        uarte_receive(UARTE_HCI, &packet->bytes[1], header);
        return;
    case STAGE_HEADER:
        wanted = packet->bytes[0] == H4_EVENT ? packet->bytes[2] : get_le16(&packet->bytes[3]);
        if (wanted == 0) {
            finish_packet();
            return;
        }
        if (wanted > H4_PACKET_MAX - packet->length) {
            lost = true;
            start_packet();
            return;
        }
        stage = STAGE_PAYLOAD;
        uarte_receive(UARTE_HCI, &packet->bytes[packet->length], wanted);
        return;
    case STAGE_PAYLOAD:
        packet->length = (uint16_t)(packet->length + wanted);
        finish_packet();
        return;
    case STAGE_IDLE:
        return;
    }
}

void h4_open(void) {
    filled = 0;
    released = 0;
    lost = false;
    uarte_open(UARTE_HCI, received);
    start_packet();
}

const struct h4_packet *h4_next(void) {
    return filled == released ? NULL : &buffers[released % H4_BUFFERS];
}

void h4_release(void) {
    if (filled == released) {
        return;
    }
    /* With the UART's interrupt held off, or it could see the old count and stop while this sees it
     * still running. */
    uarte_interrupt_disable(UARTE_HCI);
    released++;
    if (stage == STAGE_IDLE) {
        start_packet();
    }
    uarte_interrupt_enable(UARTE_HCI);
}

bool h4_send(const uint8_t *bytes, size_t length) {
    return uarte_send(UARTE_HCI, bytes, length);
}

bool h4_sending(void) {
    return uarte_sending(UARTE_HCI);
}

void h4_poll(uint32_t now_ms) {
    if (progress != seen_progress || stage == STAGE_TYPE || stage == STAGE_IDLE) {
        seen_progress = progress;
        seen_at_ms = now_ms;
        return;
    }
    if (now_ms - seen_at_ms < STALL_MS) {
        return;
    }
    uarte_interrupt_disable(UARTE_HCI);
    uarte_receive_stop(UARTE_HCI);
    lost = true;
    start_packet();
    uarte_interrupt_enable(UARTE_HCI);
    seen_at_ms = now_ms;
}

bool h4_lost_synchronization(void) {
    bool was = lost;

    lost = false;
    return was;
}
