/* The host's side of the Host Controller Interface for one peripheral with one connection (Core
 * Specification 5.4, Vol 4, Part E): start-up of the controller, advertising, the connection, and
 * ACL data with flow control. */
#ifndef BLE_HCI_H
#define BLE_HCI_H

#include <stdbool.h>
#include <stdint.h>

struct hci_config {
    uint8_t address[6]; /* random static, least significant byte first, the two top bits set */
    uint8_t advertising_length; /* 0 to 31 */
    uint8_t advertising[31];
    void (*link_changed)(bool connected); /* from the main loop */
};

/* Opens the transport and starts to reset the controller. `config` must stay. */
void hci_open(const struct hci_config *config);

/* Does what there is to do: packets received, commands, ACL fragments. To be called whenever the
 * main loop is awake. */
void hci_poll(uint32_t now_ms);

/* Resets the controller and sets it up anew, for when it may have lost its state: a chip of its
 * own, it can brown out at a voltage at which the processor runs on, and tells nobody. */
void hci_restart(void);

/* Ends the link with a reason the peer is told, and then resets the controller, which stops all
 * else it does. A controller is a chip of its own: it would keep link and advertising alive while
 * the processor restarts. hci_poll() carries it out. */
void hci_close(uint32_t now_ms);

/* True when that is done, or half a second has not been enough: a controller that does not answer
 * holds up no reset. */
bool hci_closed(void);

/* Whether hci_poll() has something to take or to send right now. */
bool hci_has_work(void);

/* True when the controller has been set up: it answered every command of the start-up. */
bool hci_ready(void);

bool hci_connected(void);

/* Version information of the controller once ready: HCI version (Assigned Numbers) and company
 * identifier. */
uint8_t hci_controller_version(void);
uint16_t hci_controller_company(void);

/* Times the controller had to be reset again: no answer, or the two sides lost step. */
uint32_t hci_restarts(void);

#endif
