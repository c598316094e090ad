/* Attribute protocol server on one connection (Core Specification 5.4, Vol 3, Part F). */
#ifndef BLE_ATT_H
#define BLE_ATT_H

#include <stdbool.h>
#include <stdint.h>

#define ATT_MTU_DEFAULT 23
#define ATT_MTU_MAX 517 /* a write command of the longest attribute value and room to spare */

/* Error codes, section 3.4.1.1. */
#define ATT_SUCCESS 0x00
#define ATT_INVALID_HANDLE 0x01
#define ATT_READ_NOT_PERMITTED 0x02
#define ATT_WRITE_NOT_PERMITTED 0x03
#define ATT_INVALID_PDU 0x04
#define ATT_REQUEST_NOT_SUPPORTED 0x06
#define ATT_INVALID_OFFSET 0x07
#define ATT_ATTRIBUTE_NOT_FOUND 0x0A
#define ATT_INVALID_VALUE_LENGTH 0x0D
#define ATT_UNSUPPORTED_GROUP_TYPE 0x10
#define ATT_VALUE_NOT_ALLOWED 0x13

void att_receive(const uint8_t *pdu, uint16_t length);

/* The MTU agreed on this connection, 23 to ATT_MTU_MAX. */
uint16_t att_mtu(void);

/* Whether the client has asked for notifications of the characteristic value at `handle`. */
bool att_notifies(uint16_t handle);

/* Queues a notification of at most att_mtu() - 3 bytes. Returns false when the client does not want
 * it, there is no room, or it is too long. */
bool att_notify(uint16_t handle, const uint8_t *value, uint16_t length);

/* Back to the state of a new connection. */
void att_reset(void);

#endif
