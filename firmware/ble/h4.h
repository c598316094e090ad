/* HCI over UART, "H4": one type byte before each packet (Core Specification 5.4, Vol 4, Part A). */
#ifndef BLE_H4_H
#define BLE_H4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packet indicators, Vol 4, Part A, section 2. */
#define H4_COMMAND 0x01
#define H4_ACL 0x02
#define H4_EVENT 0x04
#define H4_ISO 0x05

/* Largest packet taken from the controller: type, ACL header and 255 bytes. LE Read Buffer Size
 * tells the controller's side only; what it sends to us never exceeds a link layer PDU's 251 bytes,
 * and an event's 255. */
#define H4_BUFFERS 8u /* a power of two, so that free-running indices wrap correctly */
#define H4_PACKET_MAX 260

struct h4_packet {
    uint16_t length; /* with the type byte */
    uint8_t bytes[H4_PACKET_MAX];
};

/* Opens the UART and starts to receive. */
void h4_open(void);

/* The oldest whole packet received, or NULL. It stays valid until h4_release(). */
const struct h4_packet *h4_next(void);

/* Gives the packet of h4_next() back, so that its buffer can receive again. */
void h4_release(void);

/* Sends one packet. `bytes` must stay unchanged until h4_sending() is false again. Returns false
 * while one is being sent. */
bool h4_send(const uint8_t *bytes, size_t length);
bool h4_sending(void);

/* Called from the main loop: ends a packet that has stopped in the middle, so that a lost byte does
 * not block the transport for ever. */
void h4_poll(uint32_t now_ms);

/* True once after bytes that are no packet: the two sides no longer agree where packets start, and
 * the controller has to be reset (Vol 4, Part A, section 4). */
bool h4_lost_synchronization(void);

#endif
