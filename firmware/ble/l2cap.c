#include "l2cap.h"

#include <string.h>

#include "att.h"
#include "endian.h"

/* LE signalling, Vol 3, Part A, section 4. */
#define COMMAND_REJECT 0x01
#define DISCONNECTION_REQUEST 0x06
#define CONNECTION_PARAMETER_UPDATE_REQUEST 0x12
#define CONNECTION_PARAMETER_UPDATE_RESPONSE 0x13
#define LE_CREDIT_BASED_CONNECTION_REQUEST 0x14
#define LE_CREDIT_BASED_CONNECTION_RESPONSE 0x15
#define REJECT_NOT_UNDERSTOOD 0x0000
#define REJECT_MTU_EXCEEDED 0x0001
#define REJECT_INVALID_CHANNEL 0x0002
#define PSM_NOT_SUPPORTED 0x0002
#define SIGNALLING_MTU 23
#define SIGNALLING_HEADER 4

/* Security Manager, Vol 3, Part H, section 3. */
#define PAIRING_REQUEST 0x01
#define PAIRING_FAILED 0x05
#define REASON_PAIRING_NOT_SUPPORTED 0x05

#define QUEUE 8u /* a power of two */

struct pdu {
    uint16_t length;
    uint8_t bytes[L2CAP_HEADER + L2CAP_PAYLOAD_MAX];
};

static uint8_t assembly[L2CAP_HEADER + L2CAP_PAYLOAD_MAX];
static uint16_t assembled;
static bool discarding; /* until the next first fragment */

static struct pdu queue[QUEUE];
static uint32_t queued;
static uint32_t taken;

bool l2cap_send(uint16_t channel, const uint8_t *payload, uint16_t length) {
    struct pdu *pdu;

    if (queued - taken >= QUEUE || length > L2CAP_PAYLOAD_MAX) {
        return false;
    }
    pdu = &queue[queued % QUEUE];
    put_le16(&pdu->bytes[0], length);
    put_le16(&pdu->bytes[2], channel);
    memcpy(&pdu->bytes[L2CAP_HEADER], payload, length);
    pdu->length = (uint16_t)(L2CAP_HEADER + length);
    queued++;
    return true;
}

bool l2cap_has_room(void) {
    return queued - taken < QUEUE - 1;
}

const uint8_t *l2cap_queued(uint16_t *length) {
    if (queued == taken) {
        return NULL;
    }
    *length = queue[taken % QUEUE].length;
    return queue[taken % QUEUE].bytes;
}

void l2cap_dequeue(void) {
    if (queued != taken) {
        taken++;
    }
}

static void reject(uint8_t identifier, uint16_t reason, const uint8_t *data, uint8_t length) {
    uint8_t answer[SIGNALLING_HEADER + 2 + 4] = {COMMAND_REJECT, identifier};

    put_le16(&answer[2], (uint16_t)(2 + length));
    put_le16(&answer[4], reason);
    if (length > 0) {
        memcpy(&answer[6], data, length);
    }
    (void)l2cap_send(L2CAP_CID_SIGNALLING, answer, (uint16_t)(SIGNALLING_HEADER + 2 + length));
}

/* One command a PDU on an LE link (section 4). The link is a peripheral's with fixed channels only:
 * whatever asks for more is refused as the specification says. */
static void signalling(const uint8_t *pdu, uint16_t length) {
    uint8_t limit[2] = {SIGNALLING_MTU, 0};
    uint8_t answer[SIGNALLING_HEADER + 10] = {0};
    uint16_t body;

    if (length < SIGNALLING_HEADER) {
        return;
    }
    if (length > SIGNALLING_MTU) {
        reject(pdu[1], REJECT_MTU_EXCEEDED, limit, sizeof(limit));
        return;
    }
    body = get_le16(&pdu[2]);
    if (pdu[1] == 0 || body != length - SIGNALLING_HEADER) {
        return;
    }
    answer[1] = pdu[1];
    switch (pdu[0]) {
    case COMMAND_REJECT:
    case CONNECTION_PARAMETER_UPDATE_RESPONSE:
        return;
    case CONNECTION_PARAMETER_UPDATE_REQUEST:
        /* Only a peripheral may ask, section 4.20; a central's request is not understood. */
        reject(pdu[1], REJECT_NOT_UNDERSTOOD, NULL, 0);
        return;
    case LE_CREDIT_BASED_CONNECTION_REQUEST:
        if (body != 10) {
            reject(pdu[1], REJECT_NOT_UNDERSTOOD, NULL, 0);
            return;
        }
        answer[0] = LE_CREDIT_BASED_CONNECTION_RESPONSE;
        put_le16(&answer[2], 10);
        put_le16(&answer[12], PSM_NOT_SUPPORTED);
        (void)l2cap_send(L2CAP_CID_SIGNALLING, answer, sizeof(answer));
        return;
    case DISCONNECTION_REQUEST:
        if (body == 4) {
            reject(pdu[1], REJECT_INVALID_CHANNEL, &pdu[SIGNALLING_HEADER], 4);
            return;
        }
        reject(pdu[1], REJECT_NOT_UNDERSTOOD, NULL, 0);
        return;
    default:
        reject(pdu[1], REJECT_NOT_UNDERSTOOD, NULL, 0);
        return;
    }
}

/* Nothing here is protected by pairing: images are signed, so that trust does not rest on the link.
 */
static void security_manager(const uint8_t *pdu, uint16_t length) {
    static const uint8_t failed[] = {PAIRING_FAILED, REASON_PAIRING_NOT_SUPPORTED};

    if (length >= 1 && pdu[0] == PAIRING_REQUEST) {
        (void)l2cap_send(L2CAP_CID_SECURITY, failed, sizeof(failed));
    }
}

static void dispatch(uint16_t channel, const uint8_t *payload, uint16_t length) {
    switch (channel) {
    case L2CAP_CID_ATT:
        att_receive(payload, length);
        return;
    case L2CAP_CID_SIGNALLING:
        signalling(payload, length);
        return;
    case L2CAP_CID_SECURITY:
        security_manager(payload, length);
        return;
    default:
        return;
    }
}

void l2cap_receive(bool first, const uint8_t *data, uint16_t length) {
    uint16_t whole;

    if (first) {
        assembled = 0;
        discarding = false;
    } else if (discarding || assembled == 0) {
        return;
    }
    if (length > sizeof(assembly) - assembled) {
        discarding = true;
        assembled = 0;
        return;
    }
    memcpy(&assembly[assembled], data, length);
    assembled = (uint16_t)(assembled + length);
    if (assembled < L2CAP_HEADER) {
        return;
    }
    whole = get_le16(&assembly[0]);
    if (whole > L2CAP_PAYLOAD_MAX || assembled > L2CAP_HEADER + whole) {
        discarding = true;
        assembled = 0;
        return;
    }
    if (assembled == L2CAP_HEADER + whole) {
        assembled = 0;
        dispatch(get_le16(&assembly[2]), &assembly[L2CAP_HEADER], whole);
    }
}

void l2cap_reset(void) {
    assembled = 0;
    discarding = false;
    queued = 0;
    taken = 0;
}
