"""The air of the virtual bench: radio medium and link-layer controllers that speak HCI upwards."""
