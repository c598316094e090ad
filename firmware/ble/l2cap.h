/* L2CAP over an LE link, fixed channels only (Core Specification 5.4, Vol 3, Part A). */
#ifndef BLE_L2CAP_H
#define BLE_L2CAP_H

#include <stdbool.h>
#include <stdint.h>

/* Channel identifiers, section 2.1. */
#define L2CAP_CID_ATT 0x0004
#define L2CAP_CID_SIGNALLING 0x0005
#define L2CAP_CID_SECURITY 0x0006

/* Largest payload either way: an ATT PDU at the largest ATT MTU of this server. */
#define L2CAP_PAYLOAD_MAX 517
#define L2CAP_HEADER 4

/* One fragment of an ACL connection, `first` when it starts a PDU (packet boundary flag 0b10).
 * Whole PDUs go to their channel; whatever is too long, or continues nothing, is dropped. */
void l2cap_receive(bool first, const uint8_t *data, uint16_t length);

/* Queues a PDU. Returns false when the queue is full or the payload is longer than
 * L2CAP_PAYLOAD_MAX. */
bool l2cap_send(uint16_t channel, const uint8_t *payload, uint16_t length);

/* True while a notification may be queued: one place is always kept for a response. */
bool l2cap_has_room(void);

/* For the ACL layer: the oldest PDU queued, header included, or NULL; and its removal. */
const uint8_t *l2cap_queued(uint16_t *length);
void l2cap_dequeue(void);

/* Forgets everything of the connection that has ended. */
void l2cap_reset(void);

#endif
